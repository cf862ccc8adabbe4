// The network as a drawing that can be zoomed and moved, with the curve of each edge.
import { select } from "d3-selection";
import { type D3ZoomEvent, zoom, zoomIdentity, type ZoomTransform } from "d3-zoom";
import { colours, h, number } from "./dom";
import { type Layout, PLOT_HEIGHT, PLOT_WIDTH, type PlacedEdge, layout, nodeKey, sumNodes } from "./layout";
import { type Edge, drawnRange, edgeLayers, edgeValue, trace } from "./network";
import { decimalsOf, roundedParts, sumsOf } from "./path";
import { type Pen, type Point, canvasPen } from "./pen";
import { pictureButtons } from "./picture";
import type { Store } from "./store";

const SAMPLES = 28; // points of a small curve

interface Curve {
  points: Point[]; // in the plot
  low: number;
  high: number;
}

export class Graph {
  readonly element = h("div", { class: "graph" });
  frames: number[] = []; // times between frames while a curve is dragged
  private canvas = h("canvas", {
    tabIndex: 0,
    role: "application",
    "aria-label":
      "The network. Arrow keys choose the previous or next edge, plus and minus zoom, 0 shows everything. " +
      "The list of edges beside it does the same.",
  });
  private still = h("canvas", { "aria-hidden": "true" }); // all but the chosen edge, which alone moves while it is dragged
  private placed!: Layout;
  private curves = new Map<string, Curve>();
  private strengths = new Map<string, number>();
  private deviation: number[] = [];
  private transform: ZoomTransform = zoomIdentity;
  private behaviour = zoom<HTMLCanvasElement, unknown>().scaleExtent([0.1, 8]);
  private waiting = 0;
  private whole = true; // whether all is drawn anew in the next frame
  private fitted = false;

  constructor(private store: Store) {
    this.element.append(this.still, this.canvas);
    this.behaviour.on("zoom", (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
      this.transform = event.transform;
      this.later();
    });
    select(this.canvas).call(this.behaviour).on("dblclick.zoom", null);
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(this.element);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.later());
    store.listen((what) => {
      if (what === "state" || what === "preview") this.measure();
      if (what === "drag" && store.edge) this.measureEdge(store.edge);
      if (what === "drag") this.later(store.shownRow < 0);
      else if (!["message", "busy", "share", "tab"].includes(what)) this.later();
    });
    this.measure();
  }

  private measure(): void {
    const { store } = this;
    this.placed = layout(store.network);
    this.strengths = store.strengths();
    const layers = edgeLayers(store.network);
    this.deviation = layers.map((_, l) => {
      const own = [...this.strengths].filter(([key]) => key.startsWith(`${l},`)).map(([, value]) => value);
      return Math.max(...own, 1e-12);
    });
    this.curves.clear();
    for (const one of this.placed.edges) this.measureEdge(one.edge);
    if (!this.fitted) this.fit();
  }

  private measureEdge(edge: Edge): void {
    const [l, i, o] = edge;
    const layer = edgeLayers(this.store.network)[l];
    if (!layer) return;
    const [low, high] = drawnRange(layer, i, this.store.inputs(edge));
    const values = Array.from({ length: SAMPLES + 1 }, (_, n) =>
      edgeValue(layer, i, o, low + ((high - low) * n) / SAMPLES),
    );
    const middle = (Math.max(...values) + Math.min(...values)) / 2;
    const half = PLOT_HEIGHT / 2 - 3;
    const points = values.map((value, n): Point => {
      // One scale for all curves of a layer: two standard deviations of the strongest fill half of the plot.
      const y = Math.max(-1, Math.min(1, (value - middle) / (2 * this.deviation[l]!)));
      return [(PLOT_WIDTH * n) / SAMPLES, PLOT_HEIGHT / 2 - half * y];
    });
    this.curves.set(edge.join(), { points, low, high });
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
    if (!this.fitted) this.fit();
    this.whole = true;
    this.paint();
  }

  private fit(): void {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth || !clientHeight) return;
    this.fitted = true;
    const k = Math.min(clientWidth / this.placed.width, clientHeight / (this.placed.height + 20), 1.6);
    const x = (clientWidth - k * this.placed.width) / 2;
    const y = (clientHeight - k * this.placed.height) / 2;
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
        shown.set(`${sum.layer},${one.input},${sum.sum}`, (value < 0 ? "−" : "+") + Math.abs(value).toFixed(decimals));
      });
      shown.set(`${sum.layer},${sum.sum}`, rounded.reduce((all, one) => all + one, 0).toFixed(decimals).replace("-", "−"));
      shown.set(`mean ${sum.layer},${sum.sum}`, rounded[0]!.toFixed(decimals).replace("-", "−"));
    }
    return shown;
  }

  private draw(pen: Pen, part: "others" | "chosen"): void {
    const { store, placed } = this;
    const c = colours(this.element) as Record<"ink" | "soft" | "line" | "panel" | "accent" | "new", string>;
    const sums = sumNodes(store.network);
    const row = store.shownRow >= 0 ? store.subject.rows.x[store.shownRow]! : null;
    const path = row ? trace(store.network, row) : null;
    const shown = row ? this.pathTexts(row) : new Map<string, string>();
    const chosen = store.edge?.join() ?? "";
    // Many lines that cross are drawn faintly, and the chosen edge above all.
    const faint = placed.edges.length > 60 ? 0.2 : 0.55;
    const layers = edgeLayers(store.network);
    const drawLine = (one: PlacedEdge): void => {
      const [l, i, o] = one.edge;
      const start = placed.from.get(nodeKey(l, i))!;
      const end = placed.from.get(nodeKey(l + 1, sums[l]![o]!))!;
      const share = (this.strengths.get(one.edge.join()) ?? 0) / this.deviation[l]!;
      const isChosen = one.edge.join() === chosen;
      const colour = isChosen ? c.accent : c.soft;
      const y = one.y + PLOT_HEIGHT / 2;
      const width = 0.6 + 2.4 * Math.min(1, share);
      pen.line(bend(start.x + 5, start.y, one.x, y), colour, width, isChosen ? 0.7 : faint);
      pen.line(bend(one.x + PLOT_WIDTH, y, end.x - 5, end.y), colour, width, isChosen ? 0.7 : faint);
    };
    const drawn = placed.edges.filter((one) => (one.edge.join() === chosen) === (part === "chosen"));
    drawn.forEach(drawLine);
    for (const one of drawn) this.drawPlot(pen, one, c, part === "chosen", path, layers, shown);
    if (part === "chosen") return;
    for (const node of placed.nodes) {
      const last = node.layer === layers.length;
      pen.dot(node.x, node.y, 4.5, c.panel, c.ink);
      const value = path ? ` ${number(this.shown(node.layer, node.node, path[node.layer]![node.node]!), 4)}` : "";
      const name = short(store.nodeName(node.layer, node.node), value && node.layer === 0 ? 20 - value.length : 22);
      if (node.layer === 0) pen.text(`${name}${value && ` =${value}`}`, node.x - 10, node.y + 4, c.ink, 12, "right");
      else if (last && path && store.network.at(-1)!.kind === "edges") {
        const log = store.subject.target.log ? "log " : "";
        pen.text(`${log}${name} = ${shown.get(`${node.layer - 1},${node.node}`)}`, node.x + 10, node.y + 4, c.ink, 12);
        pen.text(`mean ${shown.get(`mean ${node.layer - 1},${node.node}`)} + edges`, node.x + 10, node.y + 18, c.soft, 10);
      } else if (last) pen.text(`${name}${value && ` =${value}`}`, node.x + 10, node.y + 4, c.ink, 12);
      else if (value) pen.text(value, node.x, node.y - 9, c.ink, 10, "center");
    }
  }

  private drawPlot(
    pen: Pen,
    one: PlacedEdge,
    c: Record<string, string>,
    isChosen: boolean,
    path: number[][] | null,
    layers: ReturnType<typeof edgeLayers>,
    shown: Map<string, string>,
  ): void {
    const curve = this.curves.get(one.edge.join());
    if (!curve) return;
    const [l, i, o] = one.edge;
    pen.box(one.x, one.y, PLOT_WIDTH, PLOT_HEIGHT, c.panel!, isChosen ? c.accent! : c.line!, isChosen ? 2.5 : 1);
    const isFunction = !!layers[l]!.symbolic && layers[l]!.symbolic!.functions[i]![o] !== "0";
    const colour = isChosen ? c.accent! : isFunction ? c.new! : c.ink!;
    pen.line(curve.points.map(([x, y]): Point => [one.x + x, one.y + y]), colour, 1.4);
    if (isFunction) pen.text("f", one.x + PLOT_WIDTH - 8, one.y + 10, c.new!, 9); // colour is not alone
    if (!path) return;
    const u = path[l]![i]!;
    const share = Math.max(0, Math.min(1, (u - curve.low) / (curve.high - curve.low)));
    const [px, py] = curve.points[Math.round(share * SAMPLES)]!;
    pen.dot(one.x + px, one.y + py, 3, c.accent!);
    pen.text(shown.get(one.edge.join()) ?? "", one.x + PLOT_WIDTH / 2, one.y - 2, c.ink!, 8, "center");
  }

  /** A value of a node in the units of the table, where it has one. */
  private shown(layer: number, node: number, value: number): number {
    const { subject, network } = this.store;
    if (layer === 0) return subject.shift[node]! + subject.scale[node]! * value;
    if (layer < edgeLayers(network).length || subject.task === "classes") return value;
    const { shift, scale, log } = subject.target;
    const y = (shift[node] ?? 0) + (scale[node] ?? 1) * value;
    return log ? Math.exp(y) : y;
  }

  private click(event: MouseEvent): void {
    const [x, y] = this.transform.invert([event.offsetX, event.offsetY]);
    const hit = this.placed.edges.find(
      (one) => x >= one.x - 4 && x <= one.x + PLOT_WIDTH + 4 && y >= one.y - 4 && y <= one.y + PLOT_HEIGHT + 4,
    );
    if (hit) this.store.select(hit.edge);
  }

  private key(event: KeyboardEvent): void {
    const all = this.placed.edges;
    const now = all.findIndex((one) => one.edge.join() === this.store.edge?.join());
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const factor = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
    if (step && all.length) this.store.select(all[(now + step + all.length) % all.length]!.edge);
    else if (factor) select(this.canvas).call(this.behaviour.scaleBy, factor);
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

  /** Where the plot of an edge stands on the page, for tests; null before the drawing has its size. */
  place(edge: Edge): [number, number] | null {
    if (!this.fitted) return null;
    const one = this.placed.edges.find((each) => each.edge.join() === edge.join())!;
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
