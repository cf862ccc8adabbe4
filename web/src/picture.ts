// Pictures on screen as files: the same drawing as SVG or PDF.
import { button, colours, download, h } from "./dom";
import { pdfPen } from "./pdf";
import { type Pen, svgPen } from "./pen";

/** Buttons that write a drawing of this size to a file. */
export function pictureButtons(name: string, element: Element, size: () => [number, number], draw: (pen: Pen) => void): HTMLElement {
  const write = (kind: "svg" | "pdf"): void => {
    const paper = colours(element).panel!;
    const [width, height] = size();
    if (kind === "svg") {
      const { pen, file } = svgPen(width, height, paper);
      draw(pen);
      download(`${name}.svg`, file(), "image/svg+xml");
    } else {
      const { pen, file } = pdfPen(width, height, paper);
      draw(pen);
      download(`${name}.pdf`, file(), "application/pdf");
    }
  };
  const one = (kind: "svg" | "pdf"): HTMLElement =>
    button(kind.toUpperCase(), () => write(kind), { class: "plain small", "aria-label": `Picture of the ${name} as ${kind.toUpperCase()}` });
  return h("span", { class: "picture" }, one("svg"), " ", one("pdf"));
}
