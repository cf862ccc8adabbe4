// Edits that need no training, made in the browser as the library makes them (interpret/edits.py, transform/shapes.py).
import type { Subject } from "./backend";
import type { EditFields } from "./kinds";
import { type Edge, type EdgeLayer, type Layer, edgeLayers, edgeValue, functionOf, hasSpline, trace } from "./network";
import { type Spline, basisRow, domain, draggedCoef, solve } from "./spline";

export const LATER =
  "This file makes edits without training alone: drag, straighten, flatten or shape a spline, set a constant, merge " +
  "levels, remove an edge or an input. `edgewise explore` makes all of them.";
const POINTS_PER_INTERVAL = 10; // as in interpret/transform/shapes.py, like the next one
const SPREAD_WEIGHT = 1e-3;

const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const mean = (values: number[]): number => values.reduce((sum, v) => sum + v, 0) / Math.max(values.length, 1);

/** The network after an edit, with a sentence; a sentence alone for edits that cannot be made here. */
export function edited(network: Layer[], subject: Subject, edit: EditFields): [Layer[], string] | string {
  const changed = copy(network);
  const layers = edgeLayers(changed);
  if (edit.kind === "remove_node") {
    const [l, ...nodes] = edit.node;
    if (l) return LATER;
    for (const i of nodes) for (let o = 0; o < layers[0]!.outputs; o++) if (!remove(changed, subject, [0, i, o])) return LATER;
    return [changed, `Node${nodes.length > 1 ? "s" : ""} (${[l, ...nodes].join(", ")}) ${nodes.length > 1 ? "are" : "is"} removed.`];
  }
  if (edit.kind === "merge") return merge(changed, subject, edit.inputs);
  if (!("edge" in edit)) return LATER;
  const [l, i, o] = edit.edge;
  const name = `edge (${edit.edge.join(", ")})`;
  const layer = layers[l]!;
  if (edit.kind === "remove_edge") return remove(changed, subject, edit.edge) ? [changed, `Edge ${name.slice(5)} is removed.`] : LATER;
  if (edit.kind === "snap") {
    if (!functionOf(layer, i, o)) return LATER;
    layer.symbolic!.constants[i]![o]!["abcd".indexOf(edit.constant)] = edit.value;
    return [changed, `Constant ${edit.constant} of ${name} is ${edit.value}.`];
  }
  const { spline } = layer;
  if (!spline || !hasSpline(layer, i, o) || functionOf(layer, i, o)) return LATER;
  if (edit.kind === "drag") {
    const points = edit.points;
    drag(layer, edit.edge, points, edit.width);
    return [changed, `The curve of ${name} was moved at ${points.length} point${points.length > 1 ? "s" : ""}.`];
  }
  if (edit.kind === "fix" || edit.kind === "free") return LATER;
  takeBase(layer, edit.edge);
  const rows = entering(network, subject, edit.edge);
  if (edit.kind === "shape") {
    const found = shaped(spline, i, o, edit.shape, rows);
    if (!found) return LATER;
    spline.coef[i]![o] = found;
    return [changed, `Edge ${name.slice(5)} is ${edit.shape}.`];
  }
  const limits = edit.range ?? domain(spline.knots[i]!, spline.degree);
  const found = levelled(spline, i, o, limits, rows, edit.kind === "flatten");
  if (!found) return "The range must have the middle of a knot interval in it.";
  spline.coef[i]![o] = found;
  return [changed, `Edge ${name.slice(5)} is ${edit.kind === "flatten" ? "constant" : "straight"} from ${limits.map((one) => Number(one.toPrecision(4))).join(" to ")}.`];
}

/** What enters an edge in the training rows of the page. */
const entering = (network: Layer[], subject: Subject, [l, i]: Edge): number[] =>
  subject.rows.x.filter((_, n) => !subject.rows.held[n]).map((x) => trace(network, x)[l]![i]!);

function drag(layer: EdgeLayer, [, i, o]: Edge, points: [number, number][], width?: number): void {
  const { coef, knots, degree } = layer.spline!;
  const changes = points.map(([u, y]) => y - edgeValue(layer, i, o, u));
  coef[i]![o] = draggedCoef(coef[i]![o]!, knots[i]!, degree, points.map(([u]) => u), changes, width);
}

/** A network with an edge that is being dragged, at once; null for edges that the library makes splines first. */
export function dragged(network: Layer[], edge: Edge, points: [number, number][], width?: number): Layer[] | null {
  const [l, i, o] = edge;
  const layer = edgeLayers(network)[l]!;
  if (!layer.spline || !hasSpline(layer, i, o) || functionOf(layer, i, o)) return null;
  const coef = layer.spline.coef.slice();
  coef[i] = coef[i]!.slice();
  const changed = { ...layer, spline: { ...layer.spline, coef } };
  drag(changed, edge, points, width);
  return network.map((one) => (one === layer ? changed : one));
}

/** Mask an edge of splines and add its mean to another edge into the same sum: B-splines sum to one. */
function remove(changed: Layer[], subject: Subject, edge: Edge): boolean {
  const [l, i, o] = edge;
  const layer = edgeLayers(changed)[l]!;
  if (!layer.spline || layer.symbolic) return false;
  if (!layer.spline.mask[i]![o]) return true;
  const other = layer.spline.mask.findIndex((row, n) => n !== i && row[o]);
  if (other < 0) return false;
  const value = mean(entering(changed, subject, edge).map((u) => edgeValue(layer, i, o, u)));
  layer.spline.mask[i]![o] = 0;
  layer.spline.coef[other]![o] = layer.spline.coef[other]![o]!.map((c) => c + value);
  return true;
}

/** Give levels of a category one effect: the mean of theirs over the rows that have them. */
function merge(changed: Layer[], subject: Subject, inputs: number[]): [Layer[], string] | string {
  const layer = edgeLayers(changed)[0]!;
  if (!layer.spline || layer.symbolic) return LATER;
  const levels = inputs.map((i) => {
    const values = entering(changed, subject, [0, i, 0]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return { i, low, high, count: values.filter((u) => u === high).length };
  });
  if (levels.some((one) => one.low === one.high)) return "A level has no training row on this page.";
  for (let o = 0; o < layer.outputs; o++) {
    const rises = levels.map(({ i, low, high }) => edgeValue(layer, i, o, high) - edgeValue(layer, i, o, low));
    const rise = rises.reduce((sum, one, n) => sum + one * levels[n]!.count, 0) / levels.reduce((sum, one) => sum + one.count, 0);
    for (const { i, low, high } of levels) {
      if (!hasSpline(layer, i, o)) return LATER;
      const off = edgeValue(layer, i, o, low);
      drag(layer, [0, i, o], [[low, off], [high, off + rise]]);
    }
  }
  return [changed, `The levels of inputs [${inputs.join(", ")}] have one effect.`];
}

/** Points spread evenly over the domain of an input. */
function spread(spline: Spline, i: number): number[] {
  const [low, high] = domain(spline.knots[i]!, spline.degree);
  const count = POINTS_PER_INTERVAL * (spline.knots[i]!.length - 2 * spline.degree - 1);
  return Array.from({ length: count + 1 }, (_, n) => low + ((high - low) * n) / count);
}

/** Solution of a least-squares problem given by weighted rows, by its normal equations. */
function leastSquares(rows: number[][], right: number[], weights: number[]): { matrix: number[][]; vector: number[] } {
  const n = rows[0]!.length;
  const matrix = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  const vector = new Array<number>(n).fill(0);
  rows.forEach((row, r) => {
    const active = row.flatMap((value, k) => (value ? [k] : []));
    for (const a of active) {
      vector[a]! += weights[r]! * row[a]! * right[r]!;
      for (const b of active) matrix[a]![b]! += weights[r]! * row[a]! * row[b]!;
    }
  });
  return { matrix, vector };
}

/** Take the base function of an edge into its spline. */
function takeBase(layer: EdgeLayer, [, i, o]: Edge): void {
  const spline = layer.spline!;
  if (!spline.base?.[i]![o]) return;
  const points = spread(spline, i);
  const rows = points.map((u) => basisRow(u, spline.knots[i]!, spline.degree));
  const { matrix, vector } = leastSquares(rows, points.map((u) => edgeValue(layer, i, o, u) / spline.mask[i]![o]!), points.map(() => 1));
  spline.coef[i]![o] = solve(matrix, vector);
  spline.base[i]![o] = 0;
}

/** Coefficients of a curve that is straight or constant in a range; see `levelled` in the library. */
function levelled(spline: Spline, i: number, o: number, limits: [number, number], rows: number[], flat: boolean): number[] | null {
  const { degree: p } = spline;
  const knots = spline.knots[i]!;
  const old = spline.coef[i]![o]!;
  const edges = knots.slice(p, knots.length - p);
  const middles = edges.slice(1).map((edge, n) => (edge + edges[n]!) / 2);
  const chosen = middles.flatMap((middle, n) => (middle >= limits[0] && middle <= limits[1] ? [n] : []));
  if (!chosen.length) return null;
  const [first, last] = [chosen[0]!, chosen.at(-1)!];
  const ends = [edges[first]!, edges[last + 1]!];
  const value = (u: number): number => basisRow(u, knots, p).reduce((sum, b, k) => sum + b * old[k]!, 0);
  let own = rows.filter((u) => u >= ends[0]! && u <= ends[1]!);
  if (new Set(own).size < 2) own = ends;
  let [slope, level] = [0, mean(own.map(value))];
  if (!flat) {
    const points = chosen.length === middles.length ? own : ends;
    const [u, v] = [mean(points), mean(points.map(value))];
    const square = mean(points.map((one) => (one - u) ** 2));
    slope = mean(points.map((one) => (one - u) * (value(one) - v))) / square;
    level = v - slope * u;
  }
  // A spline whose coefficients are a line at the means of p neighbouring knots is that line (Marsden's identity).
  return old.map((c, k) => (k >= first && k <= last + p ? level + slope * (p ? mean(knots.slice(k + 1, k + p + 1)) : middles[k]!) : c));
}

/** The nearest coefficients over the rows whose curve has a shape; see `shaped` in the library. */
export function shaped(spline: Spline, i: number, o: number, shape: string, rows: number[]): number[] | null {
  const { degree: p } = spline;
  const knots = spline.knots[i]!;
  const old = spline.coef[i]![o]!;
  const count = old.length;
  const curved = shape === "convex" || shape === "concave";
  const sign = shape === "increasing" || shape === "convex" ? 1 : -1;
  if (curved && p < 1) return null;
  // Columns: the level, then what is added from each coefficient on, or to all slopes from one on.
  const columns = [new Array<number>(count).fill(1)];
  for (let j = 0; j + 1 < count; j++) {
    let sum = 0;
    columns.push(
      old.map((_, k) => {
        if (curved && k > j) sum += (knots[k + p]! - knots[k]!) / p;
        return sign * (curved ? sum : k > j ? 1 : 0);
      }),
    );
  }
  const even = spread(spline, i);
  const points = [...rows, ...even];
  const weights = points.map((_, n) => (n < rows.length ? 1 / rows.length : SPREAD_WEIGHT / even.length));
  const design = points.map((u) => basisRow(u, knots, p));
  const inShape = design.map((row) => {
    const active = row.flatMap((value, k) => (value ? [k] : []));
    return columns.map((column) => active.reduce((sum, k) => sum + row[k]! * column[k]!, 0));
  });
  const target = design.map((row) => row.reduce((sum, b, k) => sum + b * old[k]!, 0));
  const { matrix, vector } = leastSquares(inShape, target, weights);
  const found = positive(matrix, vector, curved ? 2 : 1);
  return old.map((_, k) => columns.reduce((sum, column, j) => sum + column[k]! * found[j]!, 0));
}

/** Minimise z'Az/2 - b'z where all z but the first `free` are positive (C. Lawson and R. Hanson 1974, chapter 23). */
function positive(matrix: number[][], vector: number[], free: number): number[] {
  const n = vector.length;
  const inside = vector.map((_, k) => k < free);
  let z = new Array<number>(n).fill(0);
  const solved = (): number[] => {
    const places = inside.flatMap((one, k) => (one ? [k] : []));
    const part = solve(places.map((a) => places.map((b) => matrix[a]![b]!)), places.map((a) => vector[a]!));
    const whole = new Array<number>(n).fill(0);
    places.forEach((place, k) => (whole[place] = part[k]!));
    return whole;
  };
  const size = Math.max(...vector.map(Math.abs), 1e-300);
  z = solved();
  for (let round = 0; round < 3 * n; round++) {
    const slope = vector.map((b, k) => b - matrix[k]!.reduce((sum, a, j) => sum + a * z[j]!, 0));
    let best = -1;
    for (let k = 0; k < n; k++) if (!inside[k] && slope[k]! > 1e-10 * size && (best < 0 || slope[k]! > slope[best]!)) best = k;
    if (best < 0) break;
    inside[best] = true;
    for (;;) {
      const next = solved();
      let share = 1;
      for (let k = free; k < n; k++) if (inside[k] && next[k]! <= 0) share = Math.min(share, z[k]! / (z[k]! - next[k]! || 1e-300));
      z = z.map((value, k) => value + share * (next[k]! - value));
      if (share === 1) break;
      for (let k = free; k < n; k++) if (inside[k] && z[k]! <= 1e-14 * Math.max(...z.map(Math.abs))) inside[k] = ((z[k] = 0), false);
    }
  }
  return z;
}
