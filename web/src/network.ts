// The network in the browser: values of its edges and its outputs.
import { BASES, FUNCTIONS } from "./functions";
import { type Spline, domain, splineValue } from "./spline";

export interface Symbolic {
  functions: string[][];
  constants: number[][][]; // by input and output: a, b, c, d
  latex: string[][]; // "" for edges that are no function alone
}
export interface EdgeLayer {
  kind: "edges";
  inputs: number;
  outputs: number;
  spline?: Spline;
  symbolic?: Symbolic;
}
export interface Products {
  kind: "products";
  groups: number[][];
}
export type Layer = EdgeLayer | Products;
export type Edge = [number, number, number];

export const edgeLayers = (network: Layer[]): EdgeLayer[] =>
  network.filter((layer): layer is EdgeLayer => layer.kind === "edges");

export function functionOf(layer: EdgeLayer, i: number, o: number): string {
  const name = layer.symbolic?.functions[i]![o] ?? "0";
  return name === "0" ? "" : name;
}

export const hasSpline = (layer: EdgeLayer, i: number, o: number): boolean => !!layer.spline?.mask[i]![o];
export const exists = (layer: EdgeLayer, i: number, o: number): boolean =>
  hasSpline(layer, i, o) || functionOf(layer, i, o) !== "";

/** Value of one edge at u. */
export function edgeValue(layer: EdgeLayer, i: number, o: number, u: number): number {
  let sum = 0;
  const { spline, symbolic } = layer;
  if (spline && spline.mask[i]![o]) {
    sum += splineValue(u, spline.knots[i]!, spline.coef[i]![o]!, spline.degree);
    if (spline.base) sum += spline.base[i]![o]! * BASES[spline.baseFunction]!(u);
    sum *= spline.mask[i]![o]!;
  }
  const name = functionOf(layer, i, o);
  if (symbolic && name) {
    const [a, b, c, d] = symbolic.constants[i]![o]! as [number, number, number, number];
    sum += c * FUNCTIONS[name]!(a * u + b) + d;
  }
  return sum;
}

/** Values that enter each layer of edges, and the outputs last. */
export function trace(network: Layer[], x: number[]): number[][] {
  const entering: number[][] = [];
  let values = x;
  for (const layer of network) {
    if (layer.kind === "products") {
      const before = values;
      values = layer.groups.map((group) => group.reduce((product, i) => product * before[i]!, 1));
      continue;
    }
    entering.push(values);
    const sums = new Array<number>(layer.outputs).fill(0);
    for (let i = 0; i < layer.inputs; i++)
      for (let o = 0; o < layer.outputs; o++) if (exists(layer, i, o)) sums[o]! += edgeValue(layer, i, o, values[i]!);
    values = sums;
  }
  entering.push(values);
  return entering;
}

export const output = (network: Layer[], x: number[]): number[] => trace(network, x).at(-1)!;

/** Ends of what is drawn of an edge: the domain of its spline, or the values of its input over the rows. */
export function drawnRange(layer: EdgeLayer, i: number, values: number[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const u of values) {
    if (u < low) low = u;
    if (u > high) high = u;
  }
  if (layer.spline) {
    const [start, end] = domain(layer.spline.knots[i]!, layer.spline.degree);
    if (!(low < high)) return [start, end];
    low = Math.min(low, start > high ? low : start);
    high = Math.max(high, end < low ? high : end);
  }
  return low < high ? [low, high] : [low - 1, low + 1];
}
