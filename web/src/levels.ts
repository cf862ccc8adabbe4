// What the levels of a category add, as bars that can be dragged, each beside the mean over the rows.
import { type ScaleLinear, scaleLinear } from "d3-scale";
import { h, number } from "./dom";
import { edgeLayers, edgeValue } from "./network";
import type { Pen } from "./pen";
import { type Colours, Drawing, drawAxes } from "./plot";
import { dragged } from "./shaping";
import type { Store } from "./store";
import { type Term, levelOf, levelValue, switched } from "./terms";

const HEIGHT = 280;
const MARGIN = { left: 62, right: 14, top: 26, bottom: 56 };
const STEP = 0.02; // of the range by which a key moves a bar

export class LevelsChart {
  readonly element: HTMLElement;
  points: [number, number][] = []; // of the edge that is dragged: inputs and new values
  private drawing: Drawing;
  private x: ScaleLinear<number, number> = scaleLinear();
  private y: ScaleLinear<number, number> = scaleLinear();
  private level = 0; // that is moved
  private dragging = false;

  /** `dropped` is called after a bar was moved. */
  constructor(
    private store: Store,
    private dropped: () => void,
  ) {
    this.drawing = new Drawing("levels", () => HEIGHT, (pen, c, width) => this.draw(pen, c, width), "application");
    const legend = "Bars: what each level adds, beside the mean over the rows; drag one to change it. Numbers below: how many rows.";
    this.element = h("div", { class: "chart" }, this.drawing.element, h("p", { class: "hint" }, legend));
    const { canvas } = this.drawing;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.dragging && this.move(this.y.invert(event.offsetY)));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.up());
    canvas.addEventListener("keydown", (event) => this.key(event));
    store.listen((what) => {
      if (what === "select" || what === "state") this.points = [];
      if (["select", "state", "preview", "row", "hover", "drag"].includes(what)) this.later();
    });
  }

  later(): void {
    this.drawing.later();
  }

  private get term(): Term | null {
    const { term } = this.store;
    return term?.kind === "levels" ? term : null;
  }

  private unit(term: Term): number {
    return this.store.isLast(term.layer) ? this.store.unit(term.sum) : 1;
  }

  /** What each level adds in a network, beside the mean of the kept one, in the target's unit. */
  private values(term: Term, network = this.store.network): number[] {
    const { state, subject } = this.store;
    const counts = this.counts(term);
    const kept = term.levels.map((_, n) => levelValue(state.network, subject, term, n));
    const mean = kept.reduce((sum, value, n) => sum + value * counts[n]!, 0) / Math.max(subject.rows.x.length, 1);
    return term.levels.map((_, n) => this.unit(term) * (levelValue(network, subject, term, n) - mean));
  }

  private counts(term: Term): number[] {
    const { subject } = this.store;
    const counts = term.levels.map(() => 0);
    for (const x of subject.rows.x) counts[levelOf(subject, term, x)]!++;
    return counts;
  }

  private draw(pen: Pen, c: Colours, width: number): void {
    const { term, store } = this;
    if (!term) return;
    const [now, kept] = [this.values(term), this.values(term, store.state.network)];
    const ends = [...now, ...kept, 0];
    this.x.domain([-0.5, term.levels.length - 0.5]).range([MARGIN.left, width - MARGIN.right]);
    if (!this.dragging) this.y.domain([Math.min(...ends), Math.max(...ends) || 1]).nice();
    this.y.range([HEIGHT - MARGIN.bottom, MARGIN.top]);
    const last = store.isLast(term.layer);
    const added = last ? store.scoreName(term.sum) : store.nodeName(term.layer + 1, store.drawing().sums[term.layer]![term.sum]!);
    drawAxes(pen, c, this.x, this.y, ["", `adds to ${added}`], [term.levels, []]);
    const wide = Math.min(48, (0.62 * (width - MARGIN.left - MARGIN.right)) / now.length);
    const row = store.shownRow >= 0 ? levelOf(store.subject, term, store.subject.rows.x[store.shownRow]!) : -1;
    const counts = this.counts(term);
    now.forEach((value, n) => {
      const [at, top] = [this.x(n), Math.min(this.y(value), this.y(0))];
      pen.box(at - wide / 2, top, wide, Math.abs(this.y(value) - this.y(0)), n === row ? c.held! : c.accent!, n === this.level ? c.ink! : "", 1.5);
      if (now[n] !== kept[n]) pen.line([[at - wide / 2 - 4, this.y(kept[n]!)], [at + wide / 2 + 4, this.y(kept[n]!)]], c.ink!, 1.5, 0.8, [6, 4]);
      pen.text(number(counts[n]!), at, HEIGHT - MARGIN.bottom + 34, c.soft!, 10, "center");
    });
    pen.line([[MARGIN.left, this.y(0)], [width - MARGIN.right, this.y(0)]], c.ink!, 1);
    pen.text(term.name, (MARGIN.left + width) / 2, HEIGHT - 6, c.ink!, 12, "center");
    const texts = term.levels.map((name, n) => `${name} ${number(now[n]!, 3)}`);
    this.drawing.canvas.setAttribute(
      "aria-label",
      `What the levels of ${term.name} add: ${texts.join(", ")}. Left and right choose a level, now ${term.levels[this.level] ?? ""}, ` +
        "up and down move its bar, Enter computes the cost, Escape takes it back.",
    );
  }

  private down(event: PointerEvent): void {
    const { term } = this;
    if (!term || event.button || event.offsetY > HEIGHT - MARGIN.bottom) return;
    this.choose(Math.max(0, Math.min(term.levels.length - 1, Math.round(this.x.invert(event.offsetX)))));
    this.dragging = true;
    this.drawing.canvas.setPointerCapture(event.pointerId);
  }

  private up(): void {
    const moved = this.dragging && this.points.length;
    this.dragging = false;
    if (moved) this.dropped();
  }

  private choose(level: number): void {
    this.level = level;
    const { term } = this;
    // One more input of levels is the edge of the level itself; a single one has two levels.
    if (term) this.store.edge = term.edges.length === term.levels.length ? term.edges[level]! : term.edges[0]!;
    this.later();
  }

  /** Let the chosen level add a value: its edge is dragged where its input is on, or off for the first of two levels. */
  private move(value: number): void {
    const { term, store } = this;
    const { edge } = store;
    if (!term || !edge) return;
    const { network } = store.state;
    const change = (value - this.values(term, network)[this.level]!) / (this.unit(term) * term.slope);
    const moved = term.edges.length === term.levels.length || this.level === 1 ? 1 : 0;
    const layer = edgeLayers(network)[0]!;
    this.points = switched(store.subject, edge[1]).map((u, n) => [u, edgeValue(layer, edge[1], edge[2], u) + (n === moved ? change : 0)]);
    store.drag(dragged(network, edge, this.points));
    this.later();
  }

  private key(event: KeyboardEvent): void {
    const { term } = this;
    if (!term) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const move = { ArrowUp: STEP, ArrowDown: -STEP }[event.key];
    const [low, high] = this.y.domain() as [number, number];
    if (step) this.choose((this.level + step + term.levels.length) % term.levels.length);
    else if (move) {
      this.choose(this.level);
      this.move(this.values(term)[this.level]! + move * (high - low));
    } else if (event.key === "Enter" && this.points.length) this.dropped();
    else if (event.key === "Escape") {
      this.points = [];
      this.store.discard();
    } else return;
    event.preventDefault();
  }
}
