"""Constants of formulas: least-squares fit, and rounding to closed forms (fractions times pi, sqrt(2), e, ...)."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgewise.formulas.algebra import simplify
from edgewise.formulas.expression import (
    UNITS,
    Exact,
    Expression,
    Number,
    constant_values,
    evaluate,
    values_and_derivatives,
    walk,
    with_constants,
)
from edgewise.ops.gauss_newton import DampingRule, LeastSquaresLimits, least_squares
from edgewise.settings import ABOVE_ZERO

# Fractions p / q that count as closed forms: denominators, and the largest numerator. A choice: the fractions in
# formulas of textbooks. Whole numbers may be a hundred times as large.
DENOMINATORS = (1, 2, 3, 4, 5, 6, 8, 10)
LARGEST_NUMERATOR = 20
# Relative change of a constant that rounding errors explain after a fit to noise-free data. A choice: the fit ends when
# a step lowers the sum of squares by less than 1e-10 of it, and 1e-5 is the square root of that.
ROUNDING_CHANGE = 1e-5
# Distance of a constant to a closed form, at most, in its standard errors: 99.7 % for normal errors.
STANDARD_ERRORS = 3.0
# Probability, at most, that a number drawn at random near a constant has a closed form as short within the uncertainty
# of the constant: the usual 1 % level. Below it the closed form is evidence of a law, above it of chance.
CHANCE_OF_A_NAME = 0.01
# Rise of N log(loss) that one parameter less explains: 99 % quantile of chi-square with one degree of freedom.
CHI_SQUARE_99 = 6.6
# Closed forms that are tried one by one, at most. A choice: more than any formula of a search has constants.
MOST_TRIALS = 40
# Nielsen's rule with bounds for constants of any size. A choice, kept so that formulas found before stay the same.
CONSTANT_DAMPING = DampingRule(first=1e-3, lowest=1e-14, highest=1e12)


@dataclass(frozen=True)
class FittedExpression:
    """A formula with fitted constants.

    Parameters
    ----------
    expression : Expression
        The formula.
    loss : float
        Mean squared error.
    errors : tuple of float
        Standard error of each constant in the order of `constant_values`; 0 for those with a closed form.

    Examples
    --------
    >>> from edgewise.formulas import parse_expression
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> fitted = fit_constants(parse_expression("1.5*x"), x, np.array([0.0, 2.0, 4.0, 7.0]))
    >>> round(fitted.loss, 4), round(fitted.errors[0], 4)
    (0.0893, 0.0922)
    """

    expression: Expression
    loss: float
    errors: tuple[float, ...]


def free_places(node: Expression) -> list[int]:
    """Places in `constant_values` of the free constants, that is of those without a closed form."""
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
    """Fit the free constants of a formula to data by Levenberg-Marquardt.

    Parameters
    ----------
    node : Expression
        The formula; its constants are the start. Constants with a closed form stay.
    x : ndarray, shape (N, inputs)
        The inputs.
    y : ndarray, shape (N,)
        The targets.
    steps : int
        Largest number of steps.
    weight : ndarray, shape (N,), optional
        Weights of the squared errors; by default all are equal.
    deadline : float
        Reading of `time.monotonic` after which no further step is made.

    Returns
    -------
    FittedExpression or None
        The fit; None if the formula, or a derivative, is not finite at a row.

    Notes
    -----
    The standard errors are those of the linearised model: the roots of the diagonal of s^2 (J'J)^+, with s^2 the sum of
    squares over N minus the number of free constants (J has the derivatives of the residuals).

    Examples
    --------
    >>> from edgewise.formulas import as_text, parse_expression
    >>> x = np.linspace(0.0, 1.0, 20)[:, None]
    >>> fitted = fit_constants(parse_expression("1.5*exp(0.5*x)"), x, 2.5 * np.exp(-x[:, 0]))
    >>> as_text(fitted.expression, ["x"])
    '2.5*exp(-x)'
    """
    places = free_places(node)
    numbers = [part for part in walk(node) if isinstance(part, Number)]
    exact = [part.exact for part in numbers]
    values = np.array([part.value for part in numbers])
    root = None if weight is None else np.sqrt(weight / weight.mean())

    def residuals_and_jacobian(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        trial = values.copy()
        trial[places] = free
        predicted, derivatives = values_and_derivatives(with_constants(node, trial, exact), x)
        residuals, jacobian = predicted - y, derivatives[:, places]
        return (residuals, jacobian) if root is None else (residuals * root, jacobian * root[:, None])

    limits = LeastSquaresLimits(steps=steps if places else 0, deadline=deadline)
    fit = least_squares(residuals_and_jacobian, values[places], rule=CONSTANT_DAMPING, limits=limits)
    if fit is None:
        return None
    values[places] = fit.x
    errors = np.zeros(len(values))
    if places:
        variance = fit.loss / max(len(y) - len(places), 1)
        with np.errstate(over="ignore", invalid="ignore"):
            gram = fit.jacobian.T @ fit.jacobian
            if np.isfinite(gram).all():
                errors[places] = np.sqrt(np.abs(np.diag(np.linalg.pinv(gram, hermitian=True))) * variance)
            else:
                errors[places] = math.inf
    return FittedExpression(with_constants(node, values, exact), fit.loss / len(y), tuple(errors.tolist()))


def closed_forms(value: float, reach: float) -> Iterator[Exact]:
    """Closed forms within a distance of a value, the simplest first.

    Parameters
    ----------
    value : float
        The number.
    reach : float
        Largest distance. If 0 is within it, 0 is the only form.

    Yields
    ------
    Exact
        Whole numbers, fractions, and these times a unit of `UNITS`.

    Examples
    --------
    >>> next(closed_forms(1.5708, 1e-4))
    (1, 2, 'pi')
    """
    if abs(value) <= reach:
        yield 0, 1, ""
        return
    forms = []
    for unit, size in UNITS.items():
        for q in DENOMINATORS:
            p = round(value / size * q)
            largest = LARGEST_NUMERATOR * (100 if q == 1 and not unit else 1)
            if p and math.gcd(p, q) == 1 and abs(p * size / q - value) <= reach and abs(p) <= largest:
                forms.append((_length((p, q, unit)), (p, q, unit)))
    yield from (form for _, form in sorted(forms))


def _length(form: Exact) -> float:
    """Length of a closed form: a unit costs more than a fraction, a fraction more than a whole number."""
    p, q, unit = form
    return (unit != "") * 3 + (unit not in ("", "pi")) * 3 + 2 * (q > 1) + q / 5 + abs(p) / 20


@cache
def _all_closed_forms() -> tuple[np.ndarray, np.ndarray]:
    """Values and lengths of all positive closed forms, in the order of their values."""
    forms = [
        (p, q, unit)
        for unit in UNITS
        for q in DENOMINATORS
        for p in range(1, LARGEST_NUMERATOR * (100 if q == 1 and not unit else 1) + 1)
        if math.gcd(p, q) == 1
    ]
    forms.sort(key=value_of)
    return np.array([value_of(form) for form in forms]), np.array([_length(form) for form in forms])


def chance_of_a_name(form: Exact, reach: float) -> float:
    """Expected number of closed forms, as short as a given one, within a distance of a number drawn near it.

    The number is drawn uniformly between half and twice the value of the form. Where this expectation is small it is
    the probability that a constant without any meaning has so short a name, so it decides whether a name is evidence:
    3/pi says nothing about a constant that is known to 1 %, pi says much about one that is known to eight digits.

    Parameters
    ----------
    form : tuple (p, q, unit)
        The closed form, other than 0.
    reach : float
        Distance up to which a form counts as equal to the number.

    Returns
    -------
    float
        The expected number, at least 0.

    Examples
    --------
    >>> chance_of_a_name((3, 1, "1/pi"), 0.01) > 0.5
    True
    >>> chance_of_a_name((1, 1, "pi"), 1e-6) < 1e-4
    True
    """
    size = abs(value_of(form))
    values, lengths = _all_closed_forms()
    low, high = np.searchsorted(values, [size / 2, 2 * size])
    return float((lengths[low:high] <= _length(form)).sum() * 2 * reach / (1.5 * size))


def value_of(form: Exact) -> float:
    """The value of a closed form: p / q times the unit."""
    return form[0] / form[1] * UNITS[form[2]]


def recognise(
    fitted: FittedExpression, x: np.ndarray, y: np.ndarray, *, floor: float, deadline: float = math.inf
) -> FittedExpression:
    """Replace fitted constants by closed forms wherever the data allow it, and fit the others again.

    First every constant near a closed form is replaced at once; if the loss rises too much, one constant after another.
    A closed form has to lie within rounding errors or `STANDARD_ERRORS` standard errors of the constant, and so close
    that a constant without meaning would hardly have so short a name there (`chance_of_a_name`).

    Parameters
    ----------
    fitted : FittedExpression
        The formula with its fitted constants.
    x : ndarray, shape (N, inputs)
        The inputs.
    y : ndarray, shape (N,)
        The targets.
    floor : float
        Share of the variance of y below which a loss is exact. A loss above it may rise by a factor of
        1 + `CHI_SQUARE_99` / N, which is what one parameter less explains; one below it may rise to it.
    deadline : float
        Reading of `time.monotonic` after which no further constant is tried.

    Returns
    -------
    FittedExpression
        The formula with the closed forms.

    Examples
    --------
    >>> from edgewise.formulas import as_text, parse_expression
    >>> x = np.linspace(0.0, 1.0, 20)[:, None]
    >>> y = np.pi * x[:, 0] + 1 / 3
    >>> fitted = fit_constants(parse_expression("3.1*x + 0.3"), x, y)
    >>> as_text(recognise(fitted, x, y, floor=1e-16).expression, ["x"])
    'pi*x + 1/3'
    """
    exact_loss = floor * float(np.var(y))

    def with_forms(forms: dict[int, Exact]) -> FittedExpression | None:
        """The fit with closed forms at some places; None if the loss rises too much."""
        numbers = [part for part in walk(fitted.expression) if isinstance(part, Number)]
        values = [value_of(forms[k]) if k in forms else part.value for k, part in enumerate(numbers)]
        exact = [forms.get(k, part.exact) for k, part in enumerate(numbers)]
        node = simplify(with_constants(fitted.expression, values, exact))
        trial = fit_constants(node, x, y, steps=15, deadline=deadline)
        allowed = fitted.loss * (1 + CHI_SQUARE_99 / len(y)) if fitted.loss > exact_loss else exact_loss
        return trial if trial is not None and trial.loss <= allowed else None

    values = constant_values(fitted.expression)
    nearest = {
        place: next(_convincing_forms(values[place], fitted.errors[place]), None)
        for place in free_places(fitted.expression)
    }
    fitted = with_forms({place: form for place, form in nearest.items() if form is not None}) or fitted
    refused: set[tuple[float, Exact]] = set()
    for _ in range(MOST_TRIALS):
        best = _nearest_closed_form(fitted, refused)
        if best is None or time.monotonic() > deadline:
            break
        place, form = best
        trial = with_forms({place: form})
        if trial is None:
            refused.add((round(constant_values(fitted.expression)[place], 9), form))
        else:
            fitted = trial
    return fitted


def _convincing_forms(value: float, error: float) -> Iterator[Exact]:
    """Closed forms of a constant with a standard error that chance does not explain, the simplest first; 0 always."""
    reach = min(_uncertainty(value, error), 0.2 * abs(value) + 1e-3)
    for form in closed_forms(value, reach):
        if form[0] == 0 or chance_of_a_name(form, reach) <= CHANCE_OF_A_NAME:
            yield form


def _uncertainty(value: float, error: float) -> float:
    return max(STANDARD_ERRORS * error, ROUNDING_CHANGE * abs(value), 1e-9)


def _nearest_closed_form(fitted: FittedExpression, refused: set[tuple[float, Exact]]) -> tuple[int, Exact] | None:
    """Place and closed form of the constant that is nearest to a simple one, relative to its uncertainty."""
    values = constant_values(fitted.expression)
    best, lowest = None, math.inf
    for place in free_places(fitted.expression):
        value, error = values[place], fitted.errors[place]
        for rank, form in enumerate(_convincing_forms(value, error)):
            if (round(value, 9), form) in refused:
                continue
            distance = abs(value_of(form) - value) / _uncertainty(value, error)
            score = rank + form[1] / 10 + (form[2] != "") + distance
            if score < lowest:
                best, lowest = (place, form), score
            break
    return best


def relative_error(node: Expression, x: np.ndarray, y: np.ndarray) -> float:
    """Root mean squared error over the standard deviation of y; infinite if the formula is undefined at a row."""
    error = mean_squared_error(node, x, y)
    return math.inf if math.isinf(error) else float(np.sqrt(error) / max(float(np.std(y)), ABOVE_ZERO))


def mean_squared_error(node: Expression, x: np.ndarray, y: Sequence[float] | np.ndarray) -> float:
    """Mean squared error; infinite if the formula is undefined at a row."""
    residuals = evaluate(node, x) - np.asarray(y)
    return float(np.mean(residuals**2)) if np.isfinite(residuals).all() else math.inf
