// A page that is one file: edits are tried in the browser, on the rows in the file, and saved as a file.
import type { Answer, Backend, Cost, Scores, SessionState, Subject } from "./backend";
import type { EditFields } from "./kinds";
import { type Layer, output } from "./network";
import { LATER, edited } from "./shaping";

interface Data {
  state: SessionState;
  subject: Subject;
  record: { edits: EditFields[]; undone: EditFields[] };
  made?: { edits: EditFields[]; place: number }; // by a page before this one, which saved itself
}

/** Losses of the rows of the page: squared errors, or cross-entropies. */
function losses(network: Layer[], subject: Subject): number[] {
  return subject.rows.x.map((x, n) => {
    const values = output(network, x);
    const y = subject.rows.y[n]!;
    if (subject.task === "classes") {
      const most = Math.max(...values);
      const total = values.reduce((sum, value) => sum + Math.exp(value - most), 0);
      return Math.log(total) + most - values[y as number]!;
    }
    const targets = Array.isArray(y) ? y : [y];
    return targets.reduce((sum, t, o) => sum + (t - values[o]!) ** 2, 0) / targets.length;
  });
}

const mean = (values: number[]): number => values.reduce((sum, v) => sum + v, 0) / Math.max(values.length, 1);

/** The scores of the library (explore/page/scoring.py) on the rows of the page. */
function scores(network: Layer[], subject: Subject): Scores {
  const { rows, task, target } = subject;
  const all = losses(network, subject);
  const outputs = rows.x.map((x) => output(network, x));
  const found: Scores = {};
  for (const part of ["training", "held-out"]) {
    const mine = rows.held.flatMap((held, n) => (held === (part === "held-out") ? [n] : []));
    const loss = mean(mine.map((n) => all[n]!));
    if (task === "classes") {
      const right = mine.map((n) => Number(outputs[n]!.indexOf(Math.max(...outputs[n]!)) === rows.y[n]));
      found[part] = { accuracy: mean(right), "cross-entropy": loss };
      continue;
    }
    const r2 = subject.outputs.map((_, o) => {
      const targets = mine.map((n) => [rows.y[n]!].flat()[o]!);
      const level = mean(targets);
      return 1 - mean(mine.map((n, k) => (targets[k]! - outputs[n]![o]!) ** 2)) / mean(targets.map((one) => (one - level) ** 2));
    });
    found[part] = { "R²": mean(r2), RMSE: Math.sqrt(loss) * (subject.outputs.length === 1 ? target.scale[0]! : 1) };
  }
  return found;
}

/** This page as a file, with other data. */
function pageWith(data: Data): string {
  const copy = document.documentElement.cloneNode(true) as HTMLElement;
  const host = copy.querySelector("#explorer")!;
  host.replaceChildren();
  host.removeAttribute("class");
  copy.querySelector("#explorer-data")!.textContent = JSON.stringify(data).replaceAll("<", "\\u003c");
  return `<!doctype html>\n${copy.outerHTML}`;
}

interface Made {
  network: Layer[];
  edit: EditFields;
  text: string;
  costs: Record<string, Cost>;
}

/** Mean losses before and after on both kinds of rows, with the standard error of the difference. */
function costsOf(before: number[], after: number[], held: boolean[]): Record<string, Cost> {
  return Object.fromEntries(
    ["training", "held-out"].map((part) => {
      const rows = held.flatMap((one, n) => (one === (part === "held-out") ? [n] : []));
      const rise = rows.map((n) => after[n]! - before[n]!);
      const spread = mean(rise.map((v) => (v - mean(rise)) ** 2));
      const error = Math.sqrt(spread / Math.max(rows.length - 1, 1));
      return [part, { before: mean(rows.map((n) => before[n]!)), after: mean(rows.map((n) => after[n]!)), error, rows: rows.length }];
    }),
  );
}

export function staticBackend(data: Data): Backend {
  const { subject, record } = data;
  const steps: Made[] = [];
  let place = 0;
  let proposed: Made | null = null;
  let version = 0;
  const earlier = data.state.edits.filter((one) => one.holds).map((one) => ({ ...one, fixed: true }));
  const now = (): Layer[] => (place ? steps[place - 1]!.network : data.state.network);
  const made = (edit: EditFields): Made | string => {
    const done = edited(now(), subject, edit);
    if (typeof done === "string") return done;
    return { network: done[0], edit, text: done[1], costs: costsOf(losses(now(), subject), losses(done[0], subject), subject.rows.held) };
  };
  const keep = (one: Made): void => {
    steps.splice(place, steps.length, one);
    place++;
    version++;
  };
  for (const edit of data.made?.edits ?? []) {
    const one = made(edit);
    if (typeof one !== "string") keep(one);
  }
  place = data.made?.place ?? 0;
  const state = (): SessionState => ({
    ...data.state,
    version,
    network: now(),
    scores: scores(now(), subject),
    formula: place ? null : data.state.formula,
    edits: [...earlier, ...steps.map(({ text, costs }, n) => ({ text, costs, holds: n < place }))],
  });
  const answers: Record<string, (body: { edit?: EditFields }) => Answer> = {
    state: () => ({ state: state(), subject }),
    preview: ({ edit }) => {
      const one = made(edit!);
      if (typeof one === "string") return { error: one };
      proposed = one;
      return { preview: { ...one, scores: scores(one.network, subject) }, version, job: 0 };
    },
    keep: () => {
      if (proposed) keep(proposed);
      proposed = null;
      return { state: state() };
    },
    undo: () => ((place = Math.max(0, place - 1)), version++, { state: state() }),
    redo: () => ((place = Math.min(steps.length, place + 1)), version++, { state: state() }),
    suggest: () => ({ error: LATER }),
    interval: () => ({ interval: null }),
    cancel: () => ({}),
    page: () => ({ page: pageWith({ ...data, made: { edits: steps.map((one) => one.edit), place } }) }),
    save: () => ({
      record: {
        ...record,
        edits: [...record.edits, ...steps.slice(0, place).map((one) => one.edit)],
        undone: steps.slice(place).map((one) => one.edit),
      },
    }),
  };
  return {
    where: "This file is not changed: Share gives a page with your edits, and Save the edits alone, which `edgewise explore` repeats.",
    shared: false,
    ask: (name, body) => Promise.resolve(answers[name]!(body)),
  };
}
