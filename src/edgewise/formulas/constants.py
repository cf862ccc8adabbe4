"""The numbers in a formula: fitted to data to rounding, and recognised where they are numbers that people write."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.formulas.algebra import simplify
from edgewise.formulas.expression import (
    UNITS,
    Exact,
    Expression,
    Number,
    constants,
    evaluate,
    values_and_derivatives,
    walk,
    with_constants,
)
from edgewise.ops.least_squares import DampingRule, LeastSquaresLimits, least_squares

# Denominators of fractions people write, and how large a numerator may be with them.
DENOMINATORS = (1, 2, 3, 4, 5, 6, 8, 10)
LARGEST = 20
# A relative change of a constant that rounding alone explains after a fit to noise-free data.
CLOSE = 1e-5
# With noise a constant is recognised within so many standard errors ...
DEVIATIONS = 3.0
# ... and the sum of squares may rise by what one parameter less explains: chi-square with 1 degree of freedom, 99 %.
ALLOWANCE = 6.6
# Nielsen's rule with bounds for constants of any size: a choice, kept so that stored formulas stay as they are.
DAMPING = DampingRule(first=1e-3, lowest=1e-14, highest=1e12)


@dataclass(frozen=True)
class FittedExpression:
    """A formula with fitted constants. loss: the mean squared error; errors: one standard error for each constant."""

    expression: Expression
    loss: float
    errors: tuple[float, ...]


def free_places(node: Expression) -> list[int]:
    """Which of the `constants` may be fitted: those that are not exact."""
    numbers = [part for part in walk(node) if isinstance(part, Number)]
    return [place for place, part in enumerate(numbers) if part.exact is None]


def fit_constants(
    node: Expression,
    x: np.ndarray,
    y: np.ndarray,
    *,
    steps: int = 50,
    weight: np.ndarray | None = None,
    deadline: float = math.inf,
) -> FittedExpression | None:
    """Levenberg-Marquardt on the constants that are not exact; None where the formula is undefined at a sample.

    deadline: of `time.monotonic`, after which no further step is made.
    """
    places = free_places(node)
    numbers = [part for part in walk(node) if isinstance(part, Number)]
    exact = [part.exact for part in numbers]
    values = np.array([part.value for part in numbers])
    root = None if weight is None else np.sqrt(weight / weight.mean())

    def residuals_and_jacobian(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        trial = values.copy()
        trial[places] = free
        predicted, rows = values_and_derivatives(with_constants(node, trial, exact), x)
        rest, rows = predicted - y, rows[:, places]
        return (rest, rows) if root is None else (rest * root, rows * root[:, None])

    limits = LeastSquaresLimits(steps=steps if places else 0, deadline=deadline)
    fit = least_squares(residuals_and_jacobian, values[places], rule=DAMPING, limits=limits)
    if fit is None:
        return None
    values[places] = fit.x
    errors = np.zeros(len(values))
    if places:
        spread = fit.loss / max(len(y) - len(places), 1)
        with np.errstate(over="ignore", invalid="ignore"):
            gram = fit.jacobian.T @ fit.jacobian
            if np.isfinite(gram).all():
                errors[places] = np.sqrt(np.abs(np.diag(np.linalg.pinv(gram, hermitian=True))) * spread)
            else:
                errors[places] = math.inf
    return FittedExpression(with_constants(node, values, exact), fit.loss / len(y), tuple(errors.tolist()))


def closed_forms(value: float, reach: float) -> Iterator[Exact]:
    """Numbers people write within `reach` of a value, simplest first: 0, integers, fractions, units."""
    if abs(value) <= reach:
        yield 0, 1, ""
        return
    found = []
    for unit, size in UNITS.items():
        for q in DENOMINATORS:
            p = round(value / size * q)
            if (
                p
                and math.gcd(p, q) == 1
                and abs(p * size / q - value) <= reach
                and abs(p) <= LARGEST * (100 if q == 1 and not unit else 1)
            ):
                cost = (unit != "") * 3 + (unit not in ("", "pi")) * 3 + 2 * (q > 1) + q / 5 + abs(p) / 20
                found.append((cost, (p, q, unit)))
    yield from (form for _, form in sorted(found))


def value_of(form: Exact) -> float:
    """p / q times the unit."""
    return form[0] / form[1] * UNITS[form[2]]


def recognise(
    fitted: FittedExpression, x: np.ndarray, y: np.ndarray, *, floor: float, deadline: float = math.inf
) -> FittedExpression:
    """The same formula with numbers people write wherever the loss then stays: one constant after another.

    The others are fitted again each time. A number must lie within rounding, or within three standard errors; the sum
    of squares may rise by no more than chance explains, or stay below `floor` times the variance of y. deadline: of
    `time.monotonic`, after which no more constants are tried.
    """
    limit_free = floor * float(np.var(y))
    fitted = _all_known(fitted, x, y, limit_free, deadline)
    refused: set[tuple[float, Exact]] = set()
    for _ in range(40):
        best = _next_known(fitted, refused)
        if best is None or time.monotonic() > deadline:
            return fitted
        place, form = best
        numbers = [part for part in walk(fitted.expression) if isinstance(part, Number)]
        values, exact = [part.value for part in numbers], [part.exact for part in numbers]
        old = values[place]
        values[place], exact[place] = value_of(form), form
        trial = fit_constants(
            simplify(with_constants(fitted.expression, values, exact)), x, y, steps=15, deadline=deadline
        )
        allowed = fitted.loss * (1 + ALLOWANCE / len(y)) if fitted.loss > limit_free else limit_free
        if trial is not None and trial.loss <= allowed:
            fitted = trial
        else:
            refused.add((round(old, 9), form))
    return fitted


def _all_known(
    fitted: FittedExpression, x: np.ndarray, y: np.ndarray, limit_free: float, deadline: float
) -> FittedExpression:
    """With every constant that has a simple number near replaced by it at once, if the loss stays."""
    numbers = [part for part in walk(fitted.expression) if isinstance(part, Number)]
    values, exact = [part.value for part in numbers], [part.exact for part in numbers]
    for place in free_places(fitted.expression):
        reach = _reach(values[place], fitted.errors[place])
        form = next(closed_forms(values[place], reach), None)
        if form is not None:
            values[place], exact[place] = value_of(form), form
    known = simplify(with_constants(fitted.expression, values, exact))
    trial = fit_constants(known, x, y, steps=15, deadline=deadline)
    allowed = fitted.loss * (1 + ALLOWANCE / len(y)) if fitted.loss > limit_free else limit_free
    return trial if trial is not None and trial.loss <= allowed else fitted


def _reach(value: float, error: float) -> float:
    """By how much a constant may be off, for the numbers that are tried in its place."""
    return min(max(DEVIATIONS * error, CLOSE * abs(value), 1e-9), 0.2 * abs(value) + 1e-3)


def _next_known(fitted: FittedExpression, refused: set[tuple[float, Exact]]) -> tuple[int, Exact] | None:
    """The constant nearest to a simple number, measured in what it may be off by."""
    values = constants(fitted.expression)
    best, nearest = None, math.inf
    for place in free_places(fitted.expression):
        value, error = values[place], fitted.errors[place]
        reach = max(DEVIATIONS * error, CLOSE * abs(value), 1e-9)
        for rank, form in enumerate(closed_forms(value, _reach(value, error))):
            if (round(value, 9), form) in refused:
                continue
            score = rank + form[1] / 10 + (form[2] != "") + abs(value_of(form) - value) / reach
            if score < nearest:
                best, nearest = (place, form), score
            break
    return best


def relative_error(node: Expression, x: np.ndarray, y: np.ndarray) -> float:
    """Root mean squared error over the standard deviation of y; infinite where the formula is undefined."""
    rest = evaluate(node, x) - y
    if not np.isfinite(rest).all():
        return math.inf
    return float(np.sqrt(np.mean(rest**2)) / max(float(np.std(y)), 1e-300))


def mean_squared_error(node: Expression, x: np.ndarray, y: Sequence[float] | np.ndarray) -> float:
    """Mean squared error; infinite where the formula is undefined."""
    rest = evaluate(node, x) - np.asarray(y)
    return float(np.mean(rest**2)) if np.isfinite(rest).all() else math.inf
