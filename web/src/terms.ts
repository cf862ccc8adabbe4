// What is drawn of a network: the curve of an edge, the levels of a category, and what a pair of inputs does together.
import type { Subject } from "./backend";
import { type Edge, type EdgeLayer, type Layer, edgeLayers, edgeValue, exists, output } from "./network";

export type Column = Subject["columns"][number];

/** One part of a sum. Its edges are one, those of the levels of a category, or those that leave the products of a pair. */
export interface Term {
  key: string; // the first of its edges
  kind: "curve" | "levels" | "pair";
  edges: Edge[];
  layer: number; // of the drawing
  from: number[]; // nodes of that layer: columns of the table in the first one
  sum: number; // of the drawn layer
  slope: number; // by what it is multiplied on its way into the sum
  name: string;
  levels: string[];
}
/** The drawing of a network: an additive model has one layer, in which straight edges into its outputs are left out. */
export interface Drawn {
  terms: Term[];
  layers: number;
  sums: number[][]; // by layer, for each sum the node that it becomes
  ways: (Way | null)[] | null; // of the nodes between the layers of an additive model with pairs
}
/** The straight edge by which a node reaches its only output. */
export interface Way {
  output: number;
  slope: number;
}

/** For each sum of a layer of edges, the node that it becomes: products have several sums. */
export function sumNodes(network: Layer[]): number[][] {
  const found: number[][] = [];
  network.forEach((layer, place) => {
    if (layer.kind !== "edges") return;
    const next = network[place + 1];
    const own = Array.from({ length: layer.outputs }, (_, o) => o);
    if (next?.kind === "products") {
      next.groups.forEach((group, node) => group.forEach((sum) => (own[sum] = node)));
    }
    found.push(own);
  });
  return found;
}

/** Inputs of a column in the table's unit at a number or a level; NaN is a missing number. */
export function inputsAt(column: Column, value: number): number[] {
  const { inputs, levels, missing } = column;
  if (levels.length) return inputs.map((_, n) => Number(inputs.length === levels.length ? n === value : value === n + 1));
  return missing === null ? [value] : Number.isNaN(value) ? [missing, 1] : [value, 0];
}

/** Set the inputs of a column in a row of network inputs: to a number in the table's unit, NaN if missing, or to a level. */
export function setColumn(subject: Subject, x: number[], column: Column, value: number): void {
  inputsAt(column, value).forEach((own, n) => {
    const input = column.inputs[n]!;
    const [low, high] = subject.limits?.[input] ?? [-Infinity, Infinity];
    x[input] = Math.max(low, Math.min(high, (own - subject.shift[input]!) / subject.scale[input]!));
  });
}

/** The number of a column in a row, NaN if missing, or its level. */
export function valueOf(subject: Subject, x: number[], column: Column): number {
  const own = column.inputs.map((input) => subject.shift[input]! + subject.scale[input]! * x[input]!);
  if (!column.levels.length) return column.missing !== null && own[1]! > 0.5 ? NaN : own[0]!;
  const level = own.findIndex((one) => one > 0.5);
  return column.inputs.length === column.levels.length ? Math.max(level, 0) : level + 1;
}

/** Values of a column at which an effect is drawn: all levels, or even points between the ends of the rows. */
export function pointsOf(subject: Subject, column: Column, count: number): number[] {
  if (column.levels.length) return column.levels.map((_, n) => n);
  const values = subject.rows.x.map((x) => valueOf(subject, x, column)).filter((one) => !Number.isNaN(one));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return Array.from({ length: count }, (_, n) => low + ((high - low) * n) / (count - 1));
}

/** Values of an edge's input where a flag or a level is not there, and where it is. */
export const switched = (subject: Subject, input: number): [number, number] =>
  [0, 1].map((one) => (one - subject.shift[input]!) / subject.scale[input]!) as [number, number];

/** Whether an edge of a levels term is on at a level. */
const isOn = (term: Term, place: number, level: number): boolean => (term.edges.length === term.levels.length ? place === level : level === 1);

/** What a term of levels adds at one of them. */
export function levelValue(network: Layer[], subject: Subject, term: Term, level: number): number {
  const layer = edgeLayers(network)[0]!;
  return term.edges.reduce((sum, [, i, o], n) => {
    const u = switched(subject, i)[Number(isOn(term, n, level))]!;
    return sum + (exists(layer, i, o) ? term.slope * edgeValue(layer, i, o, u) : 0);
  }, 0);
}

/** The level of a row, by what enters the first layer. */
export function levelOf(subject: Subject, term: Term, x: number[]): number {
  const on = term.edges.findIndex(([, i]) => subject.shift[i]! + subject.scale[i]! * x[i]! > 0.5);
  return term.edges.length === term.levels.length ? Math.max(on, 0) : on + 1;
}

/** What a term adds to its sum, from what enters each layer of edges. */
export function termValue(network: Layer[], term: Term, entering: number[][]): number {
  const layers = edgeLayers(network);
  return term.edges.reduce((sum, [l, i, o]) => {
    if (!exists(layers[l]!, i, o)) return sum;
    return sum + (term.kind === "pair" ? 1 : term.slope) * edgeValue(layers[l]!, i, o, entering[l]![i]!);
  }, 0);
}

/** What a pair of columns adds, as a function of values of both in the units of the table. */
export function pairFunction(network: Layer[], subject: Subject, term: Term): (u: number, v: number) => number {
  const last = network.at(-1) as EdgeLayer;
  const mask = last.spline!.mask.map((row, i) => row.map((value, o) => (term.edges.some((edge) => edge[1] === i && edge[2] === o) ? value : 0)));
  const coef = last.spline!.coef.map((row) => row.map((one) => one.map(() => 0))); // constants are no part of it
  const alone = [...network.slice(0, -1), { ...last, spline: { ...last.spline!, mask, coef } }];
  const [a, b] = term.from.map((column) => subject.columns[column]!) as [Column, Column];
  return (u, v) => {
    const x = new Array<number>(subject.inputs.length).fill(0);
    setColumn(subject, x, a, u);
    setColumn(subject, x, b, v);
    return output(alone, x)[term.sum]!;
  };
}

/** For each node between two layers of edges, the sums whose product it is. */
function groupsOf(network: Layer[]): number[][] {
  const middle = network[1]!;
  return middle.kind === "products" ? middle.groups : Array.from({ length: middle.inputs }, (_, n) => [n]);
}

/** The straight edges by which nodes reach the outputs of an additive model with pairs; null for other networks. */
function waysOf(network: Layer[]): (Way | null)[] | null {
  const [first, last] = edgeLayers(network);
  if (!last || !first || edgeLayers(network).length > 2 || network[0] !== first || network.at(-1) !== last) return null;
  const { spline } = last;
  if (last.symbolic || !spline?.base || spline.baseFunction !== "identity") return null;
  const found: (Way | null)[] = [];
  const curves = new Set<number>(); // outputs that have a sum of curves
  for (const [node, group] of groupsOf(network).entries()) {
    const outputs = spline.mask[node]!.flatMap((one, o) => (one ? [o] : []));
    const o = outputs[0];
    // Equal coefficients are a constant: the means of parts that were removed.
    if (outputs.length > 1 || (o !== undefined && spline.coef[node]![o]!.some((one, _, all) => one !== all[0]))) return null;
    if (o !== undefined && group.length === 1 && curves.size === curves.add(o).size) return null;
    found.push(o === undefined ? null : { output: o, slope: spline.base[node]![o]! * spline.mask[node]![o]! });
  }
  return found;
}

export function drawn(network: Layer[], subject: Subject): Drawn {
  const layers = edgeLayers(network);
  const first = layers[0]!;
  const sums = sumNodes(network);
  const additive = pairsOf(network, subject);
  const terms: Term[] = [];
  const add = (kind: Term["kind"], edges: Edge[], layer: number, from: number[], sum: number, slope: number, name: string, levels: string[] = []): void =>
    void terms.push({ key: edges[0]!.join(), kind, edges, layer, from, sum, slope, name, levels });

  // The inputs: a curve for each number, the levels of each category, and whether a number is missing.
  subject.columns.forEach(({ name, inputs, levels, missing }, column) => {
    for (let s = 0; s < first.outputs; s++) {
      const way = additive ? groupsOf(network)[sums[0]![s]!]!.length === 1 && additive.ways[sums[0]![s]!] : null;
      if (additive && !way) continue;
      const [sum, slope] = way ? [way.output, way.slope] : [s, 1];
      const edges = inputs.map((i): Edge => [0, i, s]);
      const there = edges.map(([, i, o]) => exists(first, i, o));
      if (levels.length && there.some(Boolean)) add("levels", edges, 0, [column], sum, slope, name, levels);
      if (levels.length) continue;
      if (there[0]) add("curve", [edges[0]!], 0, [column], sum, slope, name);
      if (missing !== null && there[1]) add("levels", [edges[1]!], 0, [column], sum, slope, `${name} is missing`, ["known", "missing"]);
    }
  });
  if (additive) {
    for (const { columns, output: o, nodes } of additive.pairs)
      add("pair", nodes.map((node): Edge => [1, node, o]), 0, columns, o, 1, columns.map((one) => subject.columns[one]!.name).join(" × "));
    return { terms, layers: 1, sums: [Array.from({ length: layers[1]!.outputs }, (_, o) => o)], ways: additive.ways };
  }
  layers.slice(1).forEach((layer, n) => {
    for (let i = 0; i < layer.inputs; i++)
      for (let o = 0; o < layer.outputs; o++) if (exists(layer, i, o)) add("curve", [[n + 1, i, o]], n + 1, [i], o, 1, `node ${n + 1}.${i}`);
  });
  return { terms, layers: layers.length, sums, ways: null };
}

interface Pair {
  columns: [number, number];
  output: number;
  nodes: number[];
}

/** The pairs of an additive model, each with its product nodes; null for other networks. */
function pairsOf(network: Layer[], subject: Subject): { ways: (Way | null)[]; pairs: Pair[] } | null {
  const ways = waysOf(network);
  if (!ways) return null;
  const first = network[0] as EdgeLayer;
  const pairs: Pair[] = [];
  for (const [node, group] of groupsOf(network).entries()) {
    const way = ways[node];
    if (!way || group.length === 1) continue;
    const columns = group.map((s) => {
      const inputs = Array.from({ length: first.inputs }, (_, i) => i).filter((i) => exists(first, i, s));
      const found = new Set(inputs.map((i) => subject.columns.findIndex((one) => one.inputs.includes(i))));
      return found.size === 1 ? [...found][0]! : -1;
    });
    if (columns.length !== 2 || columns.includes(-1)) return null;
    const [a, b] = columns.sort((one, other) => one - other) as [number, number];
    const known = pairs.find((one) => one.columns[0] === a && one.columns[1] === b && one.output === way.output);
    if (known) known.nodes.push(node);
    else pairs.push({ columns: [a, b], output: way.output, nodes: [node] });
  }
  return { ways, pairs };
}

// An edge is weak below this share of its layer's total, of which no more counts than ten times the strongest one, as in
// the drawings of the library (plot/network/diagram.py).
const WEAK = 0.01;
const WEAK_TOTAL = 10;

/** The terms that are not weak, without those that then lead nowhere. */
export function strongTerms(found: Drawn, strengths: Map<string, number>, chosen: string): Term[] {
  const strength = (one: Term): number => strengths.get(one.key) ?? 0;
  let terms = found.terms.filter((one) => {
    const own = found.terms.filter((other) => other.layer === one.layer).map(strength);
    const total = own.reduce((sum, value) => sum + value, 0);
    return one.key === chosen || strength(one) >= WEAK * Math.min(total, WEAK_TOTAL * Math.max(...own));
  });
  for (let count = -1; count !== terms.length; ) {
    count = terms.length;
    const enters = (layer: number, node: number): boolean => terms.some((one) => one.layer === layer - 1 && found.sums[layer - 1]![one.sum] === node);
    const leaves = (layer: number, node: number): boolean => terms.some((one) => one.layer === layer && one.from.includes(node));
    terms = terms.filter(
      (one) =>
        one.key === chosen ||
        ((one.layer === 0 || enters(one.layer, one.from[0]!)) && (one.layer === found.layers - 1 || leaves(one.layer + 1, found.sums[one.layer]![one.sum]!))),
    );
  }
  return terms;
}
