// Elementary functions of edges, by the names that the library gives them.

/** Bessel's function of order 0, as the mean of cos(x sin t): the trapezoidal rule converges geometrically. */
function besselJ0(x: number): number {
  const points = 32 + 2 * Math.ceil(Math.abs(x));
  let sum = 0;
  for (let k = 0; k < points; k++) sum += Math.cos(x * Math.sin((Math.PI * (k + 0.5)) / points));
  return sum / points;
}

/** Distribution function of the standard normal: the series of its density times x + x^3/3 + x^5/15 + ... */
function normalShare(x: number): number {
  if (Math.abs(x) > 9) return x > 0 ? 1 : 0;
  let term = x;
  let sum = x;
  for (let k = 3; Math.abs(term) > 1e-18 * Math.abs(sum); k += 2) {
    term *= (x * x) / k;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

export const FUNCTIONS: Record<string, (x: number) => number> = {
  "0": () => 0,
  x: (x) => x,
  "x^2": (x) => x * x,
  "x^3": (x) => x ** 3,
  "x^4": (x) => x ** 4,
  "x^5": (x) => x ** 5,
  "1/x": (x) => 1 / x,
  "1/x^2": (x) => 1 / x ** 2,
  "1/x^3": (x) => 1 / x ** 3,
  "1/x^4": (x) => 1 / x ** 4,
  "1/x^5": (x) => 1 / x ** 5,
  sqrt: Math.sqrt,
  "x^1.5": (x) => x ** 1.5,
  "1/sqrt": (x) => 1 / Math.sqrt(x),
  "1/x^1.5": (x) => x ** -1.5,
  exp: Math.exp,
  log: Math.log,
  abs: Math.abs,
  sgn: Math.sign,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  tanh: Math.tanh,
  sinh: Math.sinh,
  cosh: Math.cosh,
  "1/cosh": (x) => 1 / Math.cosh(x),
  arcsin: Math.asin,
  arccos: Math.acos,
  arctan: Math.atan,
  arctanh: Math.atanh,
  gaussian: (x) => Math.exp(-x * x),
  J0: besselJ0,
};

export const BASES: Record<string, (x: number) => number> = {
  silu: (x) => x / (1 + Math.exp(-x)),
  identity: (x) => x,
  zero: () => 0,
  tanh: Math.tanh,
  relu: (x) => Math.max(x, 0),
  gelu: (x) => x * normalShare(x),
  softplus: (x) => (x > 20 ? x : Math.log1p(Math.exp(x))), // as torch, beyond 20 the identity
  sin: Math.sin,
};
