// A pen that writes PDF: lines and text as they are, text in letters that Helvetica lacks as small pictures.
import { FONT, type Pen, type Point, canvasPen } from "./pen";

// Latin letters of the encoding WinAnsi beyond those of Latin-1 (PDF 1.7, annex D.2).
const BEYOND_LATIN1 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";
const SHARPNESS = 4; // pixels of a picture of text for each unit of the page

/** Bytes of text in WinAnsi, or null where it has other letters; the minus sign becomes a dash of the same width. */
function winAnsi(text: string): string | null {
  let found = "";
  for (const letter of text.replaceAll("−", "–")) {
    const code = letter.codePointAt(0)!;
    const beyond = BEYOND_LATIN1.indexOf(letter);
    if (beyond >= 0) found += String.fromCharCode(128 + beyond);
    else if (code < 127 || (code >= 160 && code < 256)) found += letter;
    else return null;
  }
  return found;
}

/** Red, green and blue from 0 to 1 of a colour as #rrggbb or rgb(r, g, b). */
function shares(colour: string): [number, number, number] {
  const hex = /^#(..)(..)(..)$/.exec(colour);
  const values = hex ? hex.slice(1).map((one) => parseInt(one, 16)) : (colour.match(/[\d.]+/g) ?? ["0", "0", "0"]).map(Number);
  return [values[0]! / 255, values[1]! / 255, values[2]! / 255];
}

export function pdfPen(width: number, height: number, paper: string): { pen: Pen; file: () => Uint8Array<ArrayBuffer> } {
  const parts: string[] = [];
  const images: { data: string; width: number; height: number }[] = [];
  const alphas = new Map<number, string>();
  const measure = document.createElement("canvas").getContext("2d")!;
  const n = (value: number): string => String(Math.round(value * 100) / 100);
  const colour = (value: string, operator: string): string => `${shares(value).map(n).join(" ")} ${operator}`;
  const fade = (alpha: number): string => {
    if (!alphas.has(alpha)) alphas.set(alpha, `A${alphas.size}`);
    return `/${alphas.get(alpha)} gs`;
  };
  const path = (points: Point[]): string => points.map(([x, y], k) => `${n(x)} ${n(height - y)} ${k ? "l" : "m"}`).join(" ");
  const pen: Pen = {
    line(points, stroke, w, alpha = 1, dash = []) {
      const known = points.filter(([, y]) => Number.isFinite(y));
      if (known.length > 1)
        parts.push(`q ${fade(alpha)} ${colour(stroke, "RG")} ${n(w)} w [${dash.join(" ")}] 0 d ${path(known)} S Q`);
    },
    area(points, fill, alpha) {
      if (points.length) parts.push(`q ${fade(alpha)} ${colour(fill, "rg")} ${path(points)} h f Q`);
    },
    box(x, y, w, high, fill, stroke, thick = 1) {
      const box = `${n(x)} ${n(height - y - high)} ${n(w)} ${n(high)} re`;
      if (fill) parts.push(`${colour(fill, "rg")} ${box} f`);
      if (stroke) parts.push(`${colour(stroke, "RG")} ${n(thick)} w ${box} S`);
    },
    dot(x, y, r, fill, stroke) {
      // Four arcs: 0.5523 is the distance of the control points with which a cubic is a quarter of a circle to 0.03 %.
      const [k, up] = [0.5523 * r, height - y];
      const arc = (a: number[]): string => `${a.map(n).join(" ")} c`;
      const ring = [
        `${n(x + r)} ${n(up)} m`,
        arc([x + r, up + k, x + k, up + r, x, up + r]),
        arc([x - k, up + r, x - r, up + k, x - r, up]),
        arc([x - r, up - k, x - k, up - r, x, up - r]),
        arc([x + k, up - r, x + r, up - k, x + r, up]),
      ].join(" ");
      parts.push(`${colour(fill, "rg")} ${stroke ? `${colour(stroke, "RG")} 1 w` : ""} ${ring} ${stroke ? "b" : "f"}`);
    },
    text(text, x, y, fill, size, align = "left") {
      const known = winAnsi(text);
      measure.font = `${size}px ${known === null ? FONT : "Helvetica, Arial, sans-serif"}`;
      const long = measure.measureText(text).width;
      const left = align === "right" ? x - long : align === "center" ? x - long / 2 : x;
      if (known !== null) {
        const safe = known.replace(/[\\()]/g, "\\$&");
        parts.push(`BT /F1 ${n(size)} Tf ${colour(fill, "rg")} ${n(left)} ${n(height - y)} Td (${safe}) Tj ET`);
        return;
      }
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.ceil(SHARPNESS * long));
      canvas.height = Math.ceil(SHARPNESS * size * 1.4);
      const context = canvas.getContext("2d")!;
      context.fillStyle = paper;
      context.fillRect(0, 0, canvas.width, canvas.height);
      canvasPen(context).text(text, 0, SHARPNESS * size, fill, SHARPNESS * size);
      const data = atob(canvas.toDataURL("image/jpeg", 0.95).split(",")[1]!);
      const place = [long, 0, 0, size * 1.4, left, height - y - 0.4 * size].map(n).join(" ");
      parts.push(`q ${place} cm /I${images.length} Do Q`);
      images.push({ data, width: canvas.width, height: canvas.height });
    },
  };

  function file(): Uint8Array<ArrayBuffer> {
    const page = [`${colour(paper, "rg")} 0 0 ${n(width)} ${n(height)} re f 1 J 1 j`, ...parts].join("\n");
    const first = 6; // number of the first picture
    const names = images.map((_, k) => `/I${k} ${first + k} 0 R`).join(" ");
    const states = [...alphas].map(([alpha, name]) => `/${name} << /CA ${n(alpha)} /ca ${n(alpha)} >>`).join(" ");
    const objects = [
      "<< /Type /Catalog /Pages 2 0 R >>",
      "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${n(width)} ${n(height)}] /Contents 4 0 R ` +
        `/Resources << /Font << /F1 5 0 R >> /ExtGState << ${states} >> /XObject << ${names} >> >> >>`,
      `<< /Length ${page.length} >>\nstream\n${page}\nendstream`,
      "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
      ...images.map(
        (one) =>
          `<< /Type /XObject /Subtype /Image /Width ${one.width} /Height ${one.height} /ColorSpace /DeviceRGB ` +
          `/BitsPerComponent 8 /Filter /DCTDecode /Length ${one.data.length} >>\nstream\n${one.data}\nendstream`,
      ),
    ];
    let text = "%PDF-1.4\n";
    const starts = objects.map((body, k) => {
      const start = text.length;
      text += `${k + 1} 0 obj\n${body}\nendobj\n`;
      return start;
    });
    const table = starts.map((start) => `${String(start).padStart(10, "0")} 00000 n \n`).join("");
    const end = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}`;
    text += `${end}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${text.length}\n%%EOF\n`;
    // Every letter is a byte by now.
    return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  }
  return { pen, file };
}
