// Where the page gets its answers: a server, a notebook, or (static.ts) the page itself.
import type { EditFields } from "./kinds";
import type { Layer } from "./network";

export interface Scores {
  [part: string]: Record<string, number | null>;
}
export interface SessionState {
  version: number;
  network: Layer[];
  scores: Scores;
  worst: { row: number; loss: number; held: boolean; x: number[] }[];
  formula: string[] | null;
  interval: Interval | null;
  edits: Step[];
}
/** An edit that was kept, with its costs; it may be undone. */
export interface Step {
  text: string;
  holds: boolean;
  fixed?: boolean; // made before this page, which cannot undo it
  costs: Record<string, Cost>;
}
/** Half the widths of intervals for new rows, in the units of the network; `own` for those of the unedited model. */
export interface Interval {
  half: number[];
  level: number;
  rows: number;
  own: boolean;
}
/** A formula that a search found: its values on the rows of the page, and along each input. */
export interface Found {
  output: string;
  latex: string;
  size: number;
  error: number;
  chosen: boolean;
  rows: (number | null)[];
  along: Record<string, [number, number, (number | null)[]]>;
}
export interface Subject {
  name: string; // of the target; "" for several, or where it is unknown
  inputs: string[];
  outputs: string[];
  task: "numbers" | "classes";
  target: { shift: number[]; scale: number[]; log: boolean };
  shift: number[];
  scale: number[];
  limits: [number, number][] | null;
  columns: { name: string; inputs: number[]; levels: string[]; missing: number | null }[];
  rows: { numbers: number[]; x: number[][]; y: (number | number[])[]; held: boolean[]; all: number; heldOut: number };
  functions: string[];
  front: Found[];
  errorBars: boolean;
  bands: { edges: Record<string, [number, number, number[], number[]]>; width: number } | null;
  note: string;
}
export interface Cost {
  before: number;
  after: number;
  error: number;
  rows: number;
}
export interface Preview {
  text: string;
  edit: EditFields;
  network: Layer[];
  scores: Scores;
  costs: Record<string, Cost>;
}
export interface Suggestion {
  function: string;
  r2: number;
  before: number;
  after: number;
  error: number;
}
export interface SolutionFields {
  fields: string[];
  coordinates: { name: string; low: number; high: number; time: boolean }[];
  statement: string;
  message: string;
  trust: string;
  error: number | null;
  unknowns: { name: string; value: number; error: number | null }[];
}
/** All fields on a grid along one or two coordinates; null outside the domain. */
export interface Slice {
  axes: string[];
  counts: number[];
  values: (number | null)[][];
}
export interface Answer {
  error?: string;
  stale?: boolean;
  cancelled?: boolean;
  state?: SessionState;
  subject?: Subject;
  version?: number;
  share?: number;
  job?: number;
  preview?: Preview;
  suggestions?: Suggestion[];
  interval?: Interval | null;
  solution?: SolutionFields;
  slice?: Slice;
  wrote?: string[];
  script?: string;
  page?: string;
  record?: unknown;
}

export interface Backend {
  /** What the page says about where edits go. */
  where: string;
  /** Whether other pages may change the model, so that the page asks now and then. */
  shared: boolean;
  ask(name: string, body: object): Promise<Answer>;
}

export function serverBackend(token: string): Backend {
  return {
    where: "Each edit that you keep is written to disk at once.",
    shared: true,
    async ask(name, body) {
      try {
        const answer = await fetch(`api/${name}`, {
          method: "POST",
          headers: { "Content-Type": "application/json", "X-Edgewise-Token": token },
          body: JSON.stringify(body),
        });
        return answer.ok ? ((await answer.json()) as Answer) : { error: await answer.text() };
      } catch {
        return { error: "The server does not answer. Start `edgewise explore` again: kept edits are on disk." };
      }
    },
  };
}

interface WidgetModel {
  send(message: object): void;
  on(event: string, call: (message: { id?: number; answer?: Answer }) => void): void;
}

export function widgetBackend(model: WidgetModel): Backend {
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  model.on("msg:custom", (message) => {
    const call = waiting.get(message.id ?? -1);
    waiting.delete(message.id ?? -1);
    if (call && message.answer) call(message.answer);
  });
  return {
    where: "Edits change the session of this notebook.",
    shared: true,
    ask: (name, body) =>
      new Promise((resolve) => {
        waiting.set(++last, resolve);
        model.send({ id: last, name, body });
      }),
  };
}
