"""Laws of one input with constants inside their functions, by separable least squares.

Under a link the target is a sum of curves g(p, x) with factors: 1/y = a + b x^-n is Hill's law, log y = a - b exp(-c x)
that of Gompertz, log y = a + n log x - log(exp(c/x) - 1) that of Planck, y = a exp(-b x) + c exp(-d x) a decay of two
parts. For given p the factors are linear least squares, so the error is a function of p alone (variable projection
[1]_). It is computed for all p of a grid at once, in units of the span of x, so that it does not depend on the units of
a table; the best p of each form are the start of a fit of all constants to the target itself.

References
----------
.. [1] G. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
   variables separate", SIAM Journal on Numerical Analysis 10 (1973).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from edgewise.discovery.enumeration.matches import LEAST_DIFFERENCE, spanned_share, unit_outside
from edgewise.discovery.least_squares.links import Link, is_allowed, possible_links
from edgewise.discovery.least_squares.sparse import factors_of, fitted_sum
from edgewise.discovery.problem import LawProblem, weighted_variance
from edgewise.formulas.constants import EXACT, fit_constants
from edgewise.formulas.expression import Add, Call, Expression, Multiply, Number, Power, Variable, evaluate, replaced
from edgewise.formulas.rewriting import MINUS_ONE, with_one_factor
from edgewise.outcomes import Budget, spend


@dataclass(frozen=True)
class SeparableSettings:
    """Grids of constants in units of the span of the input, and fits."""

    rows: int = 400  # of the fits, at most: enough for five constants
    steps: int = 60  # Levenberg-Marquardt steps of a fit, at most; one that has converged ends sooner
    most_fits: int = 16  # forms that are fitted: the forms that leave the least
    # A fit comes from factors of two away, and from half an oscillation.
    rates: tuple[float, ...] = tuple(np.geomspace(0.1, 100, 36))
    powers: tuple[float, ...] = tuple(np.arange(1, 61) / 10)
    # in front of an exponential, as in the laws of Saha, Richardson, Planck and Maxwell
    powers_in_front: tuple[float, ...] = tuple(np.delete(np.arange(-10, 11) / 2, 10))
    margins: tuple[float, ...] = tuple(np.geomspace(1e-3, 30, 24))
    decays: tuple[float, ...] = (0.0, *np.geomspace(0.3, 30, 10))
    waves: tuple[float, ...] = tuple(np.arange(1, 121) * np.pi / 2)


SETTINGS = SeparableSettings()
X = Variable(0)
IN_FRONT = ("^ exp", "^ exp /", "^ exp - /")  # kinds of curves that have a power in front: of the target itself alone


@dataclass(frozen=True)
class Form:
    """A sum of curves under a link with constants from a grid, and its relative squared error."""

    error: float
    link: Link
    curves: tuple[Expression, ...]  # each gets a factor
    base: tuple[Expression, ...]  # terms beside the curves and a constant; each gets a factor


def separable_laws(problem: LawProblem, budget: Budget) -> Iterator[Expression]:
    """Yield laws of one input with fitted constants, the most accurate first; a `Stage`."""
    if problem.x.shape[1] != 1:
        return
    x, y, weights = problem.random_rows(SETTINGS.rows, stream=2)
    if len(y) < 10 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return
    size = 10.0 ** round(math.log10(np.abs(x).max()))  # powers of an input have a factor of order 1 beside them
    x = x / size
    forms = sorted(_forms(problem, x, y, weights), key=lambda form: form.error)
    laws: list[tuple[float, Expression]] = []
    for form in forms[: SETTINGS.most_fits]:
        if budget.is_over:
            break
        # The factors of the curves by weighted least squares under the link, then all constants by Levenberg-Marquardt.
        target, importance = form.link.target(y)
        law = fitted_sum([*form.curves, *form.base], target, importance * weights, x)
        if law is None:
            continue
        fitted = fit_constants(form.link.build(law), x, y, steps=SETTINGS.steps, weight=weights, budget=budget)
        if fitted is not None and np.isfinite(fitted.loss):
            laws.append((fitted.loss, fitted.expression))
            # Two curves may be one whose constant lies between those of the grid.
            if len(form.curves) == 1 and fitted.loss <= EXACT.loss(weighted_variance(y, weights)):
                break
    for _, law in sorted(laws, key=lambda pair: pair[0]):
        yield with_one_factor(replaced(law, X, Multiply((Number(1 / size), X))))


def _forms(problem: LawProblem, x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Iterator[Form]:
    """The best constants of the grid for each kind of curve, under each link."""
    operators = problem.options.operators
    u = x[:, 0]
    kinds = {name: curves for name, curves in _curves(u).items() if set(name.split()) <= set(operators)}
    values = {name: _of_size_one(np.array([evaluate(curve, x) for curve in curves])) for name, curves in kinds.items()}
    # Variable projection on a grid: for constants inside a curve the best factors, and the share of the target that
    # they leave, follow from projections.
    for link in possible_links(y):
        if not is_allowed(link, problem.options):
            continue
        target, importance = link.target(y)
        root = np.sqrt(importance * weights)
        bases: list[tuple[Expression, ...]] = [()]
        if link.name == "exp" and u.min() > 0 and "log" in operators:
            bases.append((Call("log", X),))
        for base in bases:
            # A target that is constant to rounding has no part outside the base.
            basis = np.linalg.qr(np.column_stack([root, *(root * evaluate(column, x) for column in base)]))[0]
            goal = unit_outside((target * root)[None], basis)[0]
            if not np.isfinite(goal).all():
                continue
            for name, rows in values.items():
                if name in IN_FRONT and link.name:
                    continue
                # Of each kind the curve of the largest correlation with the target outside the base.
                units = unit_outside(rows * root, basis)
                is_some = np.isfinite(units).all(axis=1)
                if not is_some.any():
                    continue
                units[~is_some] = 0.0
                along = units @ goal
                best = int(np.argmax(along**2))
                yield Form(float(1 - along[best] ** 2), link, (kinds[name][best],), base)
                # The best pair of exponentials.
                if name == "exp" and not link.name and not base and is_some.sum() > 1:
                    first, second, share = _best_pair(units, along)
                    yield Form(1 - share, link, (kinds[name][first], kinds[name][second]), base)
    if {"exp", "cos"} <= set(operators):
        yield from _waves(x, y, weights)


def _of_size_one(rows: np.ndarray) -> np.ndarray:
    """Rows of values divided by their largest size; nan where a row is not finite everywhere."""
    size = np.abs(rows).max(axis=1, keepdims=True)
    return np.asarray(rows / np.where(np.isfinite(size) & (size > 0), size, np.nan))


def _best_pair(units: np.ndarray, along: np.ndarray) -> tuple[int, int, float]:
    """The two unit vectors that span the most of a goal, and the share that they span."""
    both = units @ units.T
    spend(units.size * len(units))
    share = spanned_share(along[:, None], along[None], both)
    share = np.where(1 - both**2 > LEAST_DIFFERENCE, np.minimum(share, 1.0), 0.0)
    first, second = np.unravel_index(int(np.argmax(share)), share.shape)
    return int(first), int(second), float(share[first, second])


def _curves(u: np.ndarray) -> dict[str, list[Expression]]:
    """Curves of an input with constants of the grids, by the operators that they need."""
    span = float(np.ptp(u))
    low = float(u.min())
    high = float(u.max())
    rates = [sign * rate for rate in SETTINGS.rates for sign in (1, -1)]
    shifted: list[Expression] = [Add((X, Number(margin * span - low))) for margin in SETTINGS.margins]
    shifted += [Add((Multiply((MINUS_ONE, X)), Number(margin * span + high))) for margin in SETTINGS.margins]
    # Years count from about their middle: from zero on, the factor and the rate of an exponential are dependent.
    middle = 0.5 * (low + high)
    origin: Expression = X
    if abs(middle) > span:
        shift = Fraction(round(-1000 * middle), 1000)  # a closed form, which no fit moves
        origin = Add((X, Number(float(shift), (shift.numerator, shift.denominator, ""))))
    kinds: dict[str, list[Expression]] = {
        "exp": [Call("exp", Multiply((Number(rate / span), origin))) for rate in rates],
        "/": [Power(each, -1.0) for each in shifted],
        "log": [Call("log", each) for each in shifted],
    }
    # Powers as exponentials of logarithms, so that a fit moves the exponent.
    if low > 0:
        powers = [sign * power for power in SETTINGS.powers for sign in (1, -1)]
        kinds["^"] = [Call("exp", Multiply((Number(power), Call("log", X)))) for power in powers]
    # Arrhenius' curves exp(b/x), and the functions of exp(u) - 1 that Planck's and Bose's laws have.
    if low > 0 or high < 0:
        inverse = Power(X, -1.0)
        size = float(np.ptp(1 / u))
        kinds["exp /"] = [Call("exp", Multiply((Number(rate / size), inverse))) for rate in rates]
        arguments = [Multiply((Number(rate / span), X)) for rate in SETTINGS.rates]
        arguments += [Multiply((Number(rate / size), inverse)) for rate in SETTINGS.rates]
        if low > 0:
            kinds["log exp -"] = [Call("log", Add((Call("exp", each), MINUS_ONE))) for each in arguments]
            # Where noise has made targets negative their logarithm cannot show a power and an exponential as a sum.
            kinds["exp - /"] = [Power(Add((Call("exp", each), MINUS_ONE)), -1.0) for each in arguments]
            for name, curves in zip(IN_FRONT, (kinds["exp"], kinds["exp /"], kinds["exp - /"]), strict=True):
                kinds[name] = [Multiply((Power(X, n), each)) for n in SETTINGS.powers_in_front for each in curves]
    return kinds


def _waves(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Iterator[Form]:
    """The best damped wave exp(-b x) cos(w x + phase) beside a constant."""
    u = x[:, 0]
    span = float(np.ptp(u))
    root = np.sqrt(weights)
    basis = (root / np.linalg.norm(root))[:, None]
    goal = unit_outside((y * root)[None], basis)[0]
    if not np.isfinite(goal).all():
        return
    # Grid of frequencies and decays: a sine and a cosine of each, whose factors are amplitude and phase.
    waves = np.array(SETTINGS.waves) / span
    best = (0.0, 0.0, 0.0, 0.0)
    for decay in np.array(SETTINGS.decays) / span:
        damped = root * np.exp(-decay * (u - u.min()))
        cosines = unit_outside(np.cos(np.outer(waves, u)) * damped, basis)
        sines = unit_outside(np.sin(np.outer(waves, u)) * damped, basis)
        first = cosines @ goal
        second = sines @ goal
        share = np.minimum(spanned_share(first, second, np.sum(cosines * sines, axis=1)), 1.0)
        share[~np.isfinite(share)] = 0.0  # waves that are constant at the rows
        place = int(np.argmax(share))
        if share[place] > best[0]:
            # Amplitude and phase of the best wave by least squares.
            columns = np.column_stack([cosines[place], sines[place]])
            factors = factors_of(columns, goal)
            if factors is not None:
                phase = float(np.arctan2(-factors[1], factors[0]))
                best = (float(share[place]), float(decay), float(waves[place]), phase)
    share, decay, wave, phase = best
    if share == 0:
        return
    curve: Expression = Call("cos", Add((Multiply((Number(wave), X)), Number(phase))))
    if decay:
        curve = Multiply((Call("exp", Multiply((Number(-decay), X))), curve))
    yield Form(1 - share, next(possible_links(y)), (curve,), ())
