// The path of a row through the network: what each edge adds to each node, with numbers that add up as they are shown.
import { h, number, signed } from "./dom";
import { output, trace } from "./network";
import { predictionText } from "./ask";
import type { Store } from "./store";
import { termValue } from "./terms";

export interface Part {
  name: string;
  value: number;
}
/** A sum: a constant and what each term adds to it, in the units of the target in the last layer. */
export interface Sum {
  layer: number; // of the drawing
  sum: number; // number of the output of that layer
  constant: number;
  parts: (Part & { key: string })[];
  total: number;
}

/** All sums of a row, in the order of the layers. Contributions to an output count from their means over the rows. */
export function sumsOf(store: Store, x: number[]): Sum[] {
  const { network } = store;
  const entering = trace(network, x);
  const { terms, sums } = store.drawing();
  const means = store.termMeans();
  return sums.flatMap((nodes, l) =>
    nodes.flatMap((_, o): Sum[] => {
      const isLast = store.isLast(l);
      const unit = isLast ? store.unit(o) : 1;
      const own = terms.filter((one) => one.layer === l && one.sum === o);
      if (!own.length && isLast && store.hasLogOdds) return [];
      const parts = own.map((term) => {
        const value = termValue(network, term, entering) - (isLast ? means.get(term.key)! : 0);
        return { name: term.name, key: term.key, value: unit * value };
      });
      const sum = parts.reduce((all, one) => all + one.value, 0);
      if (!isLast) return [{ layer: l, sum: o, constant: 0, parts, total: sum }];
      const shift = store.subject.task === "numbers" ? (store.subject.target.shift[o] ?? 0) : 0;
      const total = shift + unit * entering.at(-1)![o]!;
      return [{ layer: l, sum: o, constant: total - sum, parts, total }];
    }),
  );
}

/** Decimals with which numbers that add up to a total of this size are shown: four digits of the largest. */
export function decimalsOf(sum: Sum): number {
  const most = Math.max(...sum.parts.map((one) => Math.abs(one.value)), Math.abs(sum.constant), Math.abs(sum.total));
  return most > 0 && Number.isFinite(most) ? Math.max(0, Math.min(12, 3 - Math.floor(Math.log10(most)))) : 3;
}

/** Round numbers so that their sum is the rounded total: those with the largest rounding errors go the other way. */
export function roundedParts(values: number[], decimals: number): number[] {
  const factor = 10 ** decimals;
  const rounded = values.map((value) => Math.round(value * factor));
  const total = Math.round(values.reduce((sum, value) => sum + value, 0) * factor);
  let rest = total - rounded.reduce((sum, value) => sum + value, 0);
  const order = values.map((_, n) => n).sort((a, b) => {
    const error = (n: number): number => (values[n]! * factor - rounded[n]!) * Math.sign(rest);
    return error(b) - error(a);
  });
  for (const n of order) {
    if (!rest) break;
    rounded[n]! += Math.sign(rest);
    rest -= Math.sign(rest);
  }
  return rounded.map((value) => value / factor);
}

const MOST_PARTS = 8; // that are listed of one sum

function sumElement(store: Store, sum: Sum): HTMLElement {
  const nodes = store.drawing().sums[sum.layer]!;
  const node = nodes[sum.sum]!;
  const isFactor = nodes.filter((one) => one === node).length > 1;
  const sorted = [...sum.parts].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const shown: Part[] = sorted.slice(0, MOST_PARTS);
  const others = sorted.slice(MOST_PARTS);
  if (others.length) shown.push({ name: `${others.length} others`, value: others.reduce((all, one) => all + one.value, 0) });
  const isLast = store.isLast(sum.layer) && !isFactor;
  const constant = isLast ? [{ name: "mean", value: sum.constant }] : [];
  const parts = [...constant, ...shown];
  const decimals = decimalsOf(sum);
  const rounded = roundedParts(parts.map((one) => one.value), decimals);
  const text = (value: number): string => value.toFixed(decimals).replace("-", "−");
  const rows = parts.map((one, n) =>
    h("tr", {}, h("td", {}, one.name), h("td", { class: "number" }, (rounded[n]! < 0 || (isLast && !n) ? "" : "+") + text(rounded[n]!))),
  );
  const name = isLast ? store.scoreName(sum.sum) : (isFactor ? "a factor of " : "") + store.nodeName(sum.layer + 1, node);
  const total = text(rounded.reduce((all, value) => all + value, 0));
  return h(
    "table",
    { class: "sum" },
    h("tbody", {}, ...rows, h("tr", { class: "total" }, h("th", { scope: "row" }, `= ${name}`), h("td", { class: "number" }, total))),
  );
}

/** A section that follows the chosen row. */
export function pathPanel(store: Store): HTMLElement {
  const body = h("div", { "aria-live": "polite" });
  const show = (): void => {
    const row = store.shownRow;
    if (row < 0) {
      body.replaceChildren(h("p", { class: "hint" }, "Point at a dot or choose a row: here stands what each part adds."));
      return;
    }
    const { rows, task, target } = store.subject;
    const x = rows.x[row]!;
    const all = sumsOf(store, x);
    const last = store.drawing().layers - 1;
    const y = rows.y[row]!;
    const facts = [`Row ${rows.numbers[row]}, ${rows.held[row] ? "held out" : "training"}.`];
    if (!store.subject.note && task === "classes") facts.push(`Its class is ${store.subject.outputs[y as number]}.`);
    else if (!store.subject.note) {
      const shown = (Array.isArray(y) ? y : [y]).map((one, o) => (target.shift[o] ?? 0) + (target.scale[o] ?? 1) * one);
      facts.push(`Measured: ${shown.map((one) => number(target.log ? Math.exp(one) : one)).join(", ")}.`);
      if (!target.log && shown.length === 1) facts.push(`Residual: ${signed(shown[0]! - store.inUnits(output(store.network, x)[0]!, 0), 4)}.`);
    }
    const outputs = all.filter((one) => one.layer === last);
    if (task === "classes") {
      // The class of the row first, then those that the model holds for likely.
      const own = store.subject.note ? -1 : (y as number);
      outputs.sort((a, b) => Number(b.sum === own) - Number(a.sum === own) || b.total - a.total);
      facts.push(`Predicted: ${predictionText(store, x)}. ${store.hasLogOdds ? "A share is 1/(1 + exp(−log odds))." : "The sums are scores: shares are their exponentials, divided by their sum."}`);
    }
    const hidden = all.filter((one) => one.layer < last);
    body.replaceChildren(
      h("p", {}, facts.join(" ")),
      ...outputs.slice(0, 3).map((one) => sumElement(store, one)),
      hidden.length
        ? h("details", {}, h("summary", {}, "What enters these: the hidden nodes"), ...hidden.slice(0, 40).map((one) => sumElement(store, one)))
        : "",
    );
  };
  store.listen((what) => ["state", "row", "hover", "preview"].includes(what) && show());
  show();
  return h("div", {}, h("h2", {}, "The path of a row"), body);
}
