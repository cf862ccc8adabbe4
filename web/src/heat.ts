// A map of numbers over two axes: colours, contour lines with their values, and the value below the pointer or cursor.
import { scaleLinear } from "d3-scale";
import { h, number } from "./dom";
import type { Pen, Point } from "./pen";
import { type Colours, Drawing, drawAxes } from "./plot";

export interface HeatContent {
  xLabel: string;
  yLabel: string;
  title: string;
  x: [number, number];
  y: [number, number];
  counts: [number, number]; // of points along x and y
  values: (number | null)[]; // x slowest
  signed: boolean; // colours for less and more than zero
  dots?: Point[];
  mark?: Point;
  levels?: [string[], string[]]; // names of the places 0, 1, 2 ... along x and y, for categories
  equal?: boolean; // whether both axes are lengths, drawn with one scale
  range?: [number, number];
}

// Anchors of viridis (matplotlib, CC0) and of a scale from blue over white to orange; both are read without colour vision.
const RISING = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const SIGNED = [[8, 69, 148], [107, 174, 214], [247, 247, 247], [253, 141, 60], [166, 54, 3]];
const MOST_UNEQUAL = 5; // sides of a map with one scale; a choice: longer ones are stretched
const MARGIN = { left: 62, right: 14, top: 26, bottom: 84 };
const CLEAR = 24; // pixels between the mark and a number

export function shade(share: number, signed: boolean): string {
  const anchors = signed ? SIGNED : RISING;
  const place = Math.max(0, Math.min(1, share)) * (anchors.length - 1);
  const n = Math.min(anchors.length - 2, Math.floor(place));
  const mixed = anchors[n]!.map((from, k) => Math.round(from + (anchors[n + 1]![k]! - from) * (place - n)));
  return `rgb(${mixed.join(",")})`;
}

/** Pieces of the line on which values over a grid equal a level: linear between the grid's points. */
export function contour(values: (number | null)[], counts: [number, number], level: number, rounding = 0): [Point, Point][] {
  const [nx, ny] = counts;
  const found: [Point, Point][] = [];
  const at = (i: number, j: number): number | null => values[i * ny + j] ?? null;
  for (let i = 0; i + 1 < nx; i++)
    for (let j = 0; j + 1 < ny; j++) {
      const corners: [number, number][] = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
      const crossed: Point[] = [];
      for (let k = 0; k < 4; k++) {
        const [a, b] = [corners[k]!, corners[(k + 1) % 4]!];
        const [u, v] = [at(...a), at(...b)];
        if (u === null || v === null || u < level - rounding === v < level - rounding) continue;
        const share = Math.max(0, Math.min(1, (level - u) / (v - u)));
        crossed.push([a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share]);
      }
      for (let k = 0; k + 1 < crossed.length; k += 2) found.push([crossed[k]!, crossed[k + 1]!]);
    }
  return found;
}

export class Heat {
  readonly element: HTMLElement;
  private drawing: Drawing;
  private content: HeatContent | null = null;
  private readout = h("p", { class: "hint", "aria-live": "polite" });
  private cursor: [number, number] | null = null; // of the keys and the pointer, as places in the grid

  constructor(
    name: string,
    private height = 340,
  ) {
    this.drawing = new Drawing(name, () => this.height, (pen, c, width) => this.draw(pen, c, width));
    this.element = h("div", {}, this.drawing.element, this.readout);
    const { canvas } = this.drawing;
    canvas.addEventListener("pointermove", (event) => this.point(event.offsetX, event.offsetY));
    canvas.addEventListener("pointerleave", () => this.move(null));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!step || !this.content) return;
      const [nx, ny] = this.content.counts;
      const now = this.cursor ?? [Math.floor(nx / 2), Math.floor(ny / 2)];
      this.move([Math.max(0, Math.min(nx - 1, now[0] + step[0]!)), Math.max(0, Math.min(ny - 1, now[1] + step[1]!))]);
      event.preventDefault();
    });
  }

  show(content: HeatContent): void {
    this.content = content;
    this.drawing.canvas.setAttribute("aria-label", `${content.title}. Arrow keys move a cursor whose value is read.`);
    this.read();
    this.drawing.later();
  }

  /** Left, right, lower and upper end of the map: as large as there is room, with one scale for two lengths. */
  private frame(width: number): [number, number, number, number] {
    const { x, y, equal } = this.content!;
    let wide = width - MARGIN.left - MARGIN.right;
    let tall = this.height - MARGIN.top - MARGIN.bottom;
    const ratio = (x[1] - x[0]) / (y[1] - y[0]);
    if (equal && ratio < MOST_UNEQUAL && ratio > 1 / MOST_UNEQUAL) {
      if (wide > ratio * tall) wide = ratio * tall;
      else tall = wide / ratio;
    }
    return [MARGIN.left, MARGIN.left + wide, MARGIN.top + tall, MARGIN.top];
  }

  private point(px: number, py: number): void {
    if (!this.content) return;
    const [nx, ny] = this.content.counts;
    const [left, right, bottom, top] = this.frame(this.drawing.canvas.clientWidth);
    const place: [number, number] = [Math.floor(((px - left) / (right - left)) * nx), Math.floor(((bottom - py) / (bottom - top)) * ny)];
    this.move(place[0] >= 0 && place[1] >= 0 && place[0] < nx && place[1] < ny ? place : null);
  }

  private move(place: [number, number] | null): void {
    this.cursor = place;
    this.read();
    this.drawing.later();
  }

  private at(place: [number, number]): Point {
    const { x, y, counts } = this.content!;
    return [
      x[0] + ((x[1] - x[0]) * place[0]) / (counts[0] - 1),
      y[0] + ((y[1] - y[0]) * place[1]) / (counts[1] - 1),
    ];
  }

  private read(): void {
    const { content, cursor } = this;
    if (!content) return;
    if (!cursor || cursor[0] >= content.counts[0] || cursor[1] >= content.counts[1]) {
      this.readout.textContent = "Point at the map, or use the arrow keys, to read a value.";
      return;
    }
    const at = this.at(cursor);
    const [x, y] = at.map((one, k) => content.levels?.[k]?.[one] ?? number(one));
    const value = content.values[cursor[0] * content.counts[1] + cursor[1]] ?? null;
    this.readout.textContent = `${content.xLabel} ${x}, ${content.yLabel} ${y}: ${value === null ? "outside" : number(value, 5)}`;
  }

  private draw(pen: Pen, c: Colours, width: number): void {
    const { content } = this;
    if (!content) return;
    const known = content.values.filter((one): one is number => one !== null && Number.isFinite(one));
    let [low, high] = content.range ?? [Math.min(...known), Math.max(...known)];
    if (content.signed) [low, high] = [-Math.max(-low, high, 1e-12), Math.max(-low, high, 1e-12)];
    if (!(low < high)) [low, high] = [low - 1e-9 - Math.abs(low) * 1e-9, low + 1e-9 + Math.abs(low) * 1e-9];
    // A cell has its value in its middle, so that the outermost reach half a cell beyond the ends.
    const ends = ([a, b]: [number, number], count: number): [number, number] => [a - (b - a) / (2 * count - 2), b + (b - a) / (2 * count - 2)];
    const [left, right, bottom, top] = this.frame(width);
    const x = scaleLinear().domain(ends(content.x, content.counts[0])).range([left, right]);
    const y = scaleLinear().domain(ends(content.y, content.counts[1])).range([bottom, top]);
    drawAxes(pen, c, x, y, [content.xLabel, `${content.yLabel} (upwards)`], content.levels);
    const [nx, ny] = content.counts;
    const [w, tall] = [(right - left) / nx, (bottom - top) / ny];
    content.values.forEach((value, n) => {
      if (value === null || !Number.isFinite(value)) return;
      const [i, j] = [Math.floor(n / ny), n % ny];
      const [from, to] = [Math.round(left + i * w), Math.round(left + (i + 1) * w)]; // whole pixels leave no seams
      const [over, under] = [Math.round(bottom - (j + 1) * tall), Math.round(bottom - j * tall)];
      pen.box(from, over, to - from, under - over, shade((value - low) / (high - low), content.signed), "");
    });
    for (const [u, v] of content.dots ?? [])
      if (u >= content.x[0] && u <= content.x[1] && v >= content.y[0] && v <= content.y[1]) pen.dot(x(u), y(v), 1.4, "#ffffff", "#444444");
    // Contour lines carry their values, so that the map is read without its colours.
    const place = ([i, j]: Point): Point => [left + (i + 0.5) * w, bottom - (j + 0.5) * tall];
    // Between levels there is nothing: their cells carry numbers instead, below which the marks stand.
    const [xs, ys] = content.levels ?? [[], []];
    const below = xs.length || ys.length ? Math.min(13, 0.35 * tall) : 0;
    const mark: Point | null = content.mark?.every(Number.isFinite) ? [x(content.mark[0]), y(content.mark[1]) + below] : null;
    if (xs.length || ys.length)
      content.values.forEach((value, n) => {
        const [i, j] = [Math.floor(n / ny), n % ny];
        if (value === null || (!xs.length && i % 6 !== 3) || (!ys.length && j % 6 !== 3)) return;
        const [px, py] = place([i, j]);
        const text = number(value, 3);
        pen.box(px - 3.2 * text.length, py - 6, 6.4 * text.length, 12, "#ffffff", "");
        pen.text(text, px, py + 4, "#000000", 10, "center");
      });
    else scaleLinear().domain([low, high]).ticks(6).forEach((level, k, levels) => {
      const pieces = contour(content.values, content.counts, level, 1e-6 * (high - low)); // zeros by rounding are no line
      for (const piece of pieces) pen.line(piece.map(place), "#ffffff", 2, 0.5);
      for (const piece of pieces) pen.line(piece.map(place), "#000000", 0.8, 0.8);
      // Labels of neighbours stand apart, and none below the mark.
      const wanted = Math.floor((pieces.length * (k + 0.5)) / levels.length);
      const clear = pieces.map((piece) => place(piece[0])).filter(([px, py]) => !mark || Math.hypot(px - mark[0], py - mark[1]) > CLEAR);
      const label = clear[Math.min(wanted, clear.length - 1)];
      if (!label) return;
      const [px, py] = label;
      const text = number(level, 3);
      pen.box(px - 3.2 * text.length, py - 6, 6.4 * text.length, 12, "#ffffff", "");
      pen.text(text, px, py + 4, "#000000", 10, "center");
    });
    if (mark) pen.dot(...mark, 5, c.accent!, "#ffffff");
    if (this.cursor) {
      const [px, py] = place(this.cursor);
      pen.dot(px, py + below, 4, "#ffffff", "#000000");
    }
    // The scale of the colours.
    const steps = 60;
    const scale = bottom + MARGIN.bottom - 34;
    for (let n = 0; n < steps; n++) pen.box(left + ((right - left) * n) / steps, scale, (right - left) / steps + 0.5, 10, shade((n + 0.5) / steps, content.signed), "");
    const colours = scaleLinear().domain([low, high]).range([left, right]);
    for (const tick of colours.ticks(5)) pen.text(number(tick, 3), colours(tick), scale + 22, c.ink!, 10, "center");
    pen.text(content.title, left, scale - 4, c.ink!, 11);
  }
}
