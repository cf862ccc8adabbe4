// The curve of the chosen edge: its data, its knots, the residuals, and dragging it by mouse, pen or keys.
import { type ScaleLinear, scaleLinear } from "d3-scale";
import { colours, h, number, slider } from "./dom";
import { type Edge, type EdgeLayer, drawnRange, edgeLayers, edgeValue, hasSpline } from "./network";
import { type Pen, type Point, canvasPen } from "./pen";
import { pictureButtons } from "./picture";
import { dragged } from "./shaping";
import type { Store } from "./store";

const HEIGHT = 300;
const MARGIN = { left: 58, right: 14, top: 24, bottom: 56 };
const SAMPLES = 160;
const BINS = 40;
const NARROWEST = 0.02; // width of a bump, as a share of the range
const SETTLED = 400; // milliseconds after the last change of the width, until the cost is computed

export class CurveChart {
  readonly element = h("div", { class: "chart" });
  private legend = h("p", { class: "hint" });
  points: [number, number][] = []; // dragged so far: input and new value
  range: [number, number] | null = null; // shown as a band
  private canvas = h("canvas", { tabIndex: 0, role: "application" });
  private x: ScaleLinear<number, number> = scaleLinear();
  private y: ScaleLinear<number, number> = scaleLinear();
  private cursor = 0.5; // of the keys, as a share of the width
  private share = 0.25; // width of the bump that a drag moves, of the range of the curve
  private slider = slider("Width of a drag, in % of the curve (or the wheel)", 0, 100, 100, (value) => this.setShare(value / 100));
  private settling = 0;
  private dragging = -1;
  private focused = false;
  private waiting = 0;
  private dots: [number, number, boolean][] = []; // by row: input, height, and whether it is held out

  constructor(
    private store: Store,
    private dropped: () => void,
  ) {
    const size = (): [number, number] => [this.element.clientWidth, HEIGHT];
    const buttons = pictureButtons("curve", this.element, size, (pen) => this.draw(pen, this.element.clientWidth));
    this.element.append(this.canvas, buttons, this.slider.element, this.legend);
    this.slider.set(100 * this.share);
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    canvas.addEventListener("pointerup", () => this.up());
    canvas.addEventListener("pointercancel", () => this.up());
    canvas.addEventListener("pointerleave", () => this.store.hover(-1));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.focus(canvas.matches(":focus-visible")));
    canvas.addEventListener("blur", () => this.focus(false));
    new ResizeObserver(() => this.later()).observe(this.element);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.later());
    store.listen((what) => {
      if (what === "select" || what === "state") {
        this.points = [];
        this.range = null;
      }
      if (["select", "state", "preview", "row", "hover"].includes(what)) this.later();
    });
  }

  private focus(on: boolean): void {
    this.focused = on;
    this.later();
  }

  later(): void {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
    });
  }

  private layerOf(network = this.store.network): [EdgeLayer, Edge] | null {
    const edge = this.store.edge;
    const layer = edge && edgeLayers(network)[edge[0]];
    return edge && layer && edge[1] < layer.inputs && edge[2] < layer.outputs ? [layer, edge] : null;
  }

  /** An input of the network in the units of the table, for edges that leave an input. */
  unit(u: number): number {
    const edge = this.store.edge!;
    const { shift, scale } = this.store.subject;
    return edge[0] ? u : shift[edge[1]]! + scale[edge[1]]! * u;
  }

  inverse(value: number): number {
    const edge = this.store.edge!;
    const { shift, scale } = this.store.subject;
    return edge[0] ? value : (value - shift[edge[1]]!) / scale[edge[1]]!;
  }

  /** What one unit of the edge is in the target's unit, for terms of an output. */
  private outputUnit(): number {
    const term = this.store.term;
    return term && this.store.isLast(term.layer) ? this.store.unit(term.sum) * term.slope : 1;
  }

  private paint(): void {
    const context = this.canvas.getContext("2d");
    const width = this.element.clientWidth;
    if (!context || !width || !this.layerOf()) return;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = HEIGHT * ratio;
      this.canvas.style.height = `${HEIGHT}px`;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, HEIGHT);
    this.canvas.setAttribute(
      "aria-label",
      `Curve of ${this.store.edgeName(this.store.edge!)}. Left and right move the cursor, up and down move the curve ` +
        "there, Enter computes the cost, Escape takes it back.",
    );
    this.draw(canvasPen(context), width);
  }

  private draw(pen: Pen, width: number): void {
    const [layer, edge] = this.layerOf()!;
    const c = colours(this.element);
    const values = this.store.inputs(edge);
    const [low, high] = drawnRange(layer, edge[1], values);
    this.x.domain([low, high]).range([MARGIN.left, width - MARGIN.right]);
    const [, i, o] = edge;
    const sample = (one: EdgeLayer): Point[] =>
      Array.from({ length: SAMPLES + 1 }, (_, n) => {
        const u = low + ((high - low) * n) / SAMPLES;
        return [u, edgeValue(one, i, o, u)];
      });
    const now = sample(layer);
    const kept = sample(edgeLayers(this.store.state.network)[edge[0]]!);
    const first = edgeLayers(this.store.first)[edge[0]];
    const old = first && first.inputs === layer.inputs && first.outputs === layer.outputs ? sample(first) : [];
    const residuals = this.residuals(edge, values);
    this.dots = residuals.length ? residuals : values.map((u): [number, number, boolean] => [u, edgeValue(layer, i, o, u), false]);
    const band = this.band(edge);
    if (this.dragging < 0) {
      const all = [...now, ...kept, ...old, ...band].map(([, y]) => y).filter(Number.isFinite);
      const spread = residuals.map(([, y]) => y).sort((a, b) => a - b);
      const cut = Math.floor(spread.length * 0.02); // the outermost residuals do not set the scale
      const more = spread.length ? [spread[cut]!, spread[spread.length - 1 - cut]!] : [];
      this.y.domain([Math.min(...all, ...more), Math.max(...all, ...more)]).nice();
      if (this.y.domain()[0] === this.y.domain()[1]) this.y.domain([all[0]! - 1, all[0]! + 1]);
    }
    this.y.range([HEIGHT - MARGIN.bottom, MARGIN.top]);
    this.drawAxes(pen, c, layer, edge, values, width);
    this.legend.textContent =
      (residuals.length ? "Dots: the curve plus the residual of each row, held-out rows larger and orange. " : "") +
      (band.length ? `Band: ± ${this.store.subject.bands!.width} standard errors of the curve that was fitted. ` : "") +
      "Bars: how many rows. Ticks on the axis: knots. Dotted: the curve when the page was opened.";
    const at = (points: Point[]): Point[] => points.map(([u, y]): Point => [this.x(u), this.y(y)]);
    pen.area(at(band), c.accent!, 0.16);
    for (const [u, y, held] of residuals)
      if (y >= this.y.domain()[0]! && y <= this.y.domain()[1]!)
        pen.dot(this.x(u), this.y(y), held ? 2.2 : 1.6, held ? c.held! : c.fill!);
    pen.line(at(old), c.soft!, 1, 0.9, [2, 3]);
    if (this.store.network !== this.store.state.network) pen.line(at(kept), c.ink!, 1.5, 0.8, [6, 4]);
    pen.line(at(now), c.accent!, 2.5);
    for (const [u] of this.points) {
      const ends = [u - this.width / 2, u + this.width / 2].map((end) => Math.max(MARGIN.left, Math.min(width - MARGIN.right, this.x(end)))) as [number, number];
      pen.line([[ends[0], HEIGHT - MARGIN.bottom - 3], [ends[1], HEIGHT - MARGIN.bottom - 3]], c.accent!, 3);
    }
    for (const [u, y] of this.points) pen.dot(this.x(u), this.y(y), 5, c.panel!, c.accent!);
    const row = this.store.shownRow;
    if (row >= 0 && residuals[row]) pen.dot(this.x(values[row]!), Math.max(MARGIN.top, Math.min(HEIGHT - MARGIN.bottom, this.y(residuals[row]![1]))), 4, c.panel!, c.ink!);
    if (row >= 0) pen.dot(this.x(values[row]!), this.y(edgeValue(layer, i, o, values[row]!)), 5, c.accent!, c.ink!);
    if (this.focused) {
      const u = low + (high - low) * this.cursor;
      pen.line([[this.x(u), MARGIN.top], [this.x(u), HEIGHT - MARGIN.bottom]], c.accent!, 1, 1, [3, 3]);
      pen.dot(this.x(u), this.y(edgeValue(layer, i, o, u)), 6, c.accent!, c.ink!);
    }
  }

  private drawAxes(
    pen: Pen,
    c: Record<string, string>,
    layer: EdgeLayer,
    edge: Edge,
    values: number[],
    width: number,
  ): void {
    const bottom = HEIGHT - MARGIN.bottom;
    if (this.range) {
      const [a, b] = this.range.map((u) => this.x(u)) as [number, number];
      pen.box(a, MARGIN.top, b - a, bottom - MARGIN.top, c.line!, "");
    }
    const unit = this.outputUnit();
    const [least, most] = this.y.domain() as [number, number];
    for (const tick of scaleLinear().domain([unit * least, unit * most]).ticks(5)) {
      const at = this.y(tick / unit);
      pen.line([[MARGIN.left, at], [width - MARGIN.right, at]], c.line!, 1);
      pen.text(number(tick, 4), MARGIN.left - 6, at + 4, c.ink!, 11, "right");
    }
    const term = this.store.term!;
    const added = this.store.isLast(term.layer) ? this.store.scoreName(term.sum) : this.store.nodeName(term.layer + 1, this.store.drawing().sums[term.layer]![term.sum]!);
    pen.text(`adds to ${added}`, 4, MARGIN.top - 11, c.ink!, 12);
    const [low, high] = this.x.domain() as [number, number];
    const units = scaleLinear().domain([this.unit(low), this.unit(high)]);
    for (const tick of units.ticks(6)) {
      const at = this.x(this.inverse(tick));
      pen.line([[at, bottom], [at, bottom + 4]], c.ink!, 1);
      pen.text(number(tick, 4), at, bottom + 16, c.ink!, 11, "center");
    }
    pen.text(term.name, (MARGIN.left + width) / 2, HEIGHT - 4, c.ink!, 12, "center");
    // How many rows: a histogram below the axis. Knots are ticks on its upper edge.
    const counts = new Array<number>(BINS).fill(0);
    for (const u of values) counts[Math.max(0, Math.min(BINS - 1, Math.floor((BINS * (u - low)) / (high - low))))]!++;
    const tallest = Math.max(...counts, 1);
    const w = (width - MARGIN.left - MARGIN.right) / BINS;
    counts.forEach((count, n) => {
      const high = (14 * count) / tallest;
      if (count) pen.box(MARGIN.left + n * w, bottom + 36 - high, w - 1, high, c.fill!, "");
    });
    if (layer.spline && hasSpline(layer, edge[1], edge[2]))
      for (const knot of layer.spline.knots[edge[1]]!)
        if (knot >= low && knot <= high)
          pen.line([[this.x(knot), bottom - 4], [this.x(knot), bottom]], c.soft!, 1);
  }

  /** Residuals of the kept network plus the curve, where the edge ends in an output: what the curve should follow. */
  private residuals(edge: Edge, values: number[]): [number, number, boolean][] {
    const { store } = this;
    const { term } = store;
    if (store.subject.task !== "numbers" || store.subject.note || !term || !store.isLast(term.layer)) return [];
    const layer = edgeLayers(store.state.network)[edge[0]]!;
    return values.map((u, n) => {
      const target = [store.subject.rows.y[n]!].flat()[term.sum]!;
      const residual = target - store.traces[n]!.at(-1)![term.sum]!;
      return [u, edgeValue(layer, edge[1], edge[2], u) + residual / term.slope, store.subject.rows.held[n]!];
    });
  }

  /** The outline of the band of the curve as it was fitted: along the upper side, and back along the lower one. */
  private band(edge: Edge): Point[] {
    const found = this.store.subject.bands?.edges[edge.join()];
    if (!found) return [];
    const [low, high, values, half] = found;
    const side = (sign: number): Point[] => values.map((value, n): Point => [low + ((high - low) * n) / (values.length - 1), value + sign * half[n]!]);
    return [...side(1), ...side(-1).reverse()];
  }

  /** The row whose dot is near the pointer, or -1. */
  private near(event: PointerEvent): number {
    let found = -1;
    let least = 9 ** 2; // pixels, squared
    this.dots.forEach(([u, y], n) => {
      const distance = (this.x(u) - event.offsetX) ** 2 + (this.y(y) - event.offsetY) ** 2;
      if (distance < least) [found, least] = [n, distance];
    });
    return found;
  }

  private down(event: PointerEvent): void {
    const found = this.layerOf(this.store.state.network);
    if (!found || event.button) return;
    const u = this.x.invert(event.offsetX);
    const [low, high] = this.x.domain() as [number, number];
    if (u < low || u > high || event.offsetY > HEIGHT - MARGIN.bottom) return;
    const near = this.points.findIndex(([p]) => Math.abs(this.x(p) - event.offsetX) < 10);
    this.dragging = near >= 0 ? near : this.points.push([u, this.y.invert(event.offsetY)]) - 1;
    this.canvas.setPointerCapture(event.pointerId);
    this.moved(event);
  }

  private moved(event: PointerEvent): void {
    if (this.dragging < 0) {
      this.store.hover(this.near(event));
      return;
    }
    this.points[this.dragging]![1] = this.y.invert(Math.max(0, Math.min(HEIGHT, event.offsetY)));
    this.show();
  }

  /** The wheel sets the width of the bump that is dragged; else it moves the page. */
  private wheel(event: WheelEvent): void {
    if (this.dragging < 0 && !this.points.length) return;
    event.preventDefault();
    this.setShare(this.share * Math.exp(-0.002 * event.deltaY));
  }

  private up(): void {
    if (this.dragging < 0) return;
    this.dragging = -1;
    this.dropped();
  }

  /** Show the network with the dragged points at once; the session computes the same, with its cost, afterwards. */
  private show(): void {
    if (this.store.edge) this.store.drag(dragged(this.store.state.network, this.store.edge, this.points, this.width));
    this.later();
  }

  /** Width of the bump that a drag moves, in the unit of the network. */
  get width(): number {
    const [low, high] = this.x.domain() as [number, number];
    return this.share * (high - low);
  }

  private setShare(share: number): void {
    this.share = Math.max(NARROWEST, Math.min(1, share));
    this.slider.set(100 * this.share);
    this.later();
    if (!this.points.length) return;
    this.show();
    window.clearTimeout(this.settling);
    if (this.dragging < 0) this.settling = window.setTimeout(() => this.points.length && this.dropped(), SETTLED);
  }

  private key(event: KeyboardEvent): void {
    const found = this.layerOf(this.store.state.network);
    if (!found) return;
    const [low, high] = this.x.domain() as [number, number];
    const step = { ArrowLeft: -0.025, ArrowRight: 0.025 }[event.key];
    const move = { ArrowUp: 0.02, ArrowDown: -0.02 }[event.key];
    if (step) this.cursor = Math.max(0, Math.min(1, this.cursor + step));
    else if (move) {
      const u = low + (high - low) * this.cursor;
      const [bottom, top] = this.y.domain() as [number, number];
      let place = this.points.findIndex(([p]) => Math.abs(p - u) < 1e-9);
      if (place < 0) place = this.points.push([u, edgeValue(this.layerOf()![0], found[1][1], found[1][2], u)]) - 1;
      this.points[place]![1] += move * (top - bottom);
      this.show();
    } else if (event.key === "Enter" && this.points.length) this.dropped();
    else if (event.key === "Escape") {
      this.points = [];
      this.store.discard();
    } else return;
    event.preventDefault();
    this.later();
  }
}
