// Formulas, set by KaTeX; text that it cannot set is shown as it is.
import katex from "katex";
import { h, number } from "./dom";
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

/** The front of formulas that a search found: error against size, one point to choose. */
function frontElement(store: Store): HTMLElement | null {
  const front = store.subject.front;
  if (!front.length) return null;
  const chosen = h("div", { "aria-live": "polite" });
  const show = (place: number): void => {
    const one = front[place]!;
    chosen.replaceChildren(h("p", {}, `Size ${one.size}, error ${number(one.error)}`), formulaElement(one.latex));
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
  const plot = h("div", { class: "front" }, ...points);
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
  );
}
