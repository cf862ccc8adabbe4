// The state of the page, and who is told when it changes.
import type { Answer, Backend, Preview, SessionState, SolutionFields, Subject } from "./backend";
import type { EditFields } from "./kinds";
import { number } from "./dom";
import { type Edge, type Layer, trace } from "./network";
import { type Drawn, type Term, drawn, sumNodes, termValue } from "./terms";

const FEW = 200; // rows over which means and strengths are computed

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
  dragged: Layer[] | null = null;
  busy = "";
  message = "";
  private calls: ((what: string) => void)[] = [];
  private values: number[][][] | null = null; // by row: what enters each layer
  private means = new WeakMap<Layer[], Map<string, number>>();
  private drawings = new WeakMap<Layer[], Drawn>();

  constructor(readonly backend: Backend) {}

  listen(call: (what: string) => void): void {
    this.calls.push(call);
  }

  tell(what: string): void {
    for (const call of this.calls) call(what);
  }

  get network(): Layer[] {
    return this.dragged ?? this.preview?.network ?? this.state.network;
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

  /** What is drawn of a network. */
  drawing(network = this.network): Drawn {
    let found = this.drawings.get(network);
    if (!found) this.drawings.set(network, (found = drawn(network, this.subject)));
    return found;
  }

  /** The term of the chosen edge in the kept network. */
  get term(): Term | null {
    const key = this.edge?.join();
    return this.drawing(this.state.network).terms.find((one) => one.edges.some((edge) => edge.join() === key)) ?? null;
  }

  /** Whether there is an edit to undo or redo. */
  canMove(name: "undo" | "redo"): boolean {
    return this.state.edits.some((one) => one.holds === (name === "undo") && !one.fixed);
  }

  /** Whether the sums of a drawn layer are the outputs. */
  isLast(layer: number): boolean {
    return layer === this.drawing().layers - 1 && this.state.network.at(-1)!.kind === "edges";
  }

  /** Whether both classes are shown as the log odds of the second one. */
  get hasLogOdds(): boolean {
    const last = this.state.network.at(-1)!;
    if (this.subject.task !== "classes" || this.subject.outputs.length !== 2 || last.kind !== "edges") return false;
    const { terms, layers } = this.drawing(this.state.network);
    return !terms.some((one) => one.layer === layers - 1 && one.sum === 0);
  }

  /** What an output is called where something is added to it. */
  scoreName(o: number): string {
    const { task, target, outputs } = this.subject;
    const what = task !== "classes" ? (target.log ? "log " : "") : this.hasLogOdds ? "the log odds of " : "the score of ";
    return `${what}${outputs[o] ?? `output ${o}`}`;
  }

  /** Mean of each term over the rows, from which contributions to the outputs count. */
  termMeans(): Map<string, number> {
    const { network } = this;
    let found = this.means.get(network);
    if (found) return found;
    const few = this.fewRows(FEW).map((x) => trace(network, x));
    const mean = (term: Term): number => few.reduce((sum, one) => sum + termValue(network, term, one), 0) / few.length;
    found = new Map(this.drawing().terms.map((term) => [term.key, mean(term)]));
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

  /** Standard deviation of each term of the kept network over some rows: how much it moves what follows. */
  strengths(): Map<string, number> {
    const { network } = this.state;
    const few = this.traces.filter((_, n) => n % Math.ceil(this.traces.length / FEW) === 0);
    const deviation = (term: Term): number => {
      const values = few.map((one) => termValue(network, term, one));
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    };
    return new Map(this.drawing(network).terms.map((term) => [term.key, deviation(term)]));
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
    this.preview = this.dragged = null;
    if (!this.term) this.edge = null;
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
    this.dragged = null;
    if (answer.preview) {
      this.preview = answer.preview;
      this.job = answer.job ?? 0;
    }
    this.tell("preview");
  }

  async keep(): Promise<void> {
    const text = this.named(this.preview?.text ?? "");
    const answer = await this.run("Keeping the edit", "keep", { version: this.state.version, job: this.job });
    if (!answer.stale && !answer.error) this.say(`Kept: ${text}`);
  }

  /** Show a network while its curve is dragged; null where only the library can compute it. */
  drag(network: Layer[] | null): void {
    if (!network) return;
    this.dragged = network;
    this.tell("drag");
  }

  discard(): void {
    this.preview = this.dragged = null;
    this.tell("preview");
  }

  async move(name: "undo" | "redo"): Promise<void> {
    if (!this.canMove(name)) return;
    const { edits, version } = this.state;
    const place = edits.filter((one) => one.holds).length - Number(name === "undo");
    const answer = await this.run(name === "undo" ? "Undoing" : "Redoing", name, { version });
    const edit = edits[place];
    if (!answer.stale && !answer.error && edit) this.say(`${name === "undo" ? "Undone" : "Made again"}: ${this.named(edit.text)}`);
  }

  select(edge: Edge | null): void {
    this.edge = edge;
    this.dragged = this.preview = null;
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

  /** Name of a node of a drawn layer: a column of the table, a hidden node, or an output. */
  nodeName(layer: number, node: number): string {
    if (layer === 0) return this.subject.columns[node]!.name;
    return layer === this.drawing(this.first).layers ? (this.subject.outputs[node] ?? `output ${node}`) : `node ${layer}.${node}`;
  }

  /** Name of an edge of the network, which may have been removed since the page was opened. */
  edgeName([l, i, o]: Edge): string {
    const { ways } = this.drawing(this.first);
    const from = l === 0 ? (this.subject.inputs[i] ?? `input ${i}`) : this.nodeOf(l, i);
    const node = sumNodes(this.first)[l]?.[o] ?? o;
    return `${from} to ${l === 0 && ways?.[node] ? this.subject.outputs[ways[node].output]! : this.nodeName(l + 1, node)}`;
  }

  /** Name of a node of the network itself: an input, a pair of an additive model, or a hidden node. */
  private nodeOf(layer: number, node: number): string {
    if (layer === 0) return this.subject.inputs[node] ?? `input ${node}`;
    const pair = this.drawing(this.first).terms.find((one) => one.kind === "pair" && layer === 1 && one.edges.some((edge) => edge[1] === node));
    return pair?.name ?? `node ${layer}.${node}`;
  }

  /** A sentence about an edit, with names in the place of the numbers of edges, nodes and inputs. */
  named(text: string): string {
    let first: number | null = null; // the input that an edge leaves, whose ranges are told in the unit of the table
    const numbers = (list: string): number[] => list.split(", ").map(Number);
    const columnsOf = (inputs: number[]): string => {
      const column = this.subject.columns.find((one) => one.inputs.length === inputs.length && one.inputs.every((i) => inputs.includes(i)));
      return column?.name ?? inputs.map((i) => this.nodeOf(0, i)).join(", ");
    };
    const isBar = (i: number): boolean => this.subject.columns.some(({ inputs, levels }) => inputs.includes(i) && (levels.length > 0 || inputs[0] !== i));
    const named = text
      .replace(/^The curve of edge \(0, (\d+), \d+\) was moved at 2 points\.$/, (all, i: string) => (isBar(Number(i)) ? `The bar of ${this.subject.inputs[Number(i)]} was moved.` : all))
      .replace(/\b([Ee])dge \((\d+, \d+, \d+)\)/g, (_, e: string, list: string) => {
        const edge = numbers(list) as Edge;
        if (edge[0] === 0) first = edge[1];
        return `${e}dge ${this.edgeName(edge)}`;
      })
      .replace(/\bNodes? \((\d+), ([\d, ]+)\) (is|are)/, (_, layer: string, list: string) => {
        const names = layer === "0" ? columnsOf(numbers(list)) : [...new Set(numbers(list).map((node) => this.nodeOf(Number(layer), node)))].join(", ");
        return `${names} is`;
      })
      .replace(/ of inputs \[([\d, ]+)\]/, (_, list: string) => ` ${numbers(list).map((i) => this.nodeOf(0, i)).join(", ")}`);
    const { shift, scale } = this.subject;
    const unit = (value: string): string => number(first === null ? Number(value) : shift[first]! + scale[first]! * Number(value));
    return named.replace(/ from (-?[\d.e+-]+) to (-?[\d.e+-]+?)\.$/, (_, a: string, b: string) => ` from ${unit(a)} to ${unit(b)}.`);
  }
}
