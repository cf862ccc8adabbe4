// What inputs do over the rows: a column for a group of rows beside all rows, and pairs of columns as a map.
import { predictions } from "./ask";
import type { Subject } from "./backend";
import { field, h, select } from "./dom";
import { Heat } from "./heat";
import type { Point } from "./pen";
import { Plot } from "./plot";
import type { Store } from "./store";
import { type Column, pointsOf, setColumn, valueOf } from "./terms";

const CURVE_POINTS = 41;
const MAP_POINTS = 25;
const ROWS_AVERAGED = 100; // of the effect of a column
const ROWS_OF_A_PAIR = 25; // of that of a pair, which has many more points

/** Groups of rows by a column: its levels, or its lower, middle and upper third, and those where it is missing. */
export function groupsOf(subject: Subject, column: Column): { name: string; rows: number[] }[] {
  const values = subject.rows.x.map((x) => valueOf(subject, x, column));
  const pick = (test: (value: number) => boolean): number[] => values.flatMap((value, n) => (test(value) ? [n] : []));
  if (column.levels.length) return column.levels.map((name, n) => ({ name, rows: pick((value) => value === n) }));
  const missing = pick(Number.isNaN);
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const different = [...new Set(sorted)];
  const [first, second] = [1, 2].map((n) => sorted[Math.floor((n * sorted.length) / 3)]!) as [number, number];
  const groups =
    different.length <= 5
      ? different.map((one) => ({ name: String(Number(one.toPrecision(6))), rows: pick((value) => value === one) }))
      : [
          { name: `below ${first.toPrecision(4)}`, rows: pick((value) => value < first) },
          { name: `from ${first.toPrecision(4)} to ${second.toPrecision(4)}`, rows: pick((value) => value >= first && value < second) },
          { name: `from ${second.toPrecision(4)} on`, rows: pick((value) => value >= second) },
        ];
  return missing.length ? [...groups, { name: "missing", rows: missing }] : groups;
}

/** At most `count` of some rows, evenly picked. */
const few = (rows: number[], count: number): number[] => rows.filter((_, n) => n % Math.ceil(rows.length / count) === 0);

/** Mean prediction over some rows if a column had each of some values. */
function meanEffect(store: Store, column: Column, values: number[], rows: number[], output: number): number[] {
  return values.map((value) => {
    let sum = 0;
    for (const row of rows) {
      const x = store.subject.rows.x[row]!.slice();
      setColumn(store.subject, x, column, value);
      sum += predictions(store, x)[output]!;
    }
    return sum / rows.length;
  });
}

function outputPicker(store: Store, change: () => void): HTMLSelectElement {
  const { outputs, task } = store.subject;
  // Of two classes the second one, of several that which is most frequent.
  const counts = outputs.map((_, n) => store.subject.rows.y.filter((y) => y === n).length);
  const first = task !== "classes" ? 0 : outputs.length === 2 ? 1 : counts.indexOf(Math.max(...counts));
  return select(outputs.map((name, n) => [String(n), task === "classes" ? `share of ${name}` : name]), String(first), change);
}

export function effectsPanel(store: Store): HTMLElement {
  const { subject } = store;
  const names = subject.columns.map((one, n): [string, string] => [String(n), one.name]);
  let output: HTMLSelectElement;
  const outputName = (): string => output.selectedOptions[0]?.textContent ?? "";

  // A column for a group.
  const [first, second] = strongestPair(store);
  const column = select(names, String(first), () => showGroup());
  const by = select([["", "all rows"], ...names], "", () => (fillGroups(), showGroup()));
  const group = h("select", { onchange: () => showGroup() });
  const groupField = field("Group", group);
  const plot = new Plot("effect", 250);
  const note = h("p", { class: "hint" });
  const all = subject.rows.x.map((_, n) => n);
  function fillGroups(): void {
    const found = by.value === "" ? [] : groupsOf(subject, subject.columns[Number(by.value)]!);
    group.replaceChildren(...found.map((one, n) => h("option", { value: String(n) }, `${one.name} (${one.rows.length} rows)`)));
    groupField.hidden = !found.length;
  }
  function showGroup(): void {
    const shown = subject.columns[Number(column.value)]!;
    const chosen = by.value === "" ? null : groupsOf(subject, subject.columns[Number(by.value)]!)[Number(group.value)]!;
    const values = pointsOf(subject, shown, CURVE_POINTS);
    const o = Number(output.value);
    const curve = (rows: number[]): Point[] => meanEffect(store, shown, values, few(rows, ROWS_AVERAGED), o).map((y, n) => [values[n]!, y]);
    const curves = [{ name: "all rows", points: curve(all), colour: "ink", dash: chosen ? [5, 4] : undefined, width: chosen ? 1.5 : 2.5 }];
    if (chosen?.rows.length) curves.push({ name: `${subject.columns[Number(by.value)]!.name}: ${chosen.name}`, points: curve(chosen.rows), colour: "accent", dash: undefined, width: 2.5 });
    plot.show({
      xLabel: shown.name,
      levels: shown.levels,
      yLabel: `mean prediction, ${outputName()}`,
      curves,
      label: `Mean prediction of ${outputName()} over ${shown.name}`,
    });
    note.textContent = chosen && !chosen.rows.length ? "No row on this page is in that group." : "The mean prediction over the rows if all of them had that value of the input.";
  }

  // A pair of columns.
  const across = select(names, String(first), () => showPair());
  const up = select(names, String(second), () => showPair());
  const what = select(
    [["point", "prediction, other inputs as in What if"], ["mean", "mean prediction over the rows"], ["joint", "what the two do beyond their sum"]],
    "point",
    () => showPair(),
  );
  const heat = new Heat("pair");
  const pairNote = h("p", { class: "hint" });
  function showPair(): void {
    const [a, b] = [subject.columns[Number(across.value)]!, subject.columns[Number(up.value)]!];
    if (a === b) {
      pairNote.textContent = "Choose two different inputs.";
      return;
    }
    const [us, vs] = [pointsOf(subject, a, MAP_POINTS), pointsOf(subject, b, MAP_POINTS)];
    if (us.length < 2 || vs.length < 2) return;
    const o = Number(output.value);
    const rows = what.value === "point" ? [] : few(all, ROWS_OF_A_PAIR).map((n) => subject.rows.x[n]!);
    const base = what.value === "point" ? [store.point] : rows;
    const values = us.flatMap((u) =>
      vs.map((v) => {
        let sum = 0;
        for (const one of base) {
          const x = one.slice();
          setColumn(subject, x, a, u);
          setColumn(subject, x, b, v);
          sum += predictions(store, x)[o]!;
        }
        return sum / base.length;
      }),
    );
    const joint = what.value === "joint";
    if (joint) {
      const mean = (list: number[]): number => list.reduce((sum, one) => sum + one, 0) / list.length;
      const lines = us.map((_, i) => mean(values.slice(i * vs.length, (i + 1) * vs.length)));
      const columns = vs.map((_, j) => mean(us.map((__, i) => values[i * vs.length + j]!)));
      const whole = mean(values);
      values.forEach((value, n) => (values[n] = value - lines[Math.floor(n / vs.length)]! - columns[n % vs.length]! + whole));
      const most = Math.max(...values.map(Math.abs));
      const spread = Math.max(...lines, ...columns) - Math.min(...lines, ...columns);
      if (most <= 1e-9 * Math.max(spread, 1e-300)) values.fill(0);
      pairNote.textContent =
        most <= 1e-9 * Math.max(spread, 1e-300)
          ? "Nothing: the model adds up what each of the two does."
          : "The mean prediction less what each of the two does alone, over even points of both.";
    } else pairNote.textContent = what.value === "point" ? "The dot is the point of What if; small dots are the rows." : "Small dots are the rows.";
    const mark: Point = [valueOf(subject, store.point, a), valueOf(subject, store.point, b)];
    heat.show({
      xLabel: a.name,
      yLabel: b.name,
      title: joint ? `beyond the sum, ${outputName()}` : `${what.value === "mean" ? "mean " : ""}prediction, ${outputName()}`,
      x: [us[0]!, us.at(-1)!],
      y: [vs[0]!, vs.at(-1)!],
      counts: [us.length, vs.length],
      values,
      signed: joint,
      levels: [a.levels, b.levels],
      dots: few(all, 300).map((n): Point => [valueOf(subject, subject.rows.x[n]!, a), valueOf(subject, subject.rows.x[n]!, b)]),
      mark: what.value === "point" ? mark : undefined,
    });
  }

  output = outputPicker(store, () => show());
  const element = h(
    "section",
    {},
    subject.outputs.length > (subject.task === "classes" ? 2 : 1) ? field("Output", output) : null,
    h("h2", {}, "What an input does for a group of rows"),
    h("div", { class: "line" }, field("Input", column), field("Rows by", by), groupField),
    plot.element,
    note,
    subject.columns.length > 1 ? h("h2", {}, "What two inputs do together") : null,
    subject.columns.length > 1 ? h("div", { class: "line" }, field("Across", across), field("Upwards", up), field("Shown", what)) : null,
    subject.columns.length > 1 ? heat.element : null,
    pairNote,
  );
  function show(): void {
    if (element.hidden) return;
    showGroup();
    if (subject.columns.length > 1) showPair();
  }
  fillGroups();
  store.listen((kind) => ["state", "preview", "tab", "row"].includes(kind) && show());
  return element;
}

/** The pair of the model that moves most, or the two columns that do. */
function strongestPair(store: Store): [number, number] {
  const strengths = store.strengths();
  const terms = store.drawing().terms.filter((one) => one.layer === 0);
  const strength = (one: { key: string }): number => strengths.get(one.key) ?? 0;
  const pair = terms.filter((one) => one.kind === "pair").sort((a, b) => strength(b) - strength(a))[0];
  if (pair) return pair.from as [number, number];
  const moved = store.subject.columns.map((_, n) => Math.max(0, ...terms.filter((one) => one.from[0] === n).map(strength)));
  const order = moved.map((_, n) => n).sort((a, b) => moved[b]! - moved[a]!);
  return [order[0] ?? 0, order[1] ?? 0];
}
