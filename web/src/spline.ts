// B-splines as the library evaluates them: on a closed domain, continued as straight lines outside.

export interface Spline {
  degree: number;
  baseFunction: string;
  knots: number[][]; // by input
  coef: number[][][]; // by input, output and number
  base: number[][] | null;
  mask: number[][];
}

/** The knot interval within the domain that holds u, or the one nearest to it. */
function interval(u: number, knots: number[], degree: number): number {
  let low = degree;
  let high = knots.length - degree - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (u >= knots[middle]!) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Values at u of the degree + 1 B-splines that are active in knot interval m (the recursion of Cox and de Boor). */
function activeValues(m: number, u: number, knots: number[], degree: number, out: number[]): void {
  out[0] = 1;
  for (let d = 1; d <= degree; d++) {
    let saved = 0;
    for (let r = 0; r < d; r++) {
      const right = knots[m + r + 1]!;
      const left = knots[m + 1 - d + r]!;
      const share = out[r]! / (right - left);
      out[r] = saved + (right - u) * share;
      saved = (u - left) * share;
    }
    out[d] = saved;
  }
}

const work: number[] = [];

function inside(u: number, knots: number[], coef: number[], degree: number): number {
  const m = interval(u, knots, degree);
  activeValues(m, u, knots, degree, work);
  let sum = 0;
  for (let k = 0; k <= degree; k++) sum += work[k]! * coef[m - degree + k]!;
  return sum;
}

/** Slope of a spline within its domain: a spline of one degree less on the same knots. */
function slope(u: number, knots: number[], coef: number[], degree: number): number {
  if (degree === 0) return 0;
  const m = interval(u, knots, degree);
  activeValues(m, u, knots, degree - 1, work);
  let sum = 0;
  for (let k = 0; k < degree; k++) {
    const j = m - degree + 1 + k;
    sum += (work[k]! * degree * (coef[j]! - coef[j - 1]!)) / (knots[j + degree]! - knots[j]!);
  }
  return sum;
}

export function domain(knots: number[], degree: number): [number, number] {
  return [knots[degree]!, knots[knots.length - degree - 1]!];
}

/** Value of the spline with these coefficients at u. */
export function splineValue(u: number, knots: number[], coef: number[], degree: number): number {
  const [low, high] = domain(knots, degree);
  if (u >= low && u <= high) return inside(u, knots, coef, degree);
  const end = u < low ? low : high;
  return inside(end, knots, coef, degree) + (u - end) * slope(end, knots, coef, degree);
}

/** All B-splines at u, within the domain. */
export function basisRow(u: number, knots: number[], degree: number): number[] {
  const row = new Array<number>(knots.length - degree - 1).fill(0);
  const [low, high] = domain(knots, degree);
  const inner = Math.min(Math.max(u, low), high);
  const m = interval(inner, knots, degree);
  activeValues(m, inner, knots, degree, work);
  for (let k = 0; k <= degree; k++) row[m - degree + k] = work[k]!;
  return row;
}

/** Coefficients after changes at the points `us`, with bumps of a width or, without one, the smallest (transform/shapes.py). */
export function draggedCoef(coef: number[], knots: number[], degree: number, us: number[], changes: number[], width?: number): number[] {
  const rows = us.map((u) => basisRow(u, knots, degree));
  let bumps = rows; // by point, how far each coefficient moves
  if (width !== undefined) {
    const places = coef.map((_, k) => (degree ? knots.slice(k + 1, k + degree + 1).reduce((sum, one) => sum + one, 0) / degree : (knots[k]! + knots[k + 1]!) / 2));
    const half = Math.max(width / 2, ...places.slice(1).map((one, k) => one - places[k]!));
    bumps = us.map((u) => {
      const inner = Math.max(places[0]!, Math.min(places.at(-1)!, u));
      return places.map((one) => (Math.abs(one - inner) < half ? Math.cos((Math.PI / 2) * ((one - inner) / half)) ** 2 : 0));
    });
  }
  // (B F + tiny) a = changes, and the change is F a. The tiny term keeps equal points solvable.
  const matrix = rows.map((one, i) => bumps.map((bump, j) => one.reduce((sum, v, k) => sum + v * bump[k]!, i === j ? 1e-12 : 0)));
  const a = solve(matrix, changes.slice());
  return coef.map((c, k) => bumps.reduce((sum, bump, i) => sum + bump[k]! * a[i]!, c));
}

/** Gauss elimination with pivots; changes its arguments. */
export function solve(matrix: number[][], right: number[]): number[] {
  const n = right.length;
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(matrix[r]![c]!) > Math.abs(matrix[pivot]![c]!)) pivot = r;
    [matrix[c], matrix[pivot]] = [matrix[pivot]!, matrix[c]!];
    [right[c], right[pivot]] = [right[pivot]!, right[c]!];
    for (let r = c + 1; r < n; r++) {
      const factor = matrix[r]![c]! / matrix[c]![c]!;
      for (let k = c; k < n; k++) matrix[r]![k]! -= factor * matrix[c]![k]!;
      right[r]! -= factor * right[c]!;
    }
  }
  for (let c = n - 1; c >= 0; c--) {
    for (let k = c + 1; k < n; k++) right[c]! -= matrix[c]![k]! * right[k]!;
    right[c]! /= matrix[c]![c]!;
  }
  return right;
}
