// Formulas, set by KaTeX; text that it cannot set is shown as it is.
import katex from "katex";
import { predictions } from "./ask";
import type { Found } from "./backend";
import { field, h, number, select } from "./dom";
import type { Point } from "./pen";
import { Plot } from "./plot";
import type { Store } from "./store";

export function formulaElement(latex: string): HTMLElement {
  const element = h("div", { class: "formula", tabIndex: 0 });
  try {
    katex.render(latex, element, { displayMode: true, throwOnError: true, trust: false, maxSize: 20, maxExpand: 100 });
  } catch {
    element.textContent = latex;
  }
  return element;
}

export function formulaPanel(store: Store): HTMLElement {
  const whole = h("div", {});
  const element = h("section", {}, whole, frontElement(store));
  const show = (): void => {
    const { formula } = store.state;
    if (!formula) {
      whole.replaceChildren(
        h("p", { class: "hint" }, "The model is a formula once each edge is an elementary function. Fix the edges one after another."),
      );
      return;
    }
    whole.replaceChildren(
      h("h2", {}, "The model as a formula"),
      ...formula.flatMap((latex, o) => [
        h("p", {}, `${store.subject.outputs[o] ?? ""}, in the scaled inputs of the network`),
        latex ? formulaElement(latex) : h("p", {}, "The formula is too long to be shown."),
      ]),
    );
  };
  store.listen((what) => what === "state" && show());
  show();
  return element;
}

/** What a formula and the network give over the rows, and along one input within and beyond the data. */
class Difference {
  readonly element: HTMLElement;
  private found: Found | null = null;
  private along: HTMLSelectElement;
  private line = new Plot("formula", 240);
  private dots: Plot;
  private text = h("p", {});

  constructor(private store: Store) {
    const inputs = Object.keys(store.subject.front[0]?.along ?? {});
    this.along = select(inputs.map((i) => [i, store.subject.inputs[Number(i)]!]), inputs[0] ?? "", () => this.draw());
    this.dots = new Plot("difference", 220, (dot, click) => (click && dot >= 0 ? store.selectRow(dot) : store.hover(dot)));
    this.element = h(
      "div",
      {},
      h("h2", {}, "Formula and network"),
      this.text,
      inputs.length ? field("Along", this.along) : null,
      inputs.length ? this.line.element : null,
      inputs.length ? h("p", { class: "hint" }, "The other inputs are at their medians. Grey: beyond the data.") : null,
      this.dots.element,
    );
    store.listen((what) => ["state", "preview", "tab", "hover", "row"].includes(what) && this.draw());
  }

  show(found: Found): void {
    this.found = found;
    const varies = ([, values]: [string, [number, number, (number | null)[]]]): boolean => values[2].some((one) => one !== values[2][0]);
    const own = Object.entries(found.along).filter(varies).map(([i]) => i);
    if (own[0] !== undefined && !own.includes(this.along.value)) this.along.value = own[0];
    this.draw();
  }

  /** The number of the output that the formula is of; with two classes there is one formula, of the second. */
  private place(): number {
    const { outputs, task } = this.store.subject;
    if (this.found!.output) return outputs.indexOf(this.found!.output);
    return task === "numbers" ? 0 : 1;
  }

  /** What the formula is of, by the network: the target, or the log-odds of a class. */
  private network(x: number[]): number {
    const { task, limits } = this.store.subject;
    const clipped = x.map((value, i) => (limits ? Math.max(limits[i]![0], Math.min(limits[i]![1], value)) : value));
    const values = predictions(this.store, clipped);
    const value = values[this.place()]!;
    return task === "numbers" ? value : Math.log(value / (1 - value));
  }

  private draw(): void {
    const { found, store } = this;
    if (!found || this.element.closest("[hidden]")) return;
    const { rows, inputs, shift, scale, outputs, task } = store.subject;
    const unit = task === "numbers" ? outputs[this.place()]! : `log-odds of ${outputs[this.place()]!}`;
    const points = rows.x.map((x, n): Point => [this.network(x), (found.rows[n] ?? NaN) - this.network(x)]);
    const known = points.map(([, y]) => y).filter(Number.isFinite);
    const root = Math.sqrt(known.reduce((sum, one) => sum + one * one, 0) / Math.max(known.length, 1));
    const undefinedRows = points.length - known.length;
    this.text.textContent =
      `Over the rows they differ by ${number(root, 3)} (root mean square), by ${number(Math.max(...known.map(Math.abs), 0), 3)} at most.` +
      (undefinedRows ? ` The formula is undefined in ${undefinedRows} rows.` : "");
    this.dots.show({
      xLabel: `${unit}, by the network`,
      yLabel: "formula less network",
      curves: [{ name: "", points: points.length ? [[Math.min(...points.map(([x]) => x)), 0], [Math.max(...points.map(([x]) => x)), 0]] : [], colour: "soft", width: 1 }],
      dots: { points, held: rows.held, marked: store.shownRow },
      label: "The difference of formula and network in each row",
    });
    const values = found.along[this.along.value];
    if (!values) return;
    const i = Number(this.along.value);
    const [low, high, formula] = values;
    const us = formula.map((_, n) => low + ((high - low) * n) / (formula.length - 1));
    const middle = scale.map((_, j) => median(rows.x.map((x) => x[j]!)));
    const own = us.map((u): Point => [u, this.network(middle.map((value, j) => (j === i ? (u - shift[i]!) / scale[i]! : value)))]);
    const data = rows.x.map((x) => shift[i]! + scale[i]! * x[i]!);
    const [first, last] = [Math.min(...data), Math.max(...data)];
    const within = own.flatMap(([u, y], n) => (u >= first && u <= last ? [y, formula[n] ?? y] : [y]));
    const more = 0.5 * (Math.max(...within) - Math.min(...within)) || 1;
    this.line.show({
      xLabel: inputs[i]!,
      yLabel: unit,
      curves: [
        { name: "network", points: own, colour: "accent", width: 2.5 },
        { name: "formula", points: us.map((u, n): Point => [u, formula[n] ?? NaN]), colour: "new", dash: [7, 3] },
      ],
      y: [Math.min(...within) - more, Math.max(...within) + more],
      shaded: [[low, first], [last, high]],
      label: `Formula and network along ${inputs[i]}, beyond the data too`,
    });
  }
}

const median = (values: number[]): number => {
  const sorted = values.sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
};

/** The front of formulas that a search found: error against size, one point to choose. */
function frontElement(store: Store): HTMLElement | null {
  const front = store.subject.front;
  if (!front.length) return null;
  const chosen = h("div", { "aria-live": "polite" });
  const difference = new Difference(store);
  const show = (place: number): void => {
    const one = front[place]!;
    const of = one.output ? `${one.output}: size` : "Size";
    chosen.replaceChildren(h("p", {}, `${of} ${one.size}, error ${number(one.error)}`), formulaElement(one.latex));
    points.forEach((point, n) => point.setAttribute("aria-pressed", String(n === place)));
    difference.show(one);
  };
  const width = 460;
  const height = 180;
  const sizes = front.map((one) => one.size);
  const errors = front.map((one) => Math.log10(Math.max(one.error, 1e-16)));
  const scale = (value: number, all: number[], from: number, to: number): number => {
    const low = Math.min(...all);
    const high = Math.max(...all);
    return high > low ? from + ((to - from) * (value - low)) / (high - low) : (from + to) / 2;
  };
  const points = front.map((one, n) => {
    const x = scale(one.size, sizes, 6, 94);
    const y = scale(errors[n]!, errors, 88, 10);
    const point = h("button", {
      type: "button",
      class: one.chosen ? "point chosen" : "point",
      "aria-label": `Formula of size ${one.size}, error ${number(one.error)}`,
      onclick: () => show(n),
    });
    point.style.left = `${x}%`;
    point.style.top = `${y}%`;
    return point;
  });
  const corner = (text: string, style: Partial<CSSStyleDeclaration>): HTMLElement => {
    const element = h("span", { class: "corner" }, text);
    Object.assign(element.style, style);
    return element;
  };
  const most = Math.max(...front.map((one) => one.error));
  const least = Math.min(...front.map((one) => one.error));
  const plot = h(
    "div",
    { class: "front" },
    ...points,
    corner(`error ${number(most, 3)}`, { left: "4px", top: "-18px" }),
    corner(number(least, 3), { left: "4px", bottom: "2px" }),
    corner(`size ${Math.min(...sizes)}`, { left: "4px", bottom: "-20px" }),
    corner(String(Math.max(...sizes)), { right: "4px", bottom: "-20px" }),
  );
  plot.style.maxWidth = `${width}px`;
  plot.style.height = `${height}px`;
  show(Math.max(0, front.findIndex((one) => one.chosen)));
  return h(
    "div",
    {},
    h("h2", {}, "Formulas that the search found"),
    h("p", { class: "hint" }, "Error (upwards, logarithmic) against size (to the right)."),
    plot,
    chosen,
    difference.element,
  );
}
