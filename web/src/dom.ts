// Small pieces of the page. Text is always set as text, never as HTML: names of columns come from files.

type Child = Node | string | null | false | undefined;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Record<string, unknown> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "class") element.className = String(value);
    else if (name in element && name !== "list") (element as unknown as Record<string, unknown>)[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

let count = 0;

/** A labelled control. */
export function field(label: string, control: HTMLElement): HTMLElement {
  control.id ||= `ew-${++count}`;
  return h("div", { class: "field" }, h("label", { htmlFor: control.id }, label), control);
}

export function button(label: string, click: () => void, props: Record<string, unknown> = {}): HTMLButtonElement {
  return h("button", { type: "button", onclick: click, ...props }, label);
}

export function select(options: [string, string][], value: string, change: (value: string) => void): HTMLSelectElement {
  const element = h(
    "select",
    { onchange: () => change(element.value) },
    ...options.map(([key, text]) => h("option", { value: key }, text)),
  );
  element.value = value;
  return element;
}

/** A labelled slider between two values, both of which it reaches, with the value beside it. */
export function slider(
  label: string,
  low: number,
  high: number,
  steps: number,
  change: (value: number) => void,
): { element: HTMLElement; set: (value: number) => void } {
  const control = h("input", { type: "range", min: "0", max: String(steps), step: "1" });
  const shown = h("output", {});
  const show = (value: number): void => {
    shown.textContent = number(value);
    control.setAttribute("aria-valuetext", number(value));
  };
  control.addEventListener("input", () => {
    const value = low + ((high - low) * Number(control.value)) / steps;
    show(value);
    change(value);
  });
  const element = field(label, control);
  element.classList.add("slider");
  element.append(shown);
  return {
    element,
    set: (value) => {
      control.value = String(Math.round((steps * (value - low)) / (high - low || 1)));
      show(value);
    },
  };
}

export function number(value: number | null, digits = 4): string {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e7))
    return value.toExponential(digits - 1).replace("-", "−").replace("e−", "e−");
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

export function signed(value: number, digits = 3): string {
  return (value >= 0 ? "+" : "") + number(value, digits);
}

/** The colours of the page's style, for the canvas. */
export function colours(element: Element): Record<string, string> {
  const style = getComputedStyle(element);
  const names = ["ink", "soft", "line", "paper", "panel", "accent", "held", "new", "fill"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

export function download(name: string, text: BlobPart, type: string): void {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
