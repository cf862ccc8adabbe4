// The same drawing on a canvas and as SVG.

export type Point = [number, number];
export interface Pen {
  line(points: Point[], colour: string, width: number, alpha?: number, dash?: number[]): void;
  area(points: Point[], fill: string, alpha: number): void;
  box(x: number, y: number, w: number, height: number, fill: string, stroke: string, width?: number): void;
  dot(x: number, y: number, r: number, fill: string, stroke?: string): void;
  text(text: string, x: number, y: number, colour: string, size: number, align?: CanvasTextAlign): void;
}

export const FONT = "system-ui, sans-serif";

export function canvasPen(c: CanvasRenderingContext2D): Pen {
  return {
    line(points, colour, width, alpha = 1, dash = []) {
      c.globalAlpha = alpha;
      c.strokeStyle = colour;
      c.lineWidth = width;
      c.setLineDash(dash);
      c.beginPath();
      let down = false;
      for (const [x, y] of points) {
        if (!Number.isFinite(y)) down = false;
        else if (down) c.lineTo(x, y);
        else {
          c.moveTo(x, y);
          down = true;
        }
      }
      c.stroke();
      c.setLineDash([]);
      c.globalAlpha = 1;
    },
    area(points, fill, alpha) {
      c.globalAlpha = alpha;
      c.fillStyle = fill;
      c.beginPath();
      points.forEach(([x, y], n) => (n ? c.lineTo(x, y) : c.moveTo(x, y)));
      c.fill();
      c.globalAlpha = 1;
    },
    box(x, y, w, height, fill, stroke, width = 1) {
      c.fillStyle = fill;
      c.fillRect(x, y, w, height);
      if (!stroke) return;
      c.strokeStyle = stroke;
      c.lineWidth = width;
      c.strokeRect(x, y, w, height);
    },
    dot(x, y, r, fill, stroke) {
      c.beginPath();
      c.arc(x, y, r, 0, 2 * Math.PI);
      c.fillStyle = fill;
      c.fill();
      if (!stroke) return;
      c.strokeStyle = stroke;
      c.lineWidth = 1;
      c.stroke();
    },
    text(text, x, y, colour, size, align = "left") {
      c.fillStyle = colour;
      c.font = `${size}px ${FONT}`;
      c.textAlign = align;
      c.fillText(text, x, y);
    },
  };
}

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);

/** A pen that writes SVG, and the file that it wrote. */
export function svgPen(width: number, height: number, paper: string): { pen: Pen; file: () => string } {
  const parts: string[] = [];
  const n = (value: number): string => String(Math.round(value * 100) / 100);
  const pen: Pen = {
    line(points, colour, w, alpha = 1, dash = []) {
      const path = points.filter(([, y]) => Number.isFinite(y)).map(([x, y]) => `${n(x)},${n(y)}`);
      const dashed = dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : "";
      parts.push(
        `<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="${n(w)}" ` +
          `stroke-opacity="${alpha}"${dashed}/>`,
      );
    },
    area(points, fill, alpha) {
      const path = points.map(([x, y]) => `${n(x)},${n(y)}`).join(" ");
      parts.push(`<polygon points="${path}" fill="${fill}" fill-opacity="${alpha}"/>`);
    },
    box(x, y, w, high, fill, stroke, thick = 1) {
      const edge = stroke ? ` stroke="${stroke}" stroke-width="${thick}"` : "";
      parts.push(`<rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(high)}" fill="${fill}"${edge}/>`);
    },
    dot(x, y, r, fill, stroke) {
      parts.push(`<circle cx="${n(x)}" cy="${n(y)}" r="${n(r)}" fill="${fill}" stroke="${stroke ?? "none"}"/>`);
    },
    text(text, x, y, colour, size, align = "left") {
      const anchor = align === "right" ? "end" : align === "center" ? "middle" : "start";
      parts.push(
        `<text x="${n(x)}" y="${n(y)}" fill="${colour}" font-size="${size}" font-family="${FONT}" ` +
          `text-anchor="${anchor}">${escaped(text)}</text>`,
      );
    },
  };
  return {
    pen,
    file: () =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="${n(width)}" height="${n(height)}" ` +
      `viewBox="0 0 ${n(width)} ${n(height)}"><rect width="100%" height="100%" fill="${paper}"/>${parts.join("")}</svg>`,
  };
}
