// The page of a solution of a differential equation: its fields along one or two coordinates, the others by sliders.
import type { Answer, Backend, Slice, SolutionFields } from "./backend";
import { button, field, h, number, select, slider } from "./dom";
import { Heat } from "./heat";
import type { Point } from "./pen";
import { Plot } from "./plot";

/** Values of all fields over the whole domain, the last coordinate fastest. */
export interface Stored {
  count: number;
  values: (number | null)[][];
}

const MOST_ALONG = 100; // intervals along each side of a map; a choice: a cell has several pixels

/** Answers from values in the page; each slider has a place for each stored point. */
export function storedSolution(data: { solution: SolutionFields; stored: Stored }): Backend {
  const { coordinates } = data.solution;
  const { count, values } = data.stored;
  const strides = coordinates.map((_, n) => count ** (coordinates.length - 1 - n));
  const slice = (axes: string[], at: Record<string, number>): Slice => {
    const places = coordinates.map(({ name, low, high }) => Math.round(((at[name]! - low) / (high - low)) * (count - 1)));
    const start = coordinates.reduce((sum, { name }, n) => sum + (axes.includes(name) ? 0 : places[n]! * strides[n]!), 0);
    const [first, second] = axes.map((name) => strides[coordinates.findIndex((one) => one.name === name)]!);
    // Of maps, whose cells are drawn one by one, only each n-th point, so that both ends are among them.
    let step = 1;
    while (second !== undefined && (count - 1) / step > MOST_ALONG && step < count - 1) do step++;
    while ((count - 1) % step);
    const shown = (count - 1) / step + 1;
    const along = Array.from({ length: shown }, (_, n) => n * step);
    const offsets = second === undefined ? along.map((n) => n * first!) : along.flatMap((i) => along.map((j) => i * first! + j * second));
    return { axes, counts: axes.map(() => shown), values: values.map((one) => offsets.map((offset) => one[start + offset]!)) };
  };
  return {
    where: "",
    shared: false,
    ask: (name, body) => {
      const { axes, at } = body as { axes: string[]; at: Record<string, number> };
      return Promise.resolve<Answer>(name === "slice" ? { slice: slice(axes, at) } : { solution: data.solution });
    },
  };
}

const LENGTHS = ["x", "y", "z"]; // coordinates that are drawn with one scale
const FRAME = 80; // milliseconds between moments of the film; a choice
const STEPS = 60; // moments of a film from the first to the last

export async function mountSolution(host: HTMLElement, backend: Backend, solution: SolutionFields, stored?: Stored): Promise<void> {
  const { coordinates, fields } = solution;
  const at: Record<string, number> = {};
  for (const { name, low, high, time } of coordinates) at[name] = time ? low : (low + high) / 2;
  const space = coordinates.filter((one) => !one.time).map((one) => one.name);
  const names = coordinates.map((one) => one.name);
  let axes = space.length ? space.slice(0, 2) : names.slice(0, 1);
  let shownRange: [number, number] | null = null; // of all values so far, so that colours and heights keep their meaning
  let asked = 0;
  let film = 0;

  const plot = new Plot("solution", 420);
  const heat = new Heat("solution", 520);
  const sliders = h("div", { class: "sliders" });
  const controls = new Map<string, ReturnType<typeof slider>>();
  const message = h("p", { class: "message", role: "status" });
  const which = select(fields.map((name, n) => [String(n), name]), "0", () => ((shownRange = null), void show()));
  const options: [string, string][] = [
    ...names.map((name): [string, string] => [name, name]),
    ...names.flatMap((a, n) => names.slice(n + 1).map((b): [string, string] => [`${a},${b}`, `${a} and ${b}`])),
  ];
  const along = select(options, axes.join(), (value) => {
    axes = value.split(",");
    shownRange = null;
    stop();
    place();
    void show();
  });
  const same = h("input", { type: "checkbox", checked: true, onchange: () => void show() });
  const play = button("Play", () => (film ? stop() : start()));

  function stop(): void {
    window.clearInterval(film);
    film = 0;
    play.textContent = "Play";
  }

  /** Move the first slider from its low to its high end. */
  function start(): void {
    const moved = moving();
    if (!moved) return;
    play.textContent = "Stop";
    let step = 0;
    film = window.setInterval(() => {
      at[moved.name] = moved.low + ((moved.high - moved.low) * step) / STEPS;
      place();
      void show();
      if (++step > STEPS) stop();
    }, FRAME);
  }

  function moving(): SolutionFields["coordinates"][number] | undefined {
    const free = coordinates.filter((one) => !axes.includes(one.name));
    return free.find((one) => one.time) ?? free[0];
  }

  /** Sliders for the coordinates that are no axes. */
  function place(): void {
    const free = coordinates.filter((one) => !axes.includes(one.name));
    play.hidden = !free.length;
    const wanted = free.map((one) => one.name).join();
    if (sliders.dataset.names !== wanted) {
      sliders.dataset.names = wanted;
      controls.clear();
      for (const { name, low, high } of free)
        controls.set(
          name,
          slider(name, low, high, stored ? stored.count - 1 : 200, (value) => {
            stop();
            at[name] = value;
            void show();
          }),
        );
      sliders.replaceChildren(...[...controls.values()].map(({ element }) => element));
    }
    for (const [name, control] of controls) control.set(at[name]!);
  }

  async function show(): Promise<void> {
    const mine = ++asked;
    const answer = await backend.ask("slice", { axes, at });
    if (mine !== asked) return;
    message.textContent = answer.error ?? "";
    if (!answer.slice) return;
    draw(answer.slice);
  }

  function draw(slice: Slice): void {
    const o = Number(which.value);
    const values = slice.values[o]!;
    const known = values.filter((one): one is number => one !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    shownRange = shownRange ? [Math.min(shownRange[0], low), Math.max(shownRange[1], high)] : [low, high];
    const others = coordinates.filter((one) => !axes.includes(one.name)).map((one) => `${one.name} = ${number(at[one.name]!)}`);
    const title = `${fields[o]}${others.length ? ` at ${others.join(", ")}` : ""}`;
    const ends = axes.map((name): [number, number] => {
      const one = coordinates.find((each) => each.name === name)!;
      return [one.low, one.high];
    });
    plot.element.hidden = axes.length === 2;
    heat.element.hidden = axes.length === 1;
    if (axes.length === 1) {
      const [from, to] = ends[0]!;
      const points = values.map((value, n): Point => [from + ((to - from) * n) / (values.length - 1), value ?? NaN]);
      plot.show({ xLabel: axes[0]!, yLabel: title, curves: [{ name: "", points, colour: "accent", width: 2.5 }], y: same.checked ? shownRange : undefined, label: `${title} along ${axes[0]}` });
    } else {
      const counts: [number, number] = [slice.counts[0]!, slice.counts[1]!];
      heat.show({ xLabel: axes[0]!, yLabel: axes[1]!, title, x: ends[0]!, y: ends[1]!, counts, values, signed: false, range: same.checked ? shownRange : undefined, equal: axes.every((name) => LENGTHS.includes(name)) });
    }
  }

  const facts = solution.unknowns.map(({ name, value, error }) => h("li", {}, `${name} = ${number(value, 6)}${error === null ? "" : ` ± ${number(error, 2)}`}`));
  host.replaceChildren(
    h(
      "header",
      {},
      h("div", { class: "title" }, h("h1", {}, `Solution for ${fields.join(", ")}`), h("p", { class: "scores" }, solution.statement)),
    ),
    h(
      "main",
      { class: "solution" },
      h("div", { class: "field-picture" }, plot.element, heat.element),
      h(
        "div",
        { class: "side" },
        h(
          "div",
          { class: "pages" },
          h("div", { class: "line" }, fields.length > 1 ? field("Field", which) : null, field("Along", along), play),
          sliders,
          coordinates.length > 1 ? h("label", { class: "check" }, same, "One scale for all that was shown so far") : null,
          message,
          h("h2", {}, "Can it be trusted?"),
          h("p", {}, solution.message),
          solution.trust ? h("p", {}, solution.trust) : null,
          solution.error === null ? null : h("p", {}, `Estimated relative error: ${number(solution.error, 2)}.`),
          facts.length ? h("h2", {}, "Coefficients that were found") : null,
          h("ul", {}, ...facts),
        ),
      ),
    ),
  );
  place();
  await show();
  (window as unknown as { edgewisePage: unknown }).edgewisePage = { at, show, place };
}
