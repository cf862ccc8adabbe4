// What if: sliders for the columns with the prediction and what moves it; and the rows with the largest errors.
import { h, field, number, signed } from "./dom";
import { edgeLayers, edgeValue, exists, output, trace } from "./network";
import type { Store } from "./store";

/** The prediction of a row of network inputs, in words. */
export function predictionText(store: Store, x: number[]): string {
  const values = output(store.network, x);
  const { task, target, outputs } = store.subject;
  if (task === "classes") {
    const most = Math.max(...values);
    const weights = values.map((value) => Math.exp(value - most));
    const sum = weights.reduce((a, b) => a + b, 0);
    const shares = weights.map((weight, n): [number, string] => [weight / sum, outputs[n]!]).sort((a, b) => b[0] - a[0]);
    return shares.slice(0, 3).map(([share, name]) => `${name}: ${number(100 * share, 3)} %`).join(", ");
  }
  return values
    .map((value, o) => {
      const y = (target.shift[o] ?? 0) + (target.scale[o] ?? 1) * value;
      return `${outputs[o]} = ${number(target.log ? Math.exp(y) : y, 5)}`;
    })
    .join(", ");
}

export function askPanel(store: Store): HTMLElement {
  const { columns, rows, shift, scale, limits } = store.subject;
  const prediction = h("output", { class: "prediction" });
  const bars = h("div", { class: "bars", role: "list", "aria-label": "Contributions of the inputs" });
  const chosen = new Array<number>(shift.length).fill(0);
  const middle = Math.floor(rows.x.length / 2);
  const controls: (() => void)[] = [];

  const update = (): void => {
    const clipped = chosen.map((value, i) => (limits ? Math.max(limits[i]![0], Math.min(limits[i]![1], value)) : value));
    prediction.textContent = predictionText(store, clipped);
    bars.replaceChildren(...contributions(store, clipped));
  };
  const list = columns.map((column) => {
    if (column.levels.length) {
      const control = h("select", {}, ...column.levels.map((level, n) => h("option", { value: String(n) }, level)));
      const set = (): void => {
        const level = Number(control.value);
        column.inputs.forEach((input, n) => {
          const on = column.inputs.length === column.levels.length ? n === level : level === 1;
          chosen[input] = ((on ? 1 : 0) - shift[input]!) / scale[input]!;
        });
      };
      control.addEventListener("change", () => (set(), update()));
      controls.push(() => {
        const level = column.inputs.findIndex((input) => chosen[input]! * scale[input]! + shift[input]! > 0.5);
        control.value = String(column.inputs.length === column.levels.length ? Math.max(level, 0) : level + 1);
      });
      return field(column.name, control);
    }
    const input = column.inputs[0]!;
    const values = rows.x.map((x) => shift[input]! + scale[input]! * x[input]!);
    const low = Math.min(...values);
    const high = Math.max(...values);
    const control = h("input", { type: "range", min: String(low), max: String(high), step: String((high - low) / 200 || 1) });
    const shown = h("output", {});
    const show = (): void => void (shown.textContent = number(shift[input]! + scale[input]! * chosen[input]!));
    control.addEventListener("input", () => {
      chosen[input] = (Number(control.value) - shift[input]!) / scale[input]!;
      show();
      update();
    });
    controls.push(() => {
      control.value = String(shift[input]! + scale[input]! * chosen[input]!);
      show();
    });
    const element = field(column.name, control);
    element.append(shown);
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
    chosen[input] = sorted[Math.floor(sorted.length / 2)]!; // the page begins at the medians
  }
  for (const show of controls) show();
  update();
  return h(
    "section",
    {},
    h("h2", {}, "What if"),
    prediction,
    h("div", { class: "sliders" }, ...list),
    h("h2", {}, "What moves it"),
    h("p", { class: "hint" }, contributionNote(store)),
    bars,
  );
}

function contributionNote(store: Store): string {
  return edgeLayers(store.state.network).length === 1
    ? "Each edge minus its mean over the rows. The prediction is the mean prediction plus these."
    : "Change of the output if the input had its mean over the rows instead; inputs that act together do not add up.";
}

/** Bars of what each input does to the first output (the last of classes), compared with its mean over the rows. */
function contributions(store: Store, x: number[]): HTMLElement[] {
  const { network, subject } = store;
  const o = subject.task === "classes" ? subject.outputs.length - 1 : 0;
  const unit = subject.task === "classes" || subject.target.log ? 1 : (subject.target.scale[0] ?? 1);
  const layers = edgeLayers(network);
  const now = output(network, x)[o]!;
  const found = subject.columns.map((column) => {
    let value = 0;
    if (layers.length === 1 && network.length === 1) {
      for (const i of column.inputs) {
        if (!exists(layers[0]!, i, o)) continue;
        const few = subject.rows.x.filter((_, n) => n % Math.ceil(subject.rows.x.length / 200) === 0);
        const mean = few.reduce((sum, row) => sum + edgeValue(layers[0]!, i, o, row[i]!), 0) / few.length;
        value += edgeValue(layers[0]!, i, o, x[i]!) - mean;
      }
    } else {
      const changed = x.slice();
      for (const i of column.inputs) changed[i] = subject.rows.x.reduce((sum, row) => sum + row[i]!, 0) / subject.rows.x.length;
      value = now - trace(network, changed).at(-1)![o]!;
    }
    return { name: column.name, value: value * unit };
  });
  const most = Math.max(...found.map((one) => Math.abs(one.value)), 1e-300);
  return found
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
        const button = h("button", { type: "button", class: "plain", onclick: () => pick(one.row) }, `row ${one.row}`);
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
  store.listen((what) => what === "state" && show());
  show();
  const head = ["row", "kind", "loss", "prediction"];
  return h(
    "section",
    {},
    h("h2", {}, "Rows with the largest losses"),
    h("p", { class: "hint" }, "Choose a row to see its path: the value of each node and each edge in the network."),
    h("table", {}, h("thead", {}, h("tr", {}, ...head.map((one) => h("th", { scope: "col" }, one)))), body),
    field("Another row", choose),
  );
}
