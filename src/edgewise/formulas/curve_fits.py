"""Elementary functions of curves: the best c f(a u + b) + d for each function f, and formulas built from them.

`edge_fits` fits every function of a table to one curve, as `symbolify` needs it. `curve_shapes` returns formulas, also
of compositions such as 1/f and f^2, as the search for laws needs them. Both start Levenberg-Marquardt from the starts
(a, b) whose function has the highest correlation with the curve, which are found for all starts at once; frequencies
come from a periodogram.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.formulas.constants import fit_constants
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    complexity,
    evaluate,
    exact_number,
    parse_expression,
    replaced,
    used_variables,
)
from edgewise.formulas.rewriting import MINUS_ONE, simplify
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.ops.gauss_newton import DampingRule, LeastSquaresLimits, least_squares
from edgewise.outcomes import spend
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class CurveFitSettings:
    """Points, steps and prices of fits of one curve."""

    start_work: float = 3e5  # Work for a point of a curve of comparing the starts of one function.
    # Points of a curve that are used, at most: enough to see 40 periods, and few enough that a fit takes 1 ms.
    most_points: int = 160
    refined: int = 8  # Functions whose starts are refined, those with the best starts.
    refined_wrapped: int = 2  # The same within a composition such as 1/f: there are up to seven compositions.
    # Price of a symbol in units of the logarithm of the relative error: one symbol more has to lower the error by 30 %.
    symbol_price_per_log_error: float = 0.35
    smallest_fit_error: float = 1e-13  # Relative errors below it count as equal: the rounding errors of a fit.
    largest_logarithm: float = 700.0  # exp of it is still a number of float64
    # Steps of Levenberg-Marquardt, at most: most fits need about ten.
    shape_steps: int = 25
    edge_steps: int = 30
    # Functions that are always refined: any smooth curve resembles a line or a parabola where it changes slowly.
    always_refined: tuple[str, ...] = ("x", "x^2")
    # Functions within compositions: with these, compositions give the common cases (Gaussians, Lorentzians, ...).
    wrapped: tuple[str, ...] = ("x", "x^2", "exp", "sin", "sqrt", "log", "cosh")


SETTINGS = CurveFitSettings()


def ranking_criterion(error: float, symbols: int, floor: float) -> float:
    """Logarithm of a relative error plus a price for symbols; the fit with the lowest value is preferred."""
    # Errors below `floor` count as equal to it: the curve is not known more accurately. A curve is compared with
    # functions at points of its own choice, so there is no number of rows as in `front.price`.
    return math.log(max(error, floor)) + SETTINGS.symbol_price_per_log_error * symbols


@dataclass(frozen=True)
class CurveShape:
    """A curve as a formula of one variable."""

    expression: Expression  # the formula, of `Variable(0)`
    error: float  # root mean squared error over the standard deviation of the curve

    @property
    def complexity(self) -> int:
        """Number of symbols."""
        return complexity(self.expression)


@dataclass(frozen=True)
class EdgeFit:
    """A curve as c f(a u + b) + d with an elementary function f."""

    name: str  # name of f in its table; "0" for a constant curve
    a: float  # the constants
    b: float
    c: float
    d: float
    error: float  # root mean squared error over the standard deviation of the curve
    complexity: int  # number of symbols that the edge adds to a formula

    def expression(self, table: Mapping[str, Elementary] = ELEMENTARY) -> Expression:
        """The edge as a simplified formula of one variable, `Variable(0)`."""
        if self.name == "0":
            return Number(self.d)
        if self.name not in table:
            raise InputError(f"table must contain the function {self.name!r} of the fit, got {', '.join(table)}")
        return simplify(scaled_function(table[self.name], (self.a, self.b, self.c, self.d), Variable(0)))


def scaled_function(
    function: Elementary, constants: tuple[float, float, float, float], argument: Expression
) -> Expression:
    """Write c f(a u + b) + d as an expression, not simplified, without factors of 1 and offsets of 0."""

    # Of the numbers a, b, c and d those equal to 0, 1 or -1 are exact, the others are free constants.
    def number(value: float) -> Number:
        if value in (-1.0, 0.0, 1.0):
            return exact_number(value)
        return Number(value)

    def scaled(node: Expression, factor: float, offset: float) -> Expression:
        if factor != 1:
            node = Multiply((number(factor), node))
        if offset != 0:
            node = Add((node, number(offset)))
        return node

    a, b, c, d = constants
    return scaled(replaced(expression_of(function), Variable(0), scaled(argument, a, b)), c, d)


def expression_of(function: Elementary) -> Expression:
    """Read the text of an elementary function as an expression of variable 0."""
    try:
        return parse_expression(function.text)
    except InputError as error:
        raise InputError(f"elementary function {function.name!r} cannot be written in formulas: {error}") from error


@dataclass(frozen=True)
class _Curve:
    """Points (u, s), each (N,) and in the order of u, with weights (N,) of any scale."""

    u: np.ndarray
    s: np.ndarray
    weight: np.ndarray

    @classmethod
    def from_points(cls, u: np.ndarray, s: np.ndarray, weight: np.ndarray | None = None) -> _Curve:
        """The curve through at most `most_points` of the points."""
        if weight is None:
            weight = np.ones_like(s)
        order = np.argsort(u)
        if len(u) > SETTINGS.most_points:
            order = order[np.round(np.linspace(0, len(u) - 1, SETTINGS.most_points)).astype(int)]
        return cls(u[order], s[order], weight[order])

    @cached_property
    def share(self) -> np.ndarray:
        """The weights, scaled such that they sum to 1."""
        total = float(self.weight.sum())
        if math.isclose(total, 1.0, rel_tol=1e-12):
            return self.weight
        return self.weight / total

    @property
    def mean(self) -> float:
        return float(self.share @ self.s)

    @property
    def deviation(self) -> float:
        """Weighted standard deviation of s."""
        return math.sqrt(float(self.share @ (self.s - self.mean) ** 2))

    def transformed(self, s: np.ndarray, slope: np.ndarray) -> _Curve:
        """The curve of transformed values; `slope` is their derivative by s, which changes their accuracy."""
        return _Curve(self.u, s, self.weight / (slope**2 + 1e-30))

    def best_line(self, values: np.ndarray) -> tuple[float, float]:
        """Factor c and offset d of the least-squares fit c values + d of the curve."""
        root = np.sqrt(self.weight)
        columns = np.stack([values, np.ones_like(values)], 1)
        c, d = np.linalg.lstsq(columns * root[:, None], self.s * root, rcond=None)[0]
        return float(c), float(d)

    def best_phase(self, a: float) -> float:
        """Phase b of the least-squares fit c sin(a u + b) + d of the curve."""
        root = np.sqrt(self.weight)
        columns = np.stack([np.sin(a * self.u), np.cos(a * self.u), np.ones_like(self.u)], 1)
        p, q, _ = np.linalg.lstsq(columns * root[:, None], self.s * root, rcond=None)[0]
        return math.atan2(q, p)

    def explained_by_waves(self, rates: np.ndarray) -> np.ndarray:
        """Weighted square of s that a sine, a cosine and a constant explain, for each angular frequency (R,)."""
        waves = np.outer(rates, self.u)
        columns = np.stack([np.sin(waves), np.cos(waves), np.ones_like(waves)], 1)
        gram = (columns * self.share) @ columns.transpose(0, 2, 1)
        right = (columns * self.share) @ self.s
        gram += 1e-12 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(3)
        return np.einsum("ri,ri->r", right, np.linalg.solve(gram, right[:, :, None])[:, :, 0])

    def frequencies(self) -> list[float]:
        """The four best angular frequencies: peaks of the Lomb-Scargle periodogram up to half of the mean sampling."""
        span = float(np.ptp(self.u))
        grid = np.concatenate([np.linspace(0.1, 12, 60), np.linspace(12.2, 0.5 * math.pi * len(self.u), 240)]) / span
        explained = self.explained_by_waves(grid)
        peaks = [k for k in range(len(grid)) if explained[k] >= max(explained[max(k - 1, 0) : k + 2])]
        return [float(grid[k]) for k in sorted(peaks, key=lambda k: -explained[k])[:4]]

    def candidate_starts(self, row: Elementary) -> list[tuple[float, float]]:
        """Pairs (a, b) to start from; factors that only rescale c are left out."""
        # Of powers and logarithms only the place of the singularity matters, of exponentials only the rate. The ranges
        # in units of the span of u go from nearly straight to dozens of periods or very steep.
        name = row.name
        span = float(np.ptp(self.u))
        low = float(self.u.min())
        high = float(self.u.max())
        # Functions whose shifts are factors or offsets need rates alone.
        if name == "x":
            return [(1.0, 0.0)]
        if name == "exp":
            rates = np.geomspace(0.1, 30, 14) / span
            return [(sign * rate, 0.0) for rate in (*rates, 1.0, 2.0, 0.5) for sign in (1, -1)]
        if name == "cos":  # A cosine is a shifted sine.
            return []
        if name == "sin":
            return [(a, 0.0) for a in self.frequencies()]
        if name == "J0":
            rates = np.geomspace(0.3, 120, 130) / span
            return [(a, -a * c) for a in rates for c in (0.0, low, high)]
        # Functions with a corner, a jump, a pole or an end: their place within or beyond the range.
        if name in ("abs", "sgn"):  # Outside the range of u they are straight lines.
            places = [0.0, *np.linspace(low, high, 27)[1:-1]]
            return [(1.0, -float(place)) for place in places if low < place < high]
        if (row.pole is not None and not row.period) or row.low == 0.0 or name in ("x^2", "x^3", "x^4", "x^5"):
            is_entire = row.pole is None and row.low < 0  # Then the function may be shifted within the range.
            margin = span * np.geomspace(1e-3, 20, 24)
            places = [0.0, *(low - margin), *(high + margin)]
            if is_entire:
                return [(1.0, -place) for place in (*places, *np.linspace(low, high, 25))]
            return [(sign, -sign * place) for place in places for sign in (1.0, -1.0)]
        # Functions of a bounded domain, then all others: rates and centres.
        if math.isfinite(row.low):  # arcsin and the like: the range has to fit into the domain.
            rates = np.geomspace(0.02, 1.0, 12) * 2 / span
            centres = [low, high, (low + high) / 2]
            return [(a, b) for a in (*rates, 1.0, 0.5) for b in (0.0, *(-a * c for c in centres))]
        rates = np.geomspace(0.15, 30, 16) / span
        return [(a, -a * c) for a in (*rates, 1.0, 2.0, 0.5) for c in (0.0, *np.linspace(low, high, 9))]

    def best_starts(self, row: Elementary) -> list[tuple[float, float, float]]:
        """The starts (share explained, a, b) whose function has the highest correlation with the curve."""
        # At most two, and in addition the best start without a shift, whose formula is simpler. The factor c and offset
        # d follow in closed form, so all starts are compared at once.
        target = self.s - self.s @ self.share
        total = float(target**2 @ self.share)
        starts = self.candidate_starts(row)
        spend(SETTINGS.start_work * len(self.u))
        # Waves have a fast way of their own.
        if row.name == "sin":
            explained = self.explained_by_waves(np.array([a for a, _ in starts])) - float(self.s @ self.share) ** 2
            return [(float(value / total), a, 0.0) for value, (a, _) in zip(explained, starts, strict=True)][:2]
        if not starts:
            return []
        # Squared correlation of the function with the curve, for all starts.
        a, b = np.array(starts).T
        with np.errstate(all="ignore"):
            values = row.function(torch.as_tensor(a[:, None] * self.u + b[:, None])).numpy()
        usable = np.isfinite(values).all(1) & (np.abs(values).max(1) < 1e12)
        values = np.where(usable[:, None], values, 0.0)
        centred = values - (values @ self.share)[:, None]
        variance = (centred**2) @ self.share
        covariance = centred @ (self.share * target)
        score = np.where(usable & (variance > 1e-20), covariance**2 / np.maximum(variance, ABOVE_ZERO), 0.0) / total
        # The two best starts that differ, and the best one without a shift.
        chosen: list[int] = []
        for k in np.argsort(-score, kind="stable"):
            if score[k] <= 0 or len(chosen) == 2:
                break
            if all(abs(score[k] - score[j]) > 1e-9 for j in chosen):  # Starts of equal score are the same curve.
                chosen.append(int(k))
        unshifted = [k for k in range(len(starts)) if b[k] == 0.0 and score[k] > 0]
        if unshifted:
            chosen.append(max(unshifted, key=lambda k: score[k]))
        return [(float(score[k]), *starts[k]) for k in dict.fromkeys(chosen)]

    def fitted(self, node: Expression) -> CurveShape | None:
        """The formula with its constants fitted to the curve; None if it is undefined at a point."""
        fit = fit_constants(node, self.u[:, None], self.s, steps=SETTINGS.shape_steps, weight=self.weight)
        if fit is None:
            return None
        return CurveShape(fit.expression, math.sqrt(fit.loss) / max(self.deviation, ABOVE_ZERO))


def edge_fits(
    u: np.ndarray, s: np.ndarray, *, table: Mapping[str, Elementary] = ELEMENTARY, most: int | None = None
) -> list[EdgeFit]:
    """Fit c f(a u + b) + d to a curve for every function f of a table."""
    curve = _Curve.from_points(u, s)
    curve = replace(curve, weight=curve.share)
    if curve.deviation <= 1e-12 * max(abs(curve.mean), ABOVE_ZERO):
        return [EdgeFit("0", 0.0, 0.0, 0.0, curve.mean, 0.0, 0)]

    def criterion(fit: EdgeFit) -> float:
        return ranking_criterion(fit.error, fit.complexity, 1e-12)

    # An exponential is fitted to u minus its mean: where u varies little, exp(a u) is far from the size of the curve.
    middle = float(curve.share @ curve.u)
    curves = {"exp": replace(curve, u=curve.u - middle)}
    candidates = [(row, curves.get(name, curve).best_starts(row)) for name, row in table.items() if name != "0"]
    candidates = [(row, starts) for row, starts in candidates if starts]
    if most is not None:
        candidates = sorted(candidates, key=lambda pair: -max(score for score, _, _ in pair[1]))[:most]
    best_fits = []
    for row, starts in candidates:
        fits = []
        for _, a, b in starts:
            own = curves.get(row.name, curve)
            if row.name == "sin":
                b = curve.best_phase(a)
            fit = _fit_edge(row, a, b, own)
            if fit is None:
                continue
            # The factor of an exponential, for u itself
            back = -fit.a * middle
            if own is curve:
                fits.append(fit)
            elif abs(back) < SETTINGS.largest_logarithm:
                fits.append(replace(fit, c=fit.c * math.exp(back)))
        if fits:
            best_fits.append(min(fits, key=criterion))
    return sorted(best_fits, key=criterion)


def _fit_edge(row: Elementary, a: float, b: float, curve: _Curve) -> EdgeFit | None:
    """Fit a, b, c, d by Levenberg-Marquardt; a straight line keeps a = 1, b = 0, and a shift of 0 stays 0.

    None where the function is not finite, at the start or at the fitted arguments.
    """
    with np.errstate(all="ignore"):
        c, d = curve.best_line(row.function(torch.as_tensor(a * curve.u + b)).numpy())
    start = np.array([a, b, c, d])
    free: slice | list[int] = slice(0, 4)
    if row.name == "x":
        free = slice(2, 4)
    elif b == 0:
        free = [0, 2, 3]
    root = np.sqrt(curve.share)

    def residuals_and_jacobian(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        numbers = start.copy()
        numbers[free] = values
        a, b, c, d = numbers
        value, slope = (part.numpy() for part in row.jet_derivatives(torch.as_tensor(a * curve.u + b), 1))
        columns = np.stack([c * slope * curve.u, c * slope, value, np.ones_like(value)], 1)
        return (c * value + d - curve.s) * root, columns[:, free] * root[:, None]

    limits = LeastSquaresLimits(
        steps=SETTINGS.edge_steps, trials=SETTINGS.edge_steps, evaluations=SETTINGS.edge_steps, tolerance=1e-9
    )
    # Marquardt's constant factors instead of Nielsen's: with at most 30 trials for each of many functions, an accepted
    # step should lower the damping at once.
    rule = DampingRule(first=1e-3, lowest=0.0, highest=1e9, growth=6.0, growth_factor=1.0, shrink=1 / 5)
    fit = least_squares(residuals_and_jacobian, start[free], rule=rule, limits=limits, minimum_norm=True)
    if fit is None:
        return None
    start[free] = fit.x
    a, b, c, d = start.tolist()
    arguments = a * curve.u + b
    if not row.allows(float(arguments.min()), float(arguments.max())):
        return None
    symbols = row.complexity + 2 * (abs(a - 1) > 1e-9) + 2 * (b != 0) + 3
    return EdgeFit(row.name, a, b, c, d, math.sqrt(fit.loss) / curve.deviation, symbols)


def curve_shapes(
    u: np.ndarray,
    s: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    table: Mapping[str, Elementary] = ELEMENTARY,
    wrapped: bool = True,
    tolerance: float = 0.0,
) -> list[CurveShape]:
    """Find formulas for a curve."""
    curve = _Curve.from_points(u, s, weight)
    shapes = list(_elementary_shapes(curve, table, tolerance, SETTINGS.refined))
    best_error = min((shape.error for shape in shapes if shape.complexity < 8), default=1.0)
    if wrapped and best_error > max(tolerance, 1e-9):
        shapes += _wrapped_shapes(curve, table, tolerance)
    unique: dict[Expression, CurveShape] = {}
    for shape in shapes:
        if math.isfinite(shape.error):
            unique.setdefault(shape.expression, shape)
    floor = max(tolerance, SETTINGS.smallest_fit_error)
    return sorted(unique.values(), key=lambda shape: ranking_criterion(shape.error, shape.complexity, floor))


def _elementary_shapes(
    curve: _Curve, table: Mapping[str, Elementary], tolerance: float, most: int
) -> Iterator[CurveShape]:
    """Fits c f(a u + b) + d of the functions with the best starts, each with and without the shift b."""
    if float(np.ptp(curve.s)) <= 1e-12 * float(np.abs(curve.s).max() + ABOVE_ZERO):
        yield CurveShape(Number(float(curve.s.mean())), 0.0)
        return
    starts = [(*start, row) for name, row in table.items() if name != "0" for start in curve.best_starts(row)]
    # A start explains less than the refined fit, so errors below 1e-3 count as equal here.
    floor = max(tolerance, 1e-3)
    starts.sort(key=lambda start: ranking_criterion(math.sqrt(max(1 - start[0], 0.0)), start[3].complexity, floor))
    names = list(dict.fromkeys(row.name for *_, row in starts))
    chosen = {*names[:most], *SETTINGS.always_refined}
    for _, a, b, row in starts:
        if row.name not in chosen:
            continue
        argument: Expression = Variable(0)
        if row.name == "sin":
            argument = Add((Multiply((Number(a), argument)), Number(curve.best_phase(a))))
        elif row.name != "x":
            if a != 1.0 or row.name != "log":
                argument = Multiply((Number(a), argument))
            if b != 0.0:
                argument = Add((argument, Number(b)))
        value = replaced(expression_of(row), Variable(0), argument)
        values = evaluate(value, curve.u[:, None])
        if np.isfinite(values).all():
            c, d = curve.best_line(values)
            shape = curve.fitted(simplify(Add((Multiply((Number(c), value)), Number(d)))))
            if shape is not None:
                yield shape


def _wrapped_shapes(curve: _Curve, table: Mapping[str, Elementary], tolerance: float) -> list[CurveShape]:
    """Formulas for curves that are an elementary function after a transformation, or times a power of u."""
    few = {name: table[name] for name in SETTINGS.wrapped if name in table}
    u = curve.u
    s = curve.s
    shapes: list[CurveShape] = []

    def add(values: np.ndarray, slope: np.ndarray, inverse: Callable[[Expression], Expression]) -> None:
        """Fits the transformed values and adds the best two shapes, transformed back and fitted to the curve."""
        candidates = _elementary_shapes(curve.transformed(values, slope), few, tolerance, SETTINGS.refined_wrapped)
        for candidate in sorted(candidates, key=lambda shape: shape.error)[:2]:
            if used_variables(candidate.expression):
                shape = curve.fitted(simplify(inverse(candidate.expression)))
                if shape is not None:
                    shapes.append(shape)

    def signed(node: Expression) -> Expression:
        if s.mean() > 0:
            return node
        return Multiply((MINUS_ONE, node))

    # Curves of one sign: reciprocals, squares, roots and logarithms.
    if float(np.abs(s).min()) > 1e-4 * float(np.abs(s).max()) and (s.min() > 0 or s.max() < 0):
        size = np.abs(s)
        add(1 / s, 1 / s**2, lambda node: Power(node, -1.0))
        add(s**2, 2 * s, lambda node: signed(Power(node, 0.5)))
        add(s**-2.0, 2 * size**-3.0, lambda node: signed(Power(node, -0.5)))
        add(np.sqrt(size), 0.5 / np.sqrt(size), lambda node: signed(Power(node, 2.0)))
        add(np.log(size), 1 / s, lambda node: signed(Call("exp", node)))
    # Curves of arguments other than zero: times u and u^2.
    if float(np.abs(u).min()) > 1e-9:
        add(s * u, np.abs(u) + 1e-12, lambda node: Multiply((node, Power(Variable(0), -1.0))))
        add(s * u**2, np.abs(u) ** 2 + 1e-12, lambda node: Multiply((node, Power(Variable(0), -2.0))))
    return shapes
