// A page that is one file: edits are tried in the browser, on the rows in the file, and saved as a file.
import type { Answer, Backend, EditFields, Scores, SessionState, Subject } from "./backend";
import { type Layer, output } from "./network";
import { LATER, edited } from "./shaping";

interface Data {
  state: SessionState;
  subject: Subject;
  fingerprint: string;
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

export function staticBackend(data: Data): Backend {
  const { subject } = data;
  const steps: { network: Layer[]; edit: EditFields; text: string }[] = [];
  let place = 0;
  let proposed: { network: Layer[]; edit: EditFields; text: string } | null = null;
  let version = 0;
  const now = (): Layer[] => (place ? steps[place - 1]!.network : data.state.network);
  const scored = (network: Layer[]): Scores => {
    const all = losses(network, subject);
    const found: Scores = {};
    for (const part of ["training", "held-out"]) {
      const mine = all.filter((_, n) => subject.rows.held[n] === (part === "held-out"));
      found[part] = { "loss on this page": mean(mine) };
    }
    return found;
  };
  const state = (): SessionState => ({
    ...data.state,
    version,
    network: now(),
    scores: place ? scored(now()) : data.state.scores,
    formula: place ? null : data.state.formula,
    edits: steps.map((one, n) => ({ text: one.text, holds: n < place })),
  });
  const answers: Record<string, (body: { edit?: EditFields }) => Answer> = {
    state: () => ({ state: state(), subject }),
    preview: ({ edit }) => {
      const done = edited(now(), subject, edit!);
      if (typeof done === "string") return { error: done };
      proposed = { network: done[0], edit: edit!, text: done[1] };
      const [before, after] = [losses(now(), subject), losses(done[0], subject)];
      const costs = Object.fromEntries(
        ["training", "held-out"].map((part) => {
          const rows = after.map((_, n) => n).filter((n) => subject.rows.held[n] === (part === "held-out"));
          const rise = rows.map((n) => after[n]! - before[n]!);
          const spread = mean(rise.map((v) => (v - mean(rise)) ** 2));
          const cost = { before: mean(rows.map((n) => before[n]!)), after: mean(rows.map((n) => after[n]!)) };
          return [part, { ...cost, error: Math.sqrt(spread / Math.max(rows.length - 1, 1)), rows: rows.length }];
        }),
      );
      return { preview: { text: done[1], edit: edit!, network: done[0], scores: scored(done[0]), costs }, version, job: 0 };
    },
    keep: () => {
      if (proposed) {
        steps.splice(place, steps.length, proposed);
        place++;
        version++;
        proposed = null;
      }
      return { state: state() };
    },
    undo: () => ((place = Math.max(0, place - 1)), version++, { state: state() }),
    redo: () => ((place = Math.min(steps.length, place + 1)), version++, { state: state() }),
    suggest: () => ({ error: LATER }),
    interval: () => ({ interval: null }),
    cancel: () => ({}),
    save: () => ({
      record: {
        format: 1,
        made_for: data.fingerprint,
        edits: steps.slice(0, place).map((one) => one.edit),
        undone: steps.slice(place).map((one) => one.edit),
      },
    }),
  };
  return {
    where: "This file is not changed: Save gives your edits as a file, which `edgewise explore` repeats.",
    shared: false,
    ask: (name, body) => Promise.resolve(answers[name]!(body)),
  };
}
