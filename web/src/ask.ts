// What if: sliders for the columns with the prediction and what moves it; and the rows with the largest errors.
import type { Interval } from "./backend";
import { h, field, number, signed, slider } from "./dom";
import { output } from "./network";
import { pathPanel, sumsOf } from "./path";
import type { Point } from "./pen";
import { Plot } from "./plot";
import type { Store } from "./store";
import { inputsAt, valueOf } from "./terms";

/** Outputs of the network in the units of the table: targets, or shares of classes. */
export function predictions(store: Store, x: number[]): number[] {
  const values = output(store.network, x);
  if (store.subject.task === "numbers") return values.map((value, o) => store.inUnits(value, o));
  const most = Math.max(...values);
  const weights = values.map((value) => Math.exp(value - most));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** The prediction of a row of network inputs, in words. */
export function predictionText(store: Store, x: number[]): string {
  const { task, outputs } = store.subject;
  const values = predictions(store, x);
  if (task === "numbers") return values.map((value, o) => `${outputs[o]} = ${number(value, 5)}`).join(", ");
  if (outputs.length === 2) return `${outputs[1]}: ${number(100 * values[1]!, 3)} %`;
  const shares = values.map((share, n): [number, string] => [share, outputs[n]!]).sort((a, b) => b[0] - a[0]);
  return shares.slice(0, 3).map(([share, name]) => `${name}: ${number(100 * share, 3)} %`).join(", ");
}

/** The interval for a new row like x, in words. */
function intervalText(store: Store, x: number[], interval: Interval | null): string {
  const { task, outputs, note } = store.subject;
  if (task === "classes" || note) return "";
  if (!interval) return "There is no interval: too few rows are held out.";
  const values = output(store.network, x);
  const ends = values.map((value, o) => {
    const half = interval.half[o]!;
    const [low, high] = [store.inUnits(value - half, o), store.inUnits(value + half, o)];
    return `${number(low)} to ${number(high)}${outputs.length > 1 ? ` (${outputs[o]})` : ""}`;
  });
  const how = interval.own
    ? `calibrated by the fit on ${interval.rows} rows, as predict_interval gives it`
    : `from the residuals of the ${interval.rows} held-out rows, the same width everywhere`;
  return `${ends.join(", ")} holds ${Math.round(100 * interval.level)} % of new rows like this one; ${how}.`;
}

export function askPanel(store: Store): HTMLElement {
  const { columns, rows, shift, scale, limits, outputs } = store.subject;
  const heading = h("h2", {});
  const prediction = h("output", { class: "prediction" });
  const interval = h("p", { class: "hint interval" });
  let waiting = 0;
  const bars = h("div", { class: "bars", role: "list", "aria-label": "Contributions of the inputs" });
  const chosen = new Array<number>(shift.length).fill(0);
  const middle = Math.floor(rows.x.length / 2);
  const controls: (() => void)[] = [];

  const update = (): void => {
    const clipped = chosen.map((value, i) => (limits ? Math.max(limits[i]![0], Math.min(limits[i]![1], value)) : value));
    store.point = clipped;
    prediction.textContent = predictionText(store, clipped);
    interval.textContent = intervalText(store, clipped, store.state.interval);
    window.clearTimeout(waiting);
    // The fit's own intervals follow the point, and only the library computes them; edited models have none.
    if (store.backend.shared && store.subject.errorBars && store.network === store.state.network && !store.state.edits.some((one) => one.holds))
      waiting = window.setTimeout(() => void ownInterval(chosen.slice(), clipped), 60);
    const o = likeliest(store, clipped);
    heading.textContent = outputs.length > 1 ? `What moves ${store.scoreName(o)}` : "What moves it";
    bars.replaceChildren(...contributions(store, clipped, o));
  };
  const ownInterval = async (x: number[], clipped: number[]): Promise<void> => {
    const answer = await store.backend.ask("interval", { x });
    if (answer.interval && store.point === clipped) interval.textContent = intervalText(store, clipped, answer.interval);
  };
  const list = columns.map((column) => {
    const put = (value: number): void => {
      inputsAt(column, value).forEach((own, n) => {
        const input = column.inputs[n]!;
        chosen[input] = (own - shift[input]!) / scale[input]!;
      });
      update();
    };
    const now = (): number => valueOf(store.subject, chosen, column);
    if (column.levels.length) {
      const control = h("select", {}, ...column.levels.map((level, n) => h("option", { value: String(n) }, level)));
      control.addEventListener("change", () => put(Number(control.value)));
      controls.push(() => (control.value = String(now())));
      return field(column.name, control);
    }
    const values = rows.x.map((x) => valueOf(store.subject, x, column)).filter((one) => !Number.isNaN(one));
    const low = Math.min(...values);
    const high = Math.max(...values);
    let value = values[0] ?? low;
    const { element, set } = slider(column.name, low, high, 200, (moved) => {
      value = moved;
      box.checked = false;
      put(moved);
    });
    const box = h("input", { type: "checkbox", onchange: () => put(box.checked ? NaN : value) });
    controls.push(() => {
      box.checked = Number.isNaN(now());
      if (!box.checked) set((value = now()));
    });
    if (column.missing !== null) element.append(h("label", { class: "check" }, box, `${column.name} is missing`));
    return element;
  });
  const take = (row: number): void => {
    rows.x[row]!.forEach((value, i) => (chosen[i] = value));
    for (const show of controls) show();
    update();
  };
  store.listen((what) => {
    if (what === "row" && store.row >= 0) take(store.row);
    else if (what === "state" || what === "preview" || what === "drag") update();
  });
  take(middle);
  for (const column of columns) {
    if (column.levels.length) continue;
    const input = column.inputs[0]!;
    const sorted = rows.x.map((x) => x[input]!).sort((a, b) => a - b);
    chosen[input] = sorted[Math.floor(sorted.length / 2)]!; // the page begins at the medians, and nothing is missing
    if (column.missing !== null) chosen[column.inputs[1]!] = -shift[column.inputs[1]!]! / scale[column.inputs[1]!]!;
  }
  for (const show of controls) show();
  update();
  return h(
    "section",
    {},
    h("h2", {}, "What if"),
    prediction,
    interval,
    h("div", { class: "sliders" }, ...list),
    heading,
    h("p", { class: "hint" }, contributionNote(store)),
    bars,
  );
}

function contributionNote(store: Store): string {
  return store.drawing().layers === 1
    ? "Each part minus its mean over the rows. The prediction is the mean prediction plus these."
    : "Change of the output if the input had its mean over the rows instead; inputs that act together do not add up.";
}

/** The output that is explained: the positive of two classes, the likeliest of several, the first of several numbers. */
export function likeliest(store: Store, x: number[]): number {
  const values = output(store.network, x);
  if (store.hasLogOdds) return 1;
  return store.subject.task === "classes" ? values.indexOf(Math.max(...values)) : 0;
}

/** Bars of what each term does to an output, or of each input in a deep network, compared with the mean over the rows. */
function contributions(store: Store, x: number[], o: number): HTMLElement[] {
  const { network, subject } = store;
  let found: { name: string; value: number }[];
  if (store.drawing().layers === 1 && store.isLast(0)) found = sumsOf(store, x).find((one) => one.sum === o)?.parts ?? [];
  else {
    const now = output(network, x)[o]!;
    found = subject.columns.map(({ name, inputs }) => {
      const changed = x.slice();
      for (const i of inputs) changed[i] = subject.rows.x.reduce((sum, row) => sum + row[i]!, 0) / subject.rows.x.length;
      return { name, value: (now - output(network, changed)[o]!) * store.unit(o) };
    });
  }
  const most = Math.max(...found.map((one) => Math.abs(one.value)), 1e-300);
  return [...found]
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .slice(0, 12)
    .map(({ name, value }) => {
      const bar = h("span", { class: value < 0 ? "bar minus" : "bar plus" });
      bar.style.width = `${(50 * Math.abs(value)) / most}%`;
      bar.style.left = value < 0 ? `${50 - (50 * Math.abs(value)) / most}%` : "50%";
      return h("div", { class: "bar-line", role: "listitem" }, h("span", {}, name), h("span", { class: "track" }, bar), h("span", { class: "value" }, signed(value)));
    });
}

export function rowsPanel(store: Store): HTMLElement {
  const body = h("tbody", {});
  const choose = h("input", { type: "number", min: "1", max: String(store.subject.rows.all), step: "1" });
  const pick = (row: number): void => {
    const { numbers } = store.subject.rows;
    const place = numbers.indexOf(row);
    if (place < 0) store.say(`Row ${row} is not among the ${numbers.length} rows on this page.`);
    else store.selectRow(place);
  };
  choose.addEventListener("change", () => pick(Number(choose.value)));
  const show = (): void => {
    body.replaceChildren(
      ...store.state.worst.map((one) => {
        const place = store.subject.rows.numbers.indexOf(one.row);
        const point = { onpointerenter: () => store.hover(place), onpointerleave: () => store.hover(-1) };
        const button = h("button", { type: "button", class: "plain", onclick: () => pick(one.row), ...point }, `row ${one.row}`);
        return h(
          "tr",
          {},
          h("td", {}, button),
          h("td", {}, one.held ? "held out" : "training"),
          h("td", {}, number(one.loss)),
          h("td", {}, predictionText(store, one.x)),
        );
      }),
    );
  };
  // Every row as a dot to point at: what was measured and what is predicted, or the loss of each row for classes.
  const isNumbers = store.subject.task === "numbers";
  const plot = new Plot("rows", 260, (dot, click) => (click && dot >= 0 ? store.selectRow(dot) : store.hover(dot)));
  const showPlot = (): void => {
    const { rows, outputs } = store.subject;
    const points = rows.x.map((x, n): Point => {
      const y = rows.y[n]!;
      const values = predictions(store, x);
      if (!isNumbers) return [rows.numbers[n]!, -Math.log(Math.max(values[y as number]!, 1e-300))];
      return [values[0]!, store.inUnits(Array.isArray(y) ? y[0]! : y, 0)];
    });
    const ends = points.flat().filter(Number.isFinite);
    const line: Point[] = isNumbers ? [Math.min(...ends), Math.max(...ends)].map((one) => [one, one]) : [];
    plot.show({
      xLabel: isNumbers ? `${outputs[0]}, predicted` : "row",
      yLabel: isNumbers ? `${outputs[0]}, measured` : "loss",
      curves: [{ name: isNumbers ? "predicted = measured" : "", points: line, colour: "soft", dash: [4, 3], width: 1 }],
      dots: { points, held: rows.held, marked: store.shownRow },
      label: "A dot for each row, held-out rows in orange and larger. The field Row chooses one by its number.",
    });
  };
  store.listen((what) => ["state", "row", "hover", "preview"].includes(what) && !plot.element.closest("[hidden]") && showPlot());
  store.listen((what) => what === "tab" && !plot.element.closest("[hidden]") && showPlot());
  store.listen((what) => what === "state" && show());
  show();
  const head = ["row", "kind", "loss", "prediction"];
  return h(
    "section",
    {},
    h("h2", {}, "All rows"),
    h("p", { class: "hint" }, "Point at a dot to see the path of that row here and in the network; choose it to keep the path."),
    plot.element,
    field("Row", choose),
    pathPanel(store),
    h("h2", {}, "Rows with the largest losses"),
    h("table", {}, h("thead", {}, h("tr", {}, ...head.map((one) => h("th", { scope: "col" }, one)))), body),
  );
}
