// Bundles the page into src/edgewise/explore/page/bundle, which the repository and the wheel hold: users need no node.
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const out = "../src/edgewise/explore/page/bundle";
// The fonts that formulas of this page can need; KaTeX names more, which would double the size.
const FONTS = ["Main-Regular", "Math-Italic", "Size1-Regular", "Size2-Regular", "Size3-Regular", "Size4-Regular"];
const LIMIT = 700_000; // bytes of all files together

const notices = ["d3-scale", "d3-selection", "d3-zoom", "katex"].map((name) => {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  const text = readFileSync(`node_modules/${name}/LICENSE`, "utf8").replaceAll("*/", "* /");
  return `${name} ${version}\n${text}`;
});
await build({
  entryPoints: ["src/main.ts"],
  outfile: `${out}/explore.js`,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  banner: { js: `/* Edgewise explorer, built by web/build.mjs. Parts of other authors:\n\n${notices.join("\n")}*/` },
});

const faces = FONTS.map((name) => {
  const data = readFileSync(`node_modules/katex/dist/fonts/KaTeX_${name}.woff2`).toString("base64");
  const [family, style] = name.split("-");
  const italic = style === "Italic" ? "font-style:italic;" : "";
  return `@font-face{font-family:KaTeX_${family};${italic}src:url(data:font/woff2;base64,${data}) format("woff2")}`;
});
const katex = readFileSync("node_modules/katex/dist/katex.min.css", "utf8").replace(/@font-face\{[^}]*\}/g, "");
const own = await build({ entryPoints: ["src/style.css"], minify: true, write: false });
writeFileSync(`${out}/explore.css`, `${faces.join("")}\n${katex}\n${own.outputFiles[0].text}`);

const size = ["explore.js", "explore.css", "index.html"].reduce((sum, name) => sum + statSync(`${out}/${name}`).size, 0);
if (size > LIMIT) throw new Error(`The bundle has ${size} bytes, at most ${LIMIT} are allowed.`);
console.log(`${size} bytes`);
