// The state of the page, and who is told when it changes.
import type { Answer, Backend, EditFields, Preview, SessionState, SolutionFields, Subject } from "./backend";
import { number } from "./dom";
import { type Edge, type Layer, edgeLayers, edgeValue, exists, trace } from "./network";

export class Store {
  subject!: Subject;
  state!: SessionState;
  first!: Layer[]; // the network when the page was opened, drawn in grey
  edge: Edge | null = null;
  row = -1; // place of a row among those of the page, or -1
  hovered = -1; // of the row below the pointer
  point: number[] = []; // of "What if", in the units of the network
  share = 0; // of the background job that is done
  preview: Preview | null = null;
  job = 0;
  drawn: Layer[] | null = null; // a network that is being dragged
  busy = "";
  message = "";
  private calls: ((what: string) => void)[] = [];
  private values: number[][][] | null = null; // by row: what enters each layer
  private means = new WeakMap<Layer[], Map<string, number>>();

  constructor(readonly backend: Backend) {}

  listen(call: (what: string) => void): void {
    this.calls.push(call);
  }

  tell(what: string): void {
    for (const call of this.calls) call(what);
  }

  get network(): Layer[] {
    return this.drawn ?? this.preview?.network ?? this.state.network;
  }

  /** What enters each layer of edges of the kept network, and its outputs, for every row of the page. */
  get traces(): number[][][] {
    this.values ??= this.subject.rows.x.map((x) => trace(this.state.network, x));
    return this.values;
  }

  /** Values of the input of an edge over the rows. */
  inputs(edge: Edge): number[] {
    return this.traces.map((one) => one[edge[0]]![edge[1]]!);
  }

  /** The row whose path is shown: that below the pointer, or the chosen one. */
  get shownRow(): number {
    return this.hovered >= 0 ? this.hovered : this.row;
  }

  /** At most `count` rows, evenly picked. */
  fewRows(count: number): number[][] {
    const { x } = this.subject.rows;
    return x.filter((_, n) => n % Math.ceil(x.length / count) === 0);
  }

  /** Mean of each edge of the last layer over the rows, from which contributions count. */
  lastMeans(): Map<string, number> {
    const { network } = this;
    let found = this.means.get(network);
    if (found) return found;
    found = new Map();
    const layers = edgeLayers(network);
    const l = layers.length - 1;
    const layer = layers[l]!;
    const few = this.fewRows(200).map((x) => trace(network, x)[l]!);
    for (let i = 0; i < layer.inputs; i++)
      for (let o = 0; o < layer.outputs; o++)
        if (exists(layer, i, o))
          found.set(`${l},${i},${o}`, few.reduce((sum, one) => sum + edgeValue(layer, i, o, one[i]!), 0) / few.length);
    this.means.set(network, found);
    return found;
  }

  /** A value of the network in the unit of the target. */
  inUnits(value: number, output: number): number {
    const { shift, scale, log } = this.subject.target;
    const y = (shift[output] ?? 0) + (scale[output] ?? 1) * value;
    return log ? Math.exp(y) : y;
  }

  /** Unit of an output: by what an edge into it is multiplied in the units of the table; 1 for classes and logarithms. */
  unit(output: number): number {
    const { task, target } = this.subject;
    return task === "classes" || target.log ? 1 : (target.scale[output] ?? 1);
  }

  /** Standard deviation of each edge over at most 200 rows: how much it moves what follows. */
  strengths(): Map<string, number> {
    const step = Math.max(1, Math.floor(this.traces.length / 200));
    const few = this.traces.filter((_, n) => n % step === 0);
    const found = new Map<string, number>();
    edgeLayers(this.state.network).forEach((layer, l) => {
      for (let i = 0; i < layer.inputs; i++)
        for (let o = 0; o < layer.outputs; o++) {
          if (!exists(layer, i, o)) continue;
          const values = few.map((one) => edgeValue(layer, i, o, one[l]![i]!));
          const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
          const square = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
          found.set(`${l},${i},${o}`, Math.sqrt(square));
        }
    });
    return found;
  }

  /** Open a model; what the page shows is returned if it is a solution of an equation instead. */
  async open(): Promise<SolutionFields | null> {
    const answer = await this.backend.ask("state", {});
    if (answer.solution) return answer.solution;
    if (!answer.state || !answer.subject) throw new Error(answer.error ?? "There is no answer.");
    this.subject = answer.subject;
    this.first = answer.state.network;
    this.take(answer.state);
    if (!this.backend.shared) return null;
    let ticks = 0; // four a second while something is computed, else every two seconds
    window.setInterval(() => (this.busy || ++ticks % 8 === 0) && void this.poll(), 250);
    return null;
  }

  private take(state: SessionState): void {
    this.state = state;
    this.values = null;
    this.preview = this.drawn = null;
    if (this.edge) {
      const [l, i, o] = this.edge;
      const layer = edgeLayers(state.network)[l];
      if (!layer || !exists(layer, i, o)) this.edge = null;
    }
    this.tell("state");
  }

  private async poll(): Promise<void> {
    if (document.hidden) return;
    const answer = await this.backend.ask("state", { seen: this.state.version });
    if (this.busy && answer.share !== undefined) {
      this.share = answer.share;
      this.tell("share");
    }
    if (answer.state && !this.busy && answer.state.version !== this.state.version) {
      this.say("Another page changed the model; this is its present state.");
      this.take(answer.state);
    }
  }

  say(message: string): void {
    this.message = message;
    this.tell("message");
  }

  /** Ask for something that takes a while, and show what comes back. */
  async run(what: string, name: string, body: object): Promise<Answer> {
    this.busy = what;
    this.share = 0;
    this.tell("busy");
    const answer = await this.backend.ask(name, body);
    this.busy = "";
    this.tell("busy");
    if (answer.error) this.say(answer.error);
    if (answer.cancelled) this.say("Cancelled: nothing was changed.");
    if (answer.stale) this.say("Another page changed the model first: nothing of it was lost, make your edit again.");
    if (answer.state) this.take(answer.state);
    return answer;
  }

  async propose(edit: EditFields): Promise<void> {
    this.say("");
    const answer = await this.run("Computing the cost", "preview", { edit });
    this.drawn = null;
    if (answer.preview) {
      this.preview = answer.preview;
      this.job = answer.job ?? 0;
    }
    this.tell("preview");
  }

  async keep(): Promise<void> {
    const text = this.preview?.text ?? "";
    const answer = await this.run("Keeping the edit", "keep", { version: this.state.version, job: this.job });
    if (!answer.stale && !answer.error) this.say(`Kept: ${this.named(text)}`);
  }

  discard(): void {
    this.preview = this.drawn = null;
    this.tell("preview");
  }

  async move(name: "undo" | "redo"): Promise<void> {
    await this.run(name === "undo" ? "Undoing" : "Redoing", name, { version: this.state.version });
  }

  select(edge: Edge | null): void {
    this.edge = edge;
    this.drawn = this.preview = null;
    this.tell("select");
  }

  selectRow(row: number): void {
    this.row = row;
    this.hovered = -1;
    this.tell("row");
  }

  hover(row: number): void {
    if (row === this.hovered) return;
    this.hovered = row;
    this.tell("hover");
  }

  /** Name of what enters a layer: an input, or a hidden node. */
  nodeName(layer: number, node: number): string {
    if (layer === 0) return this.subject.inputs[node] ?? `input ${node}`;
    const last = edgeLayers(this.state.network).length;
    return layer === last ? (this.subject.outputs[node] ?? `output ${node}`) : `node ${layer}.${node}`;
  }

  /** A sentence about an edit, with names in the place of the numbers of an edge. */
  named(text: string): string {
    let first: number | null = null; // the input that an edge leaves, whose ranges are told in the unit of the table
    const named = text.replace(/\b([Ee])dge \((\d+), (\d+), (\d+)\)/g, (_, e: string, l: string, i: string, o: string) => {
      if (Number(l) === 0) first = Number(i);
      return `${e}dge ${this.edgeName([Number(l), Number(i), Number(o)])}`;
    });
    const { shift, scale } = this.subject;
    const unit = (value: string): string => number(first === null ? Number(value) : shift[first]! + scale[first]! * Number(value));
    return named.replace(/ from (-?[\d.e+-]+) to (-?[\d.e+-]+?)\.$/, (_, a: string, b: string) => ` from ${unit(a)} to ${unit(b)}.`);
  }

  edgeName([l, i, o]: Edge): string {
    return `${this.nodeName(l, i)} to ${this.nodeName(l + 1, o)}`;
  }
}
