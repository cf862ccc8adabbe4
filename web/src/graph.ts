// The network as a drawing that can be zoomed and moved, with the curve of each edge.
import { select } from "d3-selection";
import { type D3ZoomEvent, zoom, zoomIdentity, type ZoomTransform } from "d3-zoom";
import { button, colours, h, number } from "./dom";
import { shade } from "./heat";
import { type Layout, PLOT_HEIGHT, PLOT_WIDTH, type PlacedTerm, layout, nodeKey } from "./layout";
import { type Edge, drawnRange, edgeLayers, edgeValue, trace } from "./network";
import { decimalsOf, roundedParts, sumsOf } from "./path";
import { type Pen, type Point, canvasPen } from "./pen";
import { pictureButtons } from "./picture";
import type { Store } from "./store";
import { type Term, levelOf, levelValue, pairFunction, pointsOf, strongTerms, valueOf } from "./terms";

const BUTTON = 40; // height that the button of weak parts takes below the drawing
const SAMPLES = 28; // points of a small curve
const CELLS = 7; // of a small map, along each side

/** What stands in the small plot of a term: values of a curve between two ends or of bars, or those of a map. */
interface Small {
  values: number[];
  low: number;
  high: number;
  cells: number[][];
}

export class Graph {
  readonly element = h("div", { class: "graph" });
  frames: number[] = []; // times between frames while a curve is dragged
  private canvas = h("canvas", {
    tabIndex: 0,
    role: "application",
    "aria-label":
      "The network. Arrow keys choose the previous or next part, plus and minus zoom, 0 shows everything. " +
      "The list beside it does the same.",
  });
  private still = h("canvas", { "aria-hidden": "true" }); // all but the chosen edge, which alone moves while it is dragged
  private placed!: Layout;
  private small = new Map<string, Small>();
  private showsWeak = false;
  private weak = button("", () => this.toggleWeak(), { class: "weak" });
  private strengths = new Map<string, number>();
  private deviation: number[] = []; // by layer, of the strongest term
  private scale: number[] = []; // by layer, half the height of a plot
  private transform: ZoomTransform = zoomIdentity;
  private behaviour = zoom<HTMLCanvasElement, unknown>().scaleExtent([0.1, 8]);
  private waiting = 0;
  private whole = true; // whether all is drawn anew in the next frame
  private fitted = false;
  private moved = false; // whether the reader has moved the drawing or changed its size since it was fitted

  constructor(private store: Store) {
    this.element.append(this.still, this.canvas, this.weak);
    this.behaviour.on("zoom", (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
      this.transform = event.transform;
      this.moved ||= Boolean(event.sourceEvent);
      this.later();
    });
    select(this.canvas).call(this.behaviour).on("dblclick.zoom", null);
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(this.element);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.later());
    store.listen((what) => {
      if (what === "state" || what === "preview") this.measure();
      if (what === "select" && store.term && !this.placed.terms.some((one) => one.term.key === store.term!.key)) this.measure();
      if (what === "drag" && store.term) this.measureTerm(store.term);
      if (what === "drag") this.later(store.shownRow < 0);
      else if (!["message", "busy", "share", "tab"].includes(what)) this.later();
    });
    this.measure();
  }

  private toggleWeak(): void {
    this.showsWeak = !this.showsWeak;
    this.fitted = false;
    this.measure();
    this.later();
  }

  private measure(): void {
    const { store } = this;
    const drawing = store.drawing();
    this.strengths = store.strengths();
    const strong = strongTerms(drawing, this.strengths, store.term?.key ?? "");
    const names: [string[], string[]] = [store.subject.columns.map((one) => one.name), store.subject.outputs];
    this.placed = layout(drawing, this.showsWeak ? drawing.terms : strong, names);
    const weak = drawing.terms.length - strong.length;
    this.weak.hidden = !weak;
    this.weak.textContent = `${this.showsWeak ? "Hide" : "Show"} ${weak} weak ${weak > 1 ? "parts" : "part"}`;
    this.deviation = drawing.sums.map((_, l) => {
      const own = drawing.terms.filter((one) => one.layer === l).map((one) => this.strengths.get(one.key) ?? 0);
      return Math.max(...own, 1e-12);
    });
    this.small.clear();
    const heights = new Map(this.placed.terms.map(({ term }) => [term, this.measureTerm(term)]));
    // One scale for all terms of a layer, in which the one that moves most fills its plot.
    this.scale = drawing.sums.map((_, l) => Math.max(1e-12, ...[...heights].map(([term, height]) => (term.layer === l ? height : 0))));
    if (!this.fitted) this.fit();
  }

  /** Compute what the small plot of a term shows, and return by how much it moves from its middle. */
  private measureTerm(term: Term): number {
    const { network, subject } = this.store;
    const small: Small = { values: [], low: 0, high: 1, cells: [] };
    this.small.set(term.key, small);
    if (term.kind === "pair") {
      const [us, vs] = term.from.map((column) => pointsOf(subject, subject.columns[column]!, CELLS)) as [number[], number[]];
      const value = pairFunction(network, subject, term);
      small.cells = us.map((u) => vs.map((v) => value(u, v)));
      return Math.max(...small.cells.flat().map(Math.abs));
    }
    if (term.kind === "levels") {
      const mean = this.store.termMeans().get(term.key) ?? 0;
      small.values = term.levels.map((_, n) => levelValue(network, subject, term, n) - mean);
      return Math.max(...small.values.map(Math.abs));
    }
    const edge = term.edges[0]!;
    const layer = edgeLayers(network)[edge[0]]!;
    [small.low, small.high] = drawnRange(layer, edge[1], this.store.inputs(edge));
    const values = Array.from({ length: SAMPLES + 1 }, (_, n) => term.slope * edgeValue(layer, edge[1], edge[2], small.low + ((small.high - small.low) * n) / SAMPLES));
    const middle = (Math.max(...values) + Math.min(...values)) / 2;
    small.values = values.map((value) => value - middle);
    return Math.max(...small.values.map(Math.abs));
  }

  /** Points of the curve or ends of the bars of a term, within its plot. */
  private pointsIn(term: Term): Point[] {
    const { values } = this.small.get(term.key)!;
    const half = PLOT_HEIGHT / 2 - 3;
    const x = (n: number): number => (term.kind === "levels" ? (n + 0.5) / values.length : n / (values.length - 1));
    return values.map((value, n): Point => [PLOT_WIDTH * x(n), PLOT_HEIGHT / 2 - half * Math.max(-1, Math.min(1, value / this.scale[term.layer]!))]);
  }

  later(chosenAlone = false): void {
    this.whole ||= !chosenAlone;
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
    });
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.element;
    const ratio = window.devicePixelRatio || 1;
    for (const one of [this.still, this.canvas]) {
      one.width = clientWidth * ratio;
      one.height = clientHeight * ratio;
    }
    if (!this.moved) this.fit();
    this.whole = true;
    this.paint();
  }

  private fit(): void {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth || !clientHeight) return;
    this.fitted = true;
    this.moved = false;
    const height = clientHeight - (this.weak.hidden ? 0 : BUTTON);
    const k = Math.min(clientWidth / this.placed.width, height / (this.placed.height + 20), 1.6);
    const x = (clientWidth - k * this.placed.width) / 2;
    const y = (height - k * this.placed.height) / 2;
    select(this.canvas).call(this.behaviour.transform, zoomIdentity.translate(x, y).scale(k));
  }

  private paint(): void {
    const ratio = window.devicePixelRatio || 1;
    const { k, x, y } = this.transform;
    for (const [canvas, part] of this.whole ? ([[this.still, "others"], [this.canvas, "chosen"]] as const) : ([[this.canvas, "chosen"]] as const)) {
      const context = canvas.getContext("2d");
      if (!context) return;
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.setTransform(ratio * k, 0, 0, ratio * k, ratio * x, ratio * y);
      this.draw(canvasPen(context), part);
    }
    this.whole = false;
  }

  /** What each edge adds and each sum is in the row that is shown, with numbers that add up as they are rounded. */
  private pathTexts(row: number[]): Map<string, string> {
    const shown = new Map<string, string>();
    for (const sum of sumsOf(this.store, row)) {
      const decimals = decimalsOf(sum);
      const rounded = roundedParts([sum.constant, ...sum.parts.map((one) => one.value)], decimals);
      sum.parts.forEach((one, n) => {
        const value = rounded[n + 1]!;
        shown.set(one.key, (value < 0 ? "−" : "+") + Math.abs(value).toFixed(decimals));
      });
      shown.set(`sum ${sum.layer},${sum.sum}`, rounded.reduce((all, one) => all + one, 0).toFixed(decimals).replace("-", "−"));
      shown.set(`mean ${sum.layer},${sum.sum}`, rounded[0]!.toFixed(decimals).replace("-", "−"));
    }
    return shown;
  }

  private draw(pen: Pen, part: "others" | "chosen"): void {
    const { store, placed } = this;
    const c = colours(this.element) as Record<"ink" | "soft" | "line" | "panel" | "accent" | "new", string>;
    const { sums, layers } = store.drawing();
    const row = store.shownRow >= 0 ? store.subject.rows.x[store.shownRow]! : null;
    const path = row ? trace(store.network, row) : null;
    const shown = row ? this.pathTexts(row) : new Map<string, string>();
    const chosen = store.term?.key ?? "";
    // Many lines that cross are drawn faintly, and the chosen term above all.
    const faint = placed.terms.length > 60 ? 0.2 : 0.55;
    const drawLine = ({ term, x, y: top }: PlacedTerm): void => {
      const end = placed.from.get(nodeKey(term.layer + 1, sums[term.layer]![term.sum]!))!;
      const share = (this.strengths.get(term.key) ?? 0) / this.deviation[term.layer]!;
      const isChosen = term.key === chosen;
      const colour = isChosen ? c.accent : c.soft;
      const y = top + PLOT_HEIGHT / 2;
      const width = 0.6 + 2.4 * Math.min(1, share);
      for (const node of term.from) {
        const start = placed.from.get(nodeKey(term.layer, node))!;
        pen.line(bend(start.x + 5, start.y, x, y), colour, width, isChosen ? 0.7 : faint);
      }
      pen.line(bend(x + PLOT_WIDTH, y, end.x - 5, end.y), colour, width, isChosen ? 0.7 : faint);
    };
    const drawn = placed.terms.filter((one) => (one.term.key === chosen) === (part === "chosen"));
    drawn.forEach(drawLine);
    for (const one of drawn) this.drawPlot(pen, one, c, part === "chosen", path, shown);
    if (part === "chosen") return;
    for (const node of placed.nodes) {
      const last = node.layer === layers;
      pen.dot(node.x, node.y, 4.5, c.panel, c.ink);
      const value = path ? ` ${this.shown(node.layer, node.node, path)}` : "";
      const name = short(store.nodeName(node.layer, node.node), value && node.layer === 0 ? 20 - value.length : 22);
      if (node.layer === 0) pen.text(`${name}${value && ` =${value}`}`, node.x - 10, node.y + 4, c.ink, 12, "right");
      else if (last && path && store.isLast(layers - 1)) {
        pen.text(`${short(store.scoreName(node.node))} = ${shown.get(`sum ${node.layer - 1},${node.node}`)}`, node.x + 10, node.y + 4, c.ink, 12);
        pen.text(`mean ${shown.get(`mean ${node.layer - 1},${node.node}`)} + parts`, node.x + 10, node.y + 18, c.soft, 10);
      } else if (last) pen.text(`${name}${value && ` =${value}`}`, node.x + 10, node.y + 4, c.ink, 12);
      else if (value) pen.text(value, node.x, node.y - 9, c.ink, 10, "center");
    }
  }

  private drawPlot(pen: Pen, { term, x: left, y: top }: PlacedTerm, c: Record<string, string>, isChosen: boolean, path: number[][] | null, shown: Map<string, string>): void {
    const small = this.small.get(term.key);
    if (!small) return;
    pen.box(left, top, PLOT_WIDTH, PLOT_HEIGHT, c.panel!, isChosen ? c.accent! : c.line!, isChosen ? 2.5 : 1);
    const [l, i, o] = term.edges[0]!;
    const { symbolic } = edgeLayers(this.store.network)[l]!;
    const isFunction = term.kind === "curve" && !!symbolic && symbolic.functions[i]![o] !== "0";
    const colour = isChosen ? c.accent! : isFunction ? c.new! : c.ink!;
    const [w, tall] = [(PLOT_WIDTH - 4) / small.cells.length, (PLOT_HEIGHT - 4) / (small.cells[0]?.length ?? 1)];
    small.cells.forEach((line, n) =>
      line.forEach((value, k) => pen.box(left + 2 + n * w, top + PLOT_HEIGHT - 2 - (k + 1) * tall, w + 0.3, tall + 0.3, shade((value / this.scale[term.layer]! + 1) / 2, true), "")),
    );
    const points = this.pointsIn(term);
    const base = PLOT_HEIGHT / 2;
    const wide = Math.max(1.5, Math.min(10, (0.7 * PLOT_WIDTH) / points.length));
    if (term.kind === "levels") {
      for (const [x, y] of points) pen.box(left + x - wide / 2, top + Math.min(y, base) - 0.5, wide, Math.abs(y - base) + 1, colour, "");
      pen.line([[left, top + base], [left + PLOT_WIDTH, top + base]], c.soft!, 0.6);
    } else pen.line(points.map(([x, y]): Point => [left + x, top + y]), colour, 1.4);
    if (isFunction) pen.text("f", left + PLOT_WIDTH - 8, top + 10, c.new!, 9); // colour is not alone
    if (!path) return;
    if (term.kind !== "pair") {
      const u = path[l]![i]!;
      const place = term.kind === "levels" ? levelOf(this.store.subject, term, path[0]!) : Math.round(SAMPLES * Math.max(0, Math.min(1, (u - small.low) / (small.high - small.low))));
      const [px, py] = points[place]!;
      pen.dot(left + px, top + py, 3, c.accent!);
    }
    pen.text(shown.get(term.key) ?? "", left + PLOT_WIDTH / 2, top - 2, c.ink!, 8, "center");
  }

  /** A value of a node in the units of the table, where it has one. */
  private shown(layer: number, node: number, path: number[][]): string {
    const { subject } = this.store;
    if (layer === 0) {
      const column = subject.columns[node]!;
      const value = valueOf(subject, path[0]!, column);
      return column.levels[value] ?? (Number.isNaN(value) ? "missing" : number(value, 4));
    }
    if (layer < this.store.drawing().layers) return number(path[layer]![node]!, 4);
    const value = path.at(-1)![node]!;
    return number(subject.task === "classes" ? value : this.store.inUnits(value, node), 4);
  }

  private click(event: MouseEvent): void {
    const [x, y] = this.transform.invert([event.offsetX, event.offsetY]);
    const hit = this.placed.terms.find(
      (one) => x >= one.x - 4 && x <= one.x + PLOT_WIDTH + 4 && y >= one.y - 4 && y <= one.y + PLOT_HEIGHT + 4,
    );
    if (hit) this.store.select(hit.term.edges[0]!);
  }

  private key(event: KeyboardEvent): void {
    const all = this.placed.terms;
    const now = all.findIndex((one) => one.term.key === this.store.term?.key);
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const factor = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
    if (step && all.length) this.store.select(all[(now + step + all.length) % all.length]!.term.edges[0]!);
    else if (factor) {
      this.moved = true;
      select(this.canvas).call(this.behaviour.scaleBy, factor);
    }
    else if (event.key === "0") {
      this.fitted = false;
      this.fit();
    } else return;
    event.preventDefault();
  }

  /** Buttons that write the drawing to a file. */
  pictures(): HTMLElement {
    return pictureButtons("network", this.element, () => [this.placed.width, this.placed.height + 20], (pen) => {
      this.draw(pen, "others");
      this.draw(pen, "chosen");
    });
  }

  get zoomed(): ZoomTransform {
    return this.transform;
  }

  /** Where the plot of a term stands on the page, for tests; null before the drawing has its size. */
  place(edge: Edge): [number, number] | null {
    const one = this.placed.terms.find((each) => each.term.key === edge.join());
    if (!this.fitted || !one) return null;
    const [x, y] = this.transform.apply([one.x + PLOT_WIDTH / 2, one.y + PLOT_HEIGHT / 2]);
    const box = this.canvas.getBoundingClientRect();
    return [box.left + x, box.top + y];
  }
}

function bend(x0: number, y0: number, x1: number, y1: number): Point[] {
  const points: Point[] = [];
  for (let n = 0; n <= 12; n++) {
    const t = n / 12;
    points.push([x0 + (x1 - x0) * t, y0 + (y1 - y0) * t * t * (3 - 2 * t)]);
  }
  return points;
}

/** Names of the same beginning stay different: the middle is left out. */
function short(name: string, most = 22): string {
  if (name.length <= most) return name;
  const end = Math.floor((most - 1) / 2);
  return `${name.slice(0, most - 1 - end)}…${name.slice(-end)}`;
}
