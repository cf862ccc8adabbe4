// A plot of curves and dots with axes, drawn with a pen, and an element that shows it and follows the pointer.
import { type ScaleLinear, scaleLinear } from "d3-scale";
import { colours, h, number } from "./dom";
import { type Pen, type Point, canvasPen } from "./pen";
import { pictureButtons } from "./picture";

export type Colours = Record<string, string>;
export interface Curve {
  name: string;
  points: Point[];
  colour: string; // name of a colour of the page
  dash?: number[];
  width?: number;
}
export interface PlotContent {
  xLabel: string;
  yLabel: string;
  curves: Curve[];
  dots?: { points: Point[]; held: boolean[]; marked: number };
  y?: [number, number];
  levels?: string[]; // names of the places 0, 1, 2 ... along x, between which there is nothing
  shaded?: [number, number][]; // ranges of x beyond the data
  label: string; // for screen readers
}

const MARGIN = { left: 62, right: 14, top: 26, bottom: 40 };

const MOST_LETTERS = 9; // of the name of a level below an axis

/** Grid lines and numbers of both axes, or the names of the levels of categories. */
export function drawAxes(
  pen: Pen,
  c: Colours,
  x: ScaleLinear<number, number>,
  y: ScaleLinear<number, number>,
  labels: [string, string],
  levels: [string[], string[]] = [[], []],
): void {
  const named = (tick: number, names: string[]): string => {
    const name = names[tick] ?? number(tick, 4);
    return name.length > MOST_LETTERS ? `${name.slice(0, MOST_LETTERS - 1)}…` : name;
  };
  const ticks = (scale: ScaleLinear<number, number>, names: string[]): number[] => {
    const step = Math.ceil(names.length / 10);
    return names.length ? names.map((_, n) => n).filter((n) => n % step === 0) : scale.ticks(5);
  };
  const [left, right] = x.range() as [number, number];
  const [bottom, top] = y.range() as [number, number];
  for (const tick of ticks(y, levels[1])) {
    pen.line([[left, y(tick)], [right, y(tick)]], c.line!, 1);
    pen.text(named(tick, levels[1]), left - 6, y(tick) + 4, c.ink!, 11, "right");
  }
  for (const tick of ticks(x, levels[0])) {
    pen.line([[x(tick), bottom], [x(tick), bottom + 4]], c.ink!, 1);
    pen.text(named(tick, levels[0]), x(tick), bottom + 16, c.ink!, 11, "center");
  }
  pen.text(labels[0], (left + right) / 2, bottom + 33, c.ink!, 12, "center");
  pen.text(labels[1], 4, top - 12, c.ink!, 12);
}

/** A canvas that is drawn anew when its size or the colours change, with buttons that save it. */
export class Drawing {
  readonly canvas: HTMLCanvasElement;
  readonly element: HTMLElement;
  private waiting = 0;

  constructor(
    name: string,
    private height: () => number,
    private draw: (pen: Pen, c: Colours, width: number) => void,
    role = "img",
  ) {
    this.canvas = h("canvas", { tabIndex: 0, role });
    this.element = h("div", { class: "plot" }, this.canvas);
    const size = (): [number, number] => [this.canvas.clientWidth, this.height()];
    this.element.append(pictureButtons(name, this.element, size, (pen) => this.draw(pen, colours(this.element), this.canvas.clientWidth)));
    new ResizeObserver(() => this.later()).observe(this.element);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.later());
  }

  later(): void {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
    });
  }

  private paint(): void {
    const context = this.canvas.getContext("2d");
    const width = this.element.clientWidth;
    const height = this.height();
    if (!context || !width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw(canvasPen(context), colours(this.element), width);
  }
}

export class Plot {
  readonly drawing: Drawing;
  readonly element: HTMLElement;
  private content: PlotContent | null = null;
  private x = scaleLinear();
  private y = scaleLinear();
  private legend = h("p", { class: "hint legend" });

  /** `pointed` receives the number of the dot near the pointer, or -1. */
  constructor(
    name: string,
    private height = 240,
    pointed?: (dot: number, click: boolean) => void,
  ) {
    this.drawing = new Drawing(name, () => this.height, (pen, c, width) => this.draw(pen, c, width));
    this.element = h("div", {}, this.drawing.element, this.legend);
    if (!pointed) return;
    const { canvas } = this.drawing;
    canvas.addEventListener("pointermove", (event) => pointed(this.near(event), false));
    canvas.addEventListener("click", (event) => pointed(this.near(event), true));
    canvas.addEventListener("pointerleave", () => pointed(-1, false));
  }

  show(content: PlotContent): void {
    this.content = content;
    this.drawing.canvas.setAttribute("aria-label", content.label);
    const named = content.curves.filter((one) => one.name);
    this.legend.replaceChildren(
      ...named.map((one) => {
        const sample = h("span", { class: one.dash ? "sample dashed" : "sample" });
        sample.style.borderTopColor = `var(--${one.colour})`;
        return h("span", {}, sample, `${one.name} `);
      }),
    );
    this.drawing.later();
  }

  private near(event: MouseEvent): number {
    const dots = this.content?.dots?.points ?? [];
    let found = -1;
    let least = 10 ** 2; // pixels, squared
    dots.forEach(([x, y], n) => {
      const distance = (this.x(x) - event.offsetX) ** 2 + (this.y(y) - event.offsetY) ** 2;
      if (distance < least) [found, least] = [n, distance];
    });
    return found;
  }

  private draw(pen: Pen, c: Colours, width: number): void {
    const { content } = this;
    if (!content) return;
    const all = [...content.curves.flatMap((one) => one.points), ...(content.dots?.points ?? [])].filter(([, y]) => Number.isFinite(y));
    if (!all.length) return pen.text("No value is finite here.", 10, 30, c.ink!, 13);
    const ends = (values: number[]): [number, number] => {
      let [low, high] = [Infinity, -Infinity];
      for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
      return low < high ? [low, high] : [low - 1, high + 1];
    };
    const { levels = [] } = content;
    this.x.domain(levels.length ? [-0.5, levels.length - 0.5] : ends(all.map(([x]) => x))).range([MARGIN.left, width - MARGIN.right]);
    this.y.domain(content.y ?? ends(all.map(([, y]) => y))).nice().range([this.height - MARGIN.bottom, MARGIN.top]);
    const [bottom, top] = this.y.range() as [number, number];
    const clip = (value: number): number => Math.max(top, Math.min(bottom, value));
    for (const [from, to] of content.shaded ?? []) {
      const [a, b] = [this.x(from), this.x(to)].map((v) => Math.max(MARGIN.left, Math.min(width - MARGIN.right, v))) as [number, number];
      if (b > a) pen.box(a, top, b - a, bottom - top, c.line!, "");
    }
    drawAxes(pen, c, this.x, this.y, [content.xLabel, content.yLabel], [levels, []]);
    content.dots?.points.forEach(([x, y], n) => {
      if (Number.isFinite(y)) pen.dot(this.x(x), clip(this.y(y)), content.dots!.held[n] ? 2.4 : 1.7, content.dots!.held[n] ? c.held! : c.fill!);
    });
    for (const one of content.curves) {
      const points = one.points.map(([x, y]): Point => [this.x(x), Number.isFinite(y) ? clip(this.y(y)) : NaN]);
      if (!levels.length) pen.line(points, c[one.colour]!, one.width ?? 2, 1, one.dash);
      // A dot at each level, a hollow one for dashed curves.
      else for (const [x, y] of points) pen.dot(x, y, one.dash ? 4 : 6, one.dash ? c.panel! : c[one.colour]!, c[one.colour]!);
    }
    const marked = content.dots?.points[content.dots.marked];
    if (marked) pen.dot(this.x(marked[0]), clip(this.y(marked[1])), 5, c.accent!, c.ink!);
  }
}
