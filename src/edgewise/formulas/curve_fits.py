"""Which elementary function a curve is: c f(a u + b) + d from many starts at once, frequencies from its spectrum.

The best c f(a u + b) + d for the curve of one edge, for each elementary function f."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch

from edgewise.formulas.algebra import simplify
from edgewise.formulas.constants import fit_constants
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    children,
    complexity,
    evaluate,
    parse_expression,
    rebuilt,
)
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.ops.least_squares import DampingRule, LeastSquaresLimits, least_squares

POINTS = 80  # of a curve that the starts are judged by
REFINED = 8  # functions whose starts are refined
ALWAYS = ("x", "x^2")  # and these, whatever comes closer
SYMBOL = 0.35  # what a symbol costs beside the logarithm of the error
# Constant factors instead of Nielsen's: with at most 30 trials for each of many functions, an accepted step should
# lower the damping at once. A choice, kept so that stored formulas stay as they are.
DAMPING = DampingRule(first=1e-3, lowest=0.0, highest=1e9, growth=6.0, growth_factor=1.0, shrink=1 / 5)


@dataclass(frozen=True)
class CurveShape:
    """A curve as a formula of one variable; error: its root mean squared error over the curve's deviation."""

    expression: Expression
    error: float

    @property
    def complexity(self) -> int:
        return complexity(self.expression)


def curve_shapes(
    u: np.ndarray,
    s: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    table: Mapping[str, Elementary] = ELEMENTARY,
    wrapped: bool = True,
    tolerance: float = 0.0,
) -> list[CurveShape]:
    """Formulas for the curve through (u, s), the best first by error and complexity together.

    Args:
        u, s: (N,), points of the curve in any order, at least 5.
        weight: (N,), how much each counts.
        wrapped: also try 1/s, s^2, sqrt(s) and u s as elementary functions, so that 1/(1 - cos u) is found.
        tolerance: relative errors below it count the same: the curve is known no better.
    """
    weight = np.ones_like(s) if weight is None else weight
    u, s, weight = thinned(u, s, weight)
    found = list(_plain(u, s, weight, table, tolerance))
    if wrapped and min((shape.error for shape in found if shape.complexity < 8), default=1.0) > max(tolerance, 1e-9):
        found += _wrapped(u, s, weight, table, tolerance)
    unique: dict[Expression, CurveShape] = {}
    for shape in found:
        if math.isfinite(shape.error):
            unique.setdefault(shape.expression, shape)
    floor = max(tolerance, 1e-13)

    def rank(shape: CurveShape) -> float:
        return math.log(max(shape.error, floor)) + SYMBOL * shape.complexity

    return sorted(unique.values(), key=rank)


def thinned(u: np.ndarray, s: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most 160 points of a curve, in order of u."""
    order = np.argsort(u)
    most = max(POINTS, min(len(u), 160))
    if len(u) > most:
        order = order[np.round(np.linspace(0, len(u) - 1, most)).astype(int)]
    return u[order], s[order], weight[order]


def _plain(u, s, weight, table, tolerance: float, most: int = REFINED) -> Iterable[CurveShape]:
    """c f(a u + b) + d of the functions that come closest, `most` of them, each with and without the shift b.

    Straight lines and parabolas are always among them: any smooth function looks like one where it is slow enough.
    """
    if float(np.ptp(s)) <= 1e-12 * float(np.abs(s).max() + 1e-300):
        yield CurveShape(Number(float(s.mean())), 0.0)
        return
    starts = []
    for name, row in table.items():
        if name != "0":
            starts += [(score, row, a, b) for score, a, b in best_starts(row, u, s, weight)]
    starts.sort(key=lambda start: _promise(start[0], start[1].complexity, tolerance))
    names = list(dict.fromkeys(row.name for _, row, _, _ in starts))
    names = [*names[:most], *(name for name in names[most:] if name in ALWAYS)]
    for _, row, a, b in starts:
        if row.name in names:
            shape = _refined(row, a, b, u, s, weight)
            if shape is not None:
                yield shape


def _promise(explained: float, symbols: int, tolerance: float) -> float:
    """What starts are ordered by, as shapes are by error and complexity; a refined start may be far better."""
    return 0.5 * math.log(max(1 - explained, tolerance**2, 1e-6)) + SYMBOL * symbols


def _starts(
    name: str, row: Elementary, u: np.ndarray, s: np.ndarray, weight: np.ndarray
) -> Iterable[tuple[float, float]]:
    """(a, b) worth trying: of powers and logarithms only the place of the pole matters, of exp only the rate."""
    span = float(np.ptp(u))
    low, high = float(u.min()), float(u.max())
    if name == "x":
        return [(1.0, 0.0)]
    if name in ("exp",):
        rates = np.geomspace(0.1, 30, 14) / span
        return [(sign * rate, 0.0) for rate in (*rates, 1.0, 2.0, 0.5) for sign in (1, -1)]
    if name in ("sin", "cos"):
        return [(a, 0.0) for a in _frequencies(u, s, weight)] if name == "sin" else []
    if name == "J0":
        rates = np.geomspace(0.3, 120, 130) / span
        return [(a, -a * c) for a in rates for c in (0.0, low, high)]
    if (
        (row.pole is not None and not row.period)
        or row.low == 0.0
        or name in ("x^2", "x^3", "x^4", "x^5", "abs", "sgn")
    ):
        inside = row.pole is None and row.low < 0  # shifts within the range are fine
        if name in ("abs", "sgn"):  # elsewhere they are straight lines
            return [(1.0, -float(place)) for place in (0.0, *np.linspace(low, high, 27)[1:-1]) if low < place < high]
        margin = span * np.geomspace(1e-3, 20, 24)
        places = [0.0, *(low - margin), *(high + margin), *(np.linspace(low, high, 25) if inside else ())]
        return [(sign, -sign * place) for place in places for sign in ((1.0,) if inside else (1.0, -1.0))]
    rates = np.geomspace(0.15, 30, 16) / span
    places = [0.0, *np.linspace(low, high, 9)]
    found = [(a, -a * c) for a in (*rates, 1.0, 2.0, 0.5) for c in places]
    if math.isfinite(row.low):  # arcsin and its like: the range fits into the domain
        scales = np.geomspace(0.02, 1.0, 12) * 2 / span
        found = [(a, b) for a in (*scales, 1.0, 0.5) for b in (0.0, *(-a * c for c in (low, high, (low + high) / 2)))]
    return found


def _frequencies(u: np.ndarray, s: np.ndarray, weight: np.ndarray) -> list[float]:
    """Angular frequencies where a sine and a cosine explain most: peaks of the Lomb-Scargle periodogram."""
    span = float(np.ptp(u))
    grid = np.concatenate([np.linspace(0.1, 12, 60), np.linspace(12.2, 0.5 * math.pi * len(u), 240)]) / span
    explained = _explained(grid, u, s, weight)
    peaks = [k for k in range(len(grid)) if explained[k] >= max(explained[max(k - 1, 0) : k + 2])]
    best = sorted(peaks, key=lambda k: -explained[k])[:4]
    return [float(grid[k]) for k in best]


def _explained(rates: np.ndarray, u: np.ndarray, s: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The weighted square that a sine, a cosine and a constant explain of s, for each angular frequency."""
    matrix = np.stack([np.sin(np.outer(rates, u)), np.cos(np.outer(rates, u)), np.ones((len(rates), len(u)))], 1)
    gram, right = (matrix * weight) @ matrix.transpose(0, 2, 1), (matrix * weight) @ s
    gram += 1e-12 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    return np.einsum("ri,ri->r", right, np.linalg.solve(gram, right[:, :, None])[:, :, 0])


def best_starts(row: Elementary, u, s, weight) -> list[tuple[float, float, float]]:
    """(share explained, a, b) of the starts whose function follows the curve best, c and d in closed form, all at once.

    At most two, and the best one without a shift besides, since that form is simpler.
    """
    share = weight / weight.sum()
    target = s - s @ share
    total = float(target**2 @ share)
    starts = list(_starts(row.name, row, u, s, weight))
    if row.name == "sin":
        rates = [a for a, _ in starts]
        explained = _explained(np.array(rates), u, s, share) - float(s @ share) ** 2
        return [(float(value / total), a, 0.0) for value, a in zip(explained, rates, strict=True)][:2]
    if not starts:
        return []
    a, b = np.array(starts).T
    with np.errstate(all="ignore"):
        values = row.function(torch.as_tensor(a[:, None] * u + b[:, None])).numpy()
    good = np.isfinite(values).all(1) & (np.abs(values).max(1) < 1e12)
    values = np.where(good[:, None], values, 0.0)
    centred = values - (values @ share)[:, None]
    variance = (centred**2) @ share
    score = np.where(good & (variance > 1e-20), (centred @ (share * target)) ** 2 / np.maximum(variance, 1e-300), 0.0)
    score /= total
    picked: list[int] = []
    for k in np.argsort(-score, kind="stable"):
        if score[k] <= 0 or len(picked) == 2:
            break
        if all(abs(score[k] - score[j]) > 1e-9 for j in picked):
            picked.append(int(k))
    zero = [k for k in range(len(starts)) if b[k] == 0.0 and score[k] > 0]
    if zero:
        picked.append(max(zero, key=lambda k: score[k]))
    return [(float(score[k]), *starts[k]) for k in dict.fromkeys(picked)]


def _refined(row: Elementary, a: float, b: float, u, s, weight) -> CurveShape | None:
    inner: Expression = Variable(0)
    if row.name == "sin":
        inner = Add((Multiply((Number(a), inner)), Number(phase(a, u, s, weight))))
    elif row.name != "x":
        if a != 1.0 or row.name not in ("log",):
            inner = Multiply((Number(a), inner))
        if b != 0.0:
            inner = Add((inner, Number(b)))
    value = substituted(parse_expression(row.text), inner)
    with np.errstate(all="ignore"):
        curve = evaluate(value, u[:, None])
    if not np.isfinite(curve).all():
        return None
    c, d = line(curve, s, weight)
    node = simplify(Add((Multiply((Number(c), value)), Number(d))))
    return measured(node, u, s, weight)


def measured(node: Expression, u: np.ndarray, s: np.ndarray, weight: np.ndarray) -> CurveShape | None:
    """The formula with its constants fitted to the curve."""
    fitted = fit_constants(node, u[:, None], s, steps=25, weight=weight)
    if fitted is None:
        return None
    mean = float((weight * s).sum() / weight.sum())
    deviation = math.sqrt(float((weight * (s - mean) ** 2).sum() / weight.sum()))
    return CurveShape(fitted.expression, math.sqrt(fitted.loss) / max(deviation, 1e-300))


def phase(a: float, u, s, weight) -> float:
    """b of the best c sin(a u + b) + d."""
    root = np.sqrt(weight)
    matrix = np.stack([np.sin(a * u), np.cos(a * u), np.ones_like(u)], 1) * root[:, None]
    p, q, _ = np.linalg.lstsq(matrix, s * root, rcond=None)[0]
    return math.atan2(q, p)


def line(curve: np.ndarray, s: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """c and d of the best c curve + d."""
    root = np.sqrt(weight)
    c, d = np.linalg.lstsq(np.stack([curve, np.ones_like(curve)], 1) * root[:, None], s * root, rcond=None)[0]
    return float(c), float(d)


def substituted(node: Expression, inner: Expression) -> Expression:
    """A formula of one variable with another formula in its place."""
    if isinstance(node, Variable):
        return inner
    return rebuilt(node, [substituted(part, inner) for part in children(node)])


def _wrapped(u, s, weight, table, tolerance: float) -> list[CurveShape]:
    """Curves that are an elementary function only after 1/s, s^2, sqrt(s), or times a power of u."""
    names = ("x", "x^2", "exp", "sin", "sqrt", "log", "cosh")
    few = {name: table[name] for name in names if name in table}
    found: list[CurveShape] = []
    size = float(np.abs(s).max())
    away = float(np.abs(s).min()) > 1e-4 * size
    one_sign = away and (s.min() > 0 or s.max() < 0)
    sign = 1.0 if s.mean() > 0 else -1.0
    inner = Variable(0)

    def add(values: np.ndarray, slope: np.ndarray, build) -> None:
        near = _plain(u, values, weight / (slope**2 + 1e-30), few, tolerance, 2)
        for shape in sorted(near, key=lambda each: each.error)[:2]:
            if isinstance(shape.expression, Number):
                continue
            final = measured(simplify(build(shape.expression)), u, s, weight)
            if final is not None:
                found.append(final)

    def signed(node: Expression) -> Expression:
        return node if sign > 0 else Multiply((Number(-1.0, (-1, 1, "")), node))

    if away and one_sign:
        add(1 / s, 1 / s**2, lambda node: Power(node, -1.0))
        add(s**2, 2 * s, lambda node: signed(Power(node, 0.5)))
        add(s**-2.0, 2 * np.abs(s) ** -3.0, lambda node: signed(Power(node, -0.5)))
        add(np.sqrt(np.abs(s)), 0.5 / np.sqrt(np.abs(s)), lambda node: signed(Power(node, 2.0)))
        add(np.log(np.abs(s)), 1 / s, lambda node: signed(Call("exp", node)))
    for k in (1, 2):
        scale = np.abs(u) ** k + 1e-12
        if float(np.abs(u).min()) > 1e-9:
            add(s * u**k, scale, lambda node, k=k: Multiply((node, Power(inner, -float(k)))))
    return found


def sum_of(parts: Sequence[Expression]) -> Expression:
    """The sum of any number of formulas."""
    return reduce(lambda a, b: Add((a, b)), parts) if parts else Number(0.0, (0, 1, ""))


@dataclass(frozen=True)
class EdgeFit:
    """An edge as c f(a u + b) + d; error: relative to the curve's deviation; complexity: of the whole edge."""

    name: str
    a: float
    b: float
    c: float
    d: float
    error: float
    complexity: int


def edge_fits(
    u: np.ndarray,
    s: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    table: Mapping[str, Elementary] = ELEMENTARY,
    most: int | None = None,
) -> list[EdgeFit]:
    """The fits of every function of the table, one each, the best first by error and complexity together.

    Scores are free of scale: multiplying or shifting the curve changes nothing (an edge of size 1e-4 is judged like
    one of size 1). Functions that leave their domain on the curve's range are not among them.

    Args:
        u, s: (N,), points of the curve in any order, at least 5. weight: (N,), how much each counts.
        most: functions that are fitted, those that come closest from their starts; all if left out.
    """
    u, s, weight = thinned(u, s, np.ones_like(s) if weight is None else weight)
    share = weight / weight.sum()
    mean = float(share @ s)
    deviation = math.sqrt(float(share @ (s - mean) ** 2))
    if deviation <= 1e-12 * max(abs(mean), 1e-300):
        return [EdgeFit("0", 0.0, 0.0, 0.0, mean, 0.0, 0)]
    found = []
    starts = [(row, best_starts(row, u, s, weight)) for name, row in table.items() if name != "0"]
    starts = [(row, own) for row, own in starts if own]
    if most is not None:
        starts = sorted(starts, key=lambda pair: -max(score for score, _, _ in pair[1]))[:most]
    for row, own in starts:
        best: EdgeFit | None = None
        for _, a, b in own:
            b = phase(a, u, s, weight) if row.name == "sin" else b
            fitted = _fitted(row, a, b, u, s, share, deviation)
            if fitted is not None and (best is None or rank(fitted) < rank(best)):
                best = fitted
        if best is not None:
            found.append(best)
    return sorted(found, key=rank)


def rank(fitted: EdgeFit) -> float:
    """What edges are ordered by: log error and a price for symbols."""
    return math.log(max(fitted.error, 1e-12)) + SYMBOL * fitted.complexity


def _fitted(row: Elementary, a, b, u, s, share, deviation: float, steps: int = 30) -> EdgeFit | None:
    """Levenberg-Marquardt on a, b, c, d; a function that is linear keeps a = 1, b = 0."""
    with np.errstate(all="ignore"):
        c, d = line(row.function(torch.as_tensor(a * u + b)).numpy(), s, share)
    numbers = np.array([a, b, c, d])
    free = slice(2, 4) if row.name == "x" else slice(0, 4) if b != 0 else [0, 2, 3]
    root = np.sqrt(share)

    def residuals_and_jacobian(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        trial = numbers.copy()
        trial[free] = values
        a, b, c, d = trial
        value, slope = (part.numpy() for part in row.jet_derivatives(torch.as_tensor(a * u + b), 1))
        matrix = np.stack([c * slope * u, c * slope, value, np.ones_like(u)], 1)
        return (c * value + d - s) * root, matrix[:, free] * root[:, None]

    limits = LeastSquaresLimits(steps=steps, trials=steps, evaluations=steps, tolerance=1e-9)
    fit = least_squares(residuals_and_jacobian, numbers[free], rule=DAMPING, limits=limits, minimum_norm=True)
    if fit is None:
        return None
    numbers[free] = fit.x
    low, high = (float(f(numbers[0] * u + numbers[1])) for f in (np.min, np.max))
    if not row.allows(low, high):
        return None
    symbols = row.complexity + 2 * (abs(numbers[0] - 1) > 1e-9) + 2 * (numbers[1] != 0) + 3
    return EdgeFit(row.name, *numbers.tolist(), math.sqrt(fit.loss) / deviation, symbols)
