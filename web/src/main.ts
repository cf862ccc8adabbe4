// The page: header with scores, the network on the left, and what is known about it on the right.
import { askPanel, rowsPanel } from "./ask";
import { type Backend, type Cost, serverBackend, widgetBackend } from "./backend";
import { button, download, h, number, signed } from "./dom";
import { edgePanel, verdict } from "./edits";
import { effectsPanel } from "./effects";
import { formulaPanel } from "./formulas";
import { Graph } from "./graph";
import { type Layer, output, trace } from "./network";
import { roundedParts } from "./path";
import { edited } from "./shaping";
import { mountSolution, type Stored, storedSolution } from "./solution";
import { staticBackend } from "./static";
import { Store } from "./store";

function header(store: Store, graph: Graph): HTMLElement {
  const scores = h("p", { class: "scores" });
  const undo = button("Undo", () => void store.move("undo"), { title: "Undo (Ctrl+Z)" });
  const redo = button("Redo", () => void store.move("redo"), { title: "Redo (Ctrl+Y)" });
  const save = button("Save", () => void saveModel(store), { title: "Write the model and the script (Ctrl+S)" });
  const share = button("Share", () => void sharePage(store), { title: "One file with the model, the edits and their costs" });
  const picture = h("span", { class: "pictures" }, "Picture ", graph.pictures());
  const message = h("p", { class: "message", role: "status" });
  const show = (): void => {
    const parts = Object.entries(store.state.scores).map(([part, values]) => {
      const texts = Object.entries(values).map(([name, value]) => `${name} ${number(value)}`);
      return `${part}: ${texts.join(", ")}`;
    });
    scores.textContent = parts.join(" · ");
    undo.disabled = !store.canMove("undo");
    redo.disabled = !store.canMove("redo");
  };
  store.listen((what) => {
    if (what === "state") show();
    if (what === "message") message.textContent = store.message;
  });
  message.textContent = store.message;
  show();
  const note = store.subject.note ? h("p", { class: "hint" }, `Note: ${store.subject.note}.`) : null;
  return h(
    "header",
    {},
    h("div", { class: "title" }, h("h1", {}, `What predicts ${store.subject.name || store.subject.outputs.join(", ")}`), scores),
    h("div", { class: "actions" }, undo, redo, save, share, picture),
    message,
    note,
  );
}

async function sharePage(store: Store): Promise<void> {
  const { page } = await store.run("Writing the page", "page", {});
  if (!page) return;
  download("edited.html", page, "text/html");
  store.say("The model, the edits and their costs are in edited.html, which needs no server.");
}

async function saveModel(store: Store): Promise<void> {
  const answer = await store.run("Saving", "save", {});
  if (answer.error) return;
  if (answer.wrote) store.say(`Wrote ${answer.wrote.join(" and ")}.`);
  else {
    download("edits.json", JSON.stringify(answer.record, null, 1), "application/json");
    store.say("The edits were saved as edits.json; `edgewise explore MODEL --edits edits.json` repeats them.");
  }
}

function historyPanel(store: Store): HTMLElement {
  const list = h("ol", { class: "history" });
  const show = (): void => {
    const { edits } = store.state;
    list.replaceChildren(
      ...edits.map((one) =>
        h("li", { class: one.holds ? "" : "undone" }, h("span", {}, store.named(one.text)), one.holds ? null : " (undone)", h("p", { class: "hint" }, costText(one.costs))),
      ),
    );
    if (!edits.length) list.replaceChildren(h("li", { class: "hint none" }, "There are no edits yet."));
  };
  store.listen((what) => what === "state" && show());
  show();
  return h("section", {}, h("h2", {}, "Edits"), h("p", { class: "hint" }, store.backend.where), list);
}

/** What an edit cost on the held-out rows, in words. */
function costText(costs: Record<string, Cost>): string {
  const cost = costs["held-out"];
  if (!cost) return "";
  return `Held-out loss ${number(cost.before)} → ${number(cost.after)} (${signed(cost.after - cost.before)} ± ${number(cost.error, 2)}, ${cost.rows} rows): ${verdict(cost)}.`;
}

/** Where to begin: the part that moves an output most. */
function firstHint(store: Store): string {
  const strengths = store.strengths();
  const { terms } = store.drawing();
  const best = terms.filter((one) => one.layer === 0).sort((a, b) => strengths.get(b.key)! - strengths.get(a.key)!)[0];
  if (!best) return "";
  const what = store.isLast(0) ? `, which moves ${store.scoreName(best.sum)} most` : ", the strongest first curve";
  const how = best.kind === "pair" ? "see its map" : best.kind === "levels" ? "drag a bar" : "drag its curve";
  return `Begin with ${best.name}${what}: ${how}, choose another part in the drawing, or set your own values under Ask.`;
}

function tabs(store: Store, pages: [string, HTMLElement][]): HTMLElement {
  const bar = h("div", { class: "tabs", role: "tablist" });
  const host = h("div", { class: "pages" });
  const buttons = pages.map(([name, page], n) => {
    page.setAttribute("role", "tabpanel");
    page.setAttribute("aria-label", name);
    return h("button", { type: "button", role: "tab", onclick: () => choose(n), onkeydown: (event: KeyboardEvent) => key(event, n) }, name);
  });
  const choose = (place: number): void => {
    pages.forEach(([, page], n) => {
      page.hidden = n !== place;
      buttons[n]!.setAttribute("aria-selected", String(n === place));
      buttons[n]!.tabIndex = n === place ? 0 : -1;
    });
    host.scrollTop = 0;
    store.tell("tab");
  };
  const key = (event: KeyboardEvent, place: number): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (place + step + pages.length) % pages.length;
    choose(next);
    buttons[next]!.focus();
  };
  bar.append(...buttons);
  host.append(...pages.map(([, page]) => page));
  choose(0);
  return h("div", { class: "side" }, bar, host);
}

/** Build the page within an element. */
export async function mount(host: HTMLElement, backend: Backend, stored?: Stored): Promise<void> {
  const store = new Store(backend);
  host.classList.add("edgewise-explorer");
  host.replaceChildren(h("p", { class: "hint" }, "Opening the model …"));
  try {
    const solution = await store.open();
    if (solution) return await mountSolution(host, backend, solution, stored);
  } catch (error) {
    host.replaceChildren(h("p", { class: "message", role: "alert" }, error instanceof Error ? error.message : String(error)));
    throw error;
  }
  const graph = new Graph(store);
  const side = tabs(store, [
    ["Model", edgePanel(store)],
    ["Ask", askPanel(store)],
    ["Effects", effectsPanel(store)],
    ["Rows", rowsPanel(store)],
    ["Formula", formulaPanel(store)],
    ["Edits", historyPanel(store)],
  ]);
  store.message = firstHint(store);
  host.replaceChildren(header(store, graph), h("main", {}, graph.element, side));
  host.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    const typing = event.target instanceof HTMLInputElement && event.target.type === "number";
    if (event.key === "z" && !event.shiftKey && !typing) void store.move("undo");
    else if ((event.key === "y" || (event.key === "Z" && event.shiftKey)) && !typing) void store.move("redo");
    else if (event.key === "s") void saveModel(store);
    else return;
    event.preventDefault();
  });
  (window as unknown as { edgewisePage: unknown }).edgewisePage = { store, graph };
}

/** Open the page of a server, or of the file that holds everything itself. */
function start(): void {
  const host = document.getElementById("explorer");
  if (!host) return;
  const element = document.getElementById("explorer-data");
  const token = new URLSearchParams(location.search).get("token") ?? "";
  const data = element && JSON.parse(element.textContent ?? "{}");
  if (!data) void mount(host, serverBackend(token));
  else void mount(host, data.solution ? storedSolution(data) : staticBackend(data), data.stored);
}

const api = {
  output: (network: Layer[], x: number[]) => output(network, x),
  edited, // for tests
  roundedParts,
  trace: (network: Layer[], x: number[]) => trace(network, x),
  widget: (model: Parameters<typeof widgetBackend>[0], element: HTMLElement) => void mount(element, widgetBackend(model)),
};
(globalThis as unknown as { EdgewiseExplorer: typeof api }).EdgewiseExplorer = api;
if (typeof document !== "undefined") start();
