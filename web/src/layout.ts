// Where the nodes and the terms of a network stand: nodes in columns, and between two columns a small plot per term.
import type { Drawn, Term } from "./terms";

export const PLOT_WIDTH = 54;
export const PLOT_HEIGHT = 32;
const GAP = 8;
const LETTER = 7; // width of one, of the names beside the outermost nodes
const MOST_LABEL = 170;
const VALUE = 60; // width of the value of a row beside an output
const MOST_IN_COLUMN = 24; // plots above each other; more get further columns
const LEAST_APART = 18; // of two nodes, whose names have this height

export interface PlacedTerm {
  term: Term;
  x: number;
  y: number;
}
export interface PlacedNode {
  layer: number;
  node: number;
  x: number;
  y: number;
}
export interface Layout {
  terms: PlacedTerm[];
  nodes: PlacedNode[];
  from: Map<string, PlacedNode>;
  width: number;
  height: number;
}

export const nodeKey = (layer: number, node: number): string => `${layer},${node}`;

/** `names` are those of the inputs and those of the outputs. */
export function layout(drawn: Drawn, shown: Term[], names: [string[], string[]]): Layout {
  const [left, right] = names.map((some) => 30 + Math.min(MOST_LABEL - 30, LETTER * Math.max(...some.map((one) => one.length)))) as [number, number];
  const placed: PlacedTerm[] = [];
  const columns: { rows: number; count: number }[] = [];
  const starts: number[] = [];
  let x = left;
  for (let l = 0; l < drawn.layers; l++) {
    const own = shown.filter((one) => one.layer === l);
    const count = Math.max(1, Math.ceil(own.length / MOST_IN_COLUMN));
    const rows = Math.max(1, Math.ceil(own.length / count));
    starts.push(x);
    columns.push({ rows, count });
    own.forEach((term, n) =>
      placed.push({
        term,
        x: x + 60 + Math.floor(n / rows) * (PLOT_WIDTH + 26),
        y: (n % rows) * (PLOT_HEIGHT + GAP) + (count > 1 && Math.floor(n / rows) % 2 ? (PLOT_HEIGHT + GAP) / 2 : 0),
      }),
    );
    x += 120 + count * (PLOT_WIDTH + 26);
  }
  starts.push(x);
  const height = 20 + Math.max(...columns.map((one) => one.rows * (PLOT_HEIGHT + GAP) + (one.count > 1 ? 20 : 0)), 60);
  for (const one of placed) one.y += (height - columns[one.term.layer]!.rows * (PLOT_HEIGHT + GAP)) / 2;
  const nodes: PlacedNode[] = [];
  const from = new Map<string, PlacedNode>();
  starts.forEach((start, l) => {
    // A node without terms is not drawn. The inputs of an additive model stand beside their curves.
    const used = new Set<number>();
    for (const { layer, from: own, sum } of shown) {
      if (layer === l) own.forEach((node) => used.add(node));
      if (layer === l - 1) used.add(drawn.sums[layer]![sum]!);
    }
    const inOrder = [...used].sort((a, b) => a - b);
    const places = inOrder.map((_, n) => (height * (n + 0.5)) / inOrder.length);
    if (l === 0 && drawn.layers === 1 && columns[0]!.count === 1) {
      inOrder.forEach((node, n) => {
        const beside = placed.filter(({ term }) => term.kind !== "pair" && term.from[0] === node);
        if (beside.length) places[n] = beside.reduce((sum, one) => sum + one.y, 0) / beside.length + PLOT_HEIGHT / 2;
        if (n) places[n] = Math.max(places[n]!, places[n - 1]! + LEAST_APART);
      });
    }
    inOrder.forEach((n, place) => {
      const node = { layer: l, node: n, x: start, y: places[place]! };
      nodes.push(node);
      from.set(nodeKey(l, n), node);
    });
  });
  return { terms: placed, nodes, from, width: x + right + VALUE, height };
}
