// The panel of the chosen part of the model: what it is, what may be done with it, and what that costs.
import type { Cost, Preview } from "./backend";
import { CurveChart } from "./curve";
import { button, field, h, number, select, signed } from "./dom";
import { formulaElement } from "./formulas";
import { Heat } from "./heat";
import type { EditFields } from "./kinds";
import { LevelsChart } from "./levels";
import { type Edge, edgeLayers, functionOf, hasSpline } from "./network";
import type { Point } from "./pen";
import type { Store } from "./store";
import { type Column, type Term, pairFunction, pointsOf, valueOf } from "./terms";

const PAIR_POINTS = 31; // of the map of a pair, along each side
const PAIR_DOTS = 300; // rows that are shown on it

export function edgePanel(store: Store): HTMLElement {
  const chart = new CurveChart(store, () => propose({ kind: "drag", edge: store.edge!, points: chart.points, width: chart.width }));
  const levels = new LevelsChart(store, () => propose({ kind: "drag", edge: store.edge!, points: levels.points }));
  const map = new Heat("pair");
  const list = h("select", { onchange: () => store.select(list.value.split(",").map(Number) as Edge) });
  const about = h("div", { class: "about" });
  const controls = h("div", { class: "controls" });
  const costs = h("div", { class: "costs", tabIndex: -1, "aria-live": "polite" });
  const element = h("section", { class: "edge" }, field("Part of the model", list), about, chart.element, levels.element, map.element, costs, controls);

  const propose = (edit: EditFields): void => void store.propose(edit);
  const reset = (): void => {
    chart.points = levels.points = [];
    chart.later();
    levels.later();
    store.discard();
  };

  function listTerms(): void {
    const strengths = store.strengths();
    const terms = [...store.drawing(store.state.network).terms].sort((a, b) => a.layer - b.layer || strengths.get(b.key)! - strengths.get(a.key)!);
    const { layers, sums } = store.drawing(store.state.network);
    const single = layers === 1 && new Set(terms.map((one) => one.sum)).size === 1;
    const name = (one: Term): string => (single ? one.name : `${one.name} to ${store.nodeName(one.layer + 1, sums[one.layer]![one.sum]!)}`);
    list.replaceChildren(...terms.map((one) => h("option", { value: one.key }, name(one))));
    if (store.term) list.value = store.term.key;
    else if (terms[0]) store.select(terms[0].edges[0]!);
  }

  function showPair(): void {
    const { term, subject } = store;
    if (term?.kind !== "pair") return;
    const columns = term.from.map((one) => subject.columns[one]!) as [Column, Column];
    const [us, vs] = columns.map((one) => pointsOf(subject, one, PAIR_POINTS)) as [number[], number[]];
    const value = pairFunction(store.network, subject, term);
    const shown = store.shownRow >= 0 ? subject.rows.x[store.shownRow]! : null;
    map.show({
      xLabel: columns[0].name,
      yLabel: columns[1].name,
      title: `adds to ${store.scoreName(term.sum)}, beside the curves of both`,
      x: [us[0]!, us.at(-1)!],
      y: [vs[0]!, vs.at(-1)!],
      counts: [us.length, vs.length],
      values: us.flatMap((u) => vs.map((v) => store.unit(term.sum) * value(u, v))),
      signed: true,
      levels: [columns[0].levels, columns[1].levels],
      dots: store.fewRows(PAIR_DOTS).map((x): Point => [valueOf(subject, x, columns[0]), valueOf(subject, x, columns[1])]),
      mark: shown ? [valueOf(subject, shown, columns[0]), valueOf(subject, shown, columns[1])] : undefined,
    });
  }

  function describe(): void {
    const { term } = store;
    if (!store.edge || !term) return;
    list.value = term.key;
    chart.element.hidden = term.kind !== "curve";
    levels.element.hidden = term.kind !== "levels";
    map.element.hidden = term.kind !== "pair";
    about.replaceChildren();
    if (term.kind !== "curve") {
      controls.replaceChildren(removeControls(term));
      return showPair();
    }
    const [l, i, o] = store.edge;
    const layer = edgeLayers(store.state.network)[l]!;
    const name = functionOf(layer, i, o);
    const latex = layer.symbolic?.latex[i]![o] ?? "";
    if (latex) about.append(formulaElement(latex), h("p", { class: "hint" }, `u is ${term.name}${l ? "" : ", scaled as the network receives it"}.`));
    else if (name) about.append(`The function ${name} and a spline.`);
    if (hasSpline(layer, i, o)) {
      const knots = layer.spline!.knots[i]!.length - 2 * layer.spline!.degree - 1;
      about.append(h("p", { class: "hint" }, `A spline of degree ${layer.spline!.degree} on ${knots} knot intervals.`));
    }
    controls.replaceChildren(
      shapeControls(),
      rangeControls(),
      fixControls(),
      ...(name ? [constantControls(layer.symbolic!.constants[i]![o]!)] : []),
      removeControls(term),
    );
  }

  function fixControls(): HTMLElement {
    const names = select(
      store.subject.functions.map((one) => [one, one]),
      "x",
      () => undefined,
    );
    const then = select([["functions", "the functions' constants"], ["all", "all numbers"], ["none", "nothing"]], "functions", () => undefined);
    const fix = (name: string): void =>
      propose({ kind: "fix", edge: store.edge!, function: name, ...(then.value === "none" ? { refit: 0 } : { train: then.value }) });
    const found = h("div", { class: "found" });
    const search = button("Suggest functions", () => void suggest(found, fix), { class: "plain" });
    const [l, i, o] = store.edge!;
    const isFunction = functionOf(edgeLayers(store.state.network)[l]!, i, o) !== "";
    return group(
      "Make it a function",
      h("div", { class: "line" }, field("Function", names), field("Then train", then), button("Try", () => fix(names.value))),
      h("div", { class: "line" }, search, isFunction && button("Make it a spline again", () => propose({ kind: "free", edge: store.edge! }), { class: "plain" })),
      found,
    );
  }

  async function suggest(host: HTMLElement, fix: (name: string) => void): Promise<void> {
    const edge = store.edge;
    const answer = await store.run("Trying functions", "suggest", { edge });
    if (!answer.suggestions || store.edge?.join() !== edge?.join()) return;
    const rows = answer.suggestions.map((one) =>
      h(
        "tr",
        {},
        h("td", {}, one.function),
        h("td", {}, number(one.r2, 4)),
        h("td", {}, `${signed(one.after - one.before)} ± ${number(one.error, 2)}`),
        h("td", {}, button("Try", () => fix(one.function), { "aria-label": `Try ${one.function}` })),
      ),
    );
    const head = ["function", "fit to the curve (R²)", "change of the held-out loss", "choice"];
    host.replaceChildren(
      h("table", {}, h("thead", {}, h("tr", {}, ...head.map((one) => h("th", { scope: "col" }, one)))), h("tbody", {}, ...rows)),
    );
  }

  function rangeControls(): HTMLElement {
    const from = h("input", { type: "number", step: "any" });
    const to = h("input", { type: "number", step: "any" });
    const range = (): [number, number] | undefined => {
      if (from.value === "" || to.value === "") return undefined;
      return [chart.inverse(Number(from.value)), chart.inverse(Number(to.value))].sort((a, b) => a - b) as [number, number];
    };
    const shown = (): void => {
      chart.range = range() ?? null;
      chart.later();
    };
    from.addEventListener("input", shown);
    to.addEventListener("input", shown);
    const make = (kind: "straighten" | "flatten") => () => propose({ kind, edge: store.edge!, ...(range() ? { range: range() } : {}) });
    return group(
      "In a range, or everywhere",
      h("div", { class: "line" }, field("From", from), field("To", to)),
      h("div", { class: "line" }, button("Straighten", make("straighten")), button("Flatten", make("flatten"))),
    );
  }

  function shapeControls(): HTMLElement {
    const shapes = ["increasing", "decreasing", "convex", "concave"];
    return group(
      "Give it a shape",
      h("div", { class: "line" }, ...shapes.map((shape) => button(shape, () => propose({ kind: "shape", edge: store.edge!, shape })))),
    );
  }

  function constantControls(constants: number[]): HTMLElement {
    const letters = ["a", "b", "c", "d"];
    return group(
      "Constants of c f(a u + b) + d",
      ...letters.map((letter, n) => {
        const input = h("input", { type: "number", step: "any", value: String(constants[n]) });
        return h("div", { class: "line" }, field(letter, input), button("Set", () => propose({ kind: "snap", edge: store.edge!, constant: letter, value: Number(input.value) }), { "aria-label": `Set ${letter}` }));
      }),
    );
  }

  function removeControls(term: Term): HTMLElement {
    const steps = h("input", { type: "number", min: "1", step: "1", value: "20" });
    const column = term.layer === 0 && term.kind !== "pair" ? store.subject.columns[term.from[0]!]! : null;
    const node = column ? [0, ...column.inputs] : [term.edges[0]![0], ...term.edges.map((edge) => edge[1])];
    const what = column ? `the input ${column.name}` : term.kind === "pair" ? `the pair ${term.name}` : term.name;
    const alone = term.kind === "curve" && (store.drawing().layers > 1 || (column?.inputs.length ?? 1) > 1);
    return group(
      "Remove, train, merge",
      h(
        "div",
        { class: "line" },
        alone && button("Remove this curve", () => propose({ kind: "remove_edge", edge: store.edge! })),
        button(`Remove ${what}`, () => propose({ kind: "remove_node", node })),
      ),
      h(
        "div",
        { class: "line" },
        field("Training steps", steps),
        button("Train all", () => propose({ kind: "refit", refit: Math.max(1, Math.round(Number(steps.value))), train: "all" })),
      ),
      column && column.levels.length > 2 && term.kind === "levels" && mergeControls(column),
    );
  }

  function mergeControls(column: Column): HTMLElement {
    const boxes = column.levels.map((level, n) => {
      const box = h("input", { type: "checkbox", value: String(column.inputs[n]) });
      return { box, element: h("label", { class: "check" }, box, level) };
    });
    const merge = (): void => {
      const inputs = boxes.filter(({ box }) => box.checked).map(({ box }) => Number(box.value));
      if (inputs.length < 2) store.say("Choose two or more levels.");
      else propose({ kind: "merge", inputs });
    };
    return h(
      "fieldset",
      {},
      h("legend", {}, `Levels of ${column.name} with one effect`),
      ...boxes.map(({ element: one }) => one),
      button("Merge", merge),
    );
  }

  store.listen((what) => {
    if (what === "state") listTerms();
    if (what === "state" || what === "select") describe();
    if (["preview", "row", "hover"].includes(what)) showPair();
    if (what === "share") {
      const bar = costs.querySelector("progress");
      if (bar) bar.value = store.share;
    }
    if (!["state", "select", "preview", "busy"].includes(what)) return;
    const hadFocus = costs.contains(document.activeElement);
    costs.replaceChildren(...costElements(store, reset));
    if (store.preview && !store.busy) costs.scrollIntoView({ block: "nearest" });
    if (!hadFocus) return; // a button that is gone would take the focus of the keys with it
    if (store.preview && !store.busy) (costs.querySelector("button") as HTMLElement).focus();
    else costs.focus();
  });
  listTerms();
  describe();
  return element;
}

function group(title: string, ...children: (Node | null | false | undefined)[]): HTMLElement {
  return h("details", { class: "group", open: true }, h("summary", {}, title), ...children);
}

/** The cost of the edit on both kinds of rows, and whether to keep it. */
export function costElements(store: Store, reset: () => void): HTMLElement[] {
  if (store.busy)
    return [
      h("p", { class: "busy" }, `${store.busy} …`),
      h("progress", { max: 1, value: store.share, "aria-label": store.busy }),
      button("Cancel", () => void store.backend.ask("cancel", {})),
    ];
  const preview = store.preview;
  if (!preview) return [h("p", { class: "hint" }, "Drag a curve or a bar, or choose an edit below: its cost is shown before you keep it.")];
  return [
    h("p", {}, h("strong", {}, store.named(preview.text))),
    costTable(store, preview),
    h(
      "div",
      { class: "line" },
      button("Keep", () => void store.keep(), { class: "primary", id: "keep" }),
      button("Discard", reset),
    ),
  ];
}

/** Whether an edit made the model better: beyond two standard errors of the difference over the rows, about 95 %. */
export function verdict({ before, after, error }: Cost): string {
  const rise = after - before;
  return rise === 0 ? "no change" : Math.abs(rise) <= 2 * error ? "may be chance" : rise > 0 ? "worse" : "better";
}

function costTable(store: Store, preview: Preview): HTMLElement {
  const rows = Object.entries(preview.costs).map(([part, cost]) => {
    const measures = Object.entries(preview.scores[part] ?? {}).map(
      ([name, after]) => `${name} ${number(store.state.scores[part]?.[name] ?? null)} → ${number(after)}`,
    );
    const rise = cost.after - cost.before;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, `${part} (${cost.rows} rows)`),
      h("td", {}, measures.join(", ")),
      h("td", {}, `${signed(rise)} ± ${number(cost.error, 2)}`),
      h("td", { class: verdict(cost).split(" ")[0]! }, verdict(cost)),
    );
  });
  const head = ["rows", "before → after", "change of the loss", "verdict"];
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, ...head.map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", {}, ...rows),
  );
}
