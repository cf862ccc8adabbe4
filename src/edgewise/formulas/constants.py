"""Constants of formulas: least-squares fit, and rounding to closed forms (fractions times pi, sqrt(2), e, ...)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

import numpy as np

from edgewise.formulas.expression import (
    UNITS,
    Call,
    Exact,
    Expression,
    Multiply,
    Number,
    Power,
    constant_values,
    evaluate,
    numbers_of,
    value_of,
    values_and_derivatives,
    with_constants,
)
from edgewise.formulas.rewriting import simplify, with_free_exponents
from edgewise.ops.gauss_newton import DampingRule, LeastSquaresLimits, least_squares
from edgewise.outcomes import Budget, spend
from edgewise.settings import ABOVE_ZERO, CALL_WORK


@dataclass(frozen=True)
class ConstantSettings:
    """Closed forms, and the evidence that they need."""

    # Fractions p / q that count as closed forms: p and q up to this, and whole numbers up to `largest_whole`; 3/(20 pi)
    # and 8/15 are in textbooks; longer fractions are decimals.
    largest_part: int = 100
    largest_whole: int = 2000
    other_unit: float = 4.0  # Length of all other units: one constant of fifty.
    # Relative change of a constant that rounding errors explain after a fit to noise-free data: the fit ends when
    # rounding errors stop it, at 1e-9 or better for constants that the data determine.
    rounding_change: float = 1e-7
    # Closed forms that are tried one by one, at most: more than any formula of a search has constants.
    most_trials: int = 40
    # Largest denominator of exponents that have no error: halves and thirds are those of textbooks.
    short_root: int = 3
    # Nielsen's rule with bounds for constants of any size.
    damping: DampingRule = field(default_factory=lambda: DampingRule(first=1e-3, lowest=1e-14, highest=1e12))


SETTINGS = ConstantSettings()
# Distance of a constant to a closed form, at most, in its standard errors: 99.7 % for normal errors.
STANDARD_ERRORS = 3.0
# Rise of N log(loss) that one parameter less explains: 99 % quantile of chi-square with one degree of freedom.
CHI_SQUARE_99 = 6.6


@dataclass(frozen=True)
class Exactness:
    """Errors that count as rounding, as shares of the standard deviation of the target."""

    # of an exact law on held-out rows: rounding of a few operations in float64 is 1e-16 to 1e-12, and no measurement is
    # as good
    error: float = 1e-9
    # of a formula of sums and powers of a few terms whose constants were fitted in float64
    fitted_error: float = 1e-8
    # of a sum of columns: a few hundred roundings of float64, as powers of one input are nearly dependent columns
    linear_error: float = 1e-10
    # of a few dozen operations in float64: no convincing law must be nearer
    summation_error: float = 3e-14

    def loss(self, variance: float) -> float:
        """Mean squared error of an exact law of a target with this variance, at most."""
        return self.error**2 * variance

    def fitted_loss(self, variance: float) -> float:
        """Mean squared error of an exact formula with fitted constants, at most."""
        return self.fitted_error**2 * variance


EXACT = Exactness()


@dataclass(frozen=True)
class FittedExpression:
    """A formula with fitted constants."""

    expression: Expression  # the formula
    loss: float  # mean squared error
    # standard error of each constant in the order of `constant_values`; 0 for those with a closed form
    errors: tuple[float, ...]


def free_places(node: Expression) -> list[int]:
    """Places in `constant_values` of the free constants, that is of those without a closed form."""
    return [place for place, number in enumerate(numbers_of(node)) if number.exact is None]


@dataclass(frozen=True)
class FreeConstants:
    """The free constants of a formula as a vector."""

    node: Expression  # the formula
    values: np.ndarray  # all its numbers in the order of `constant_values`
    exact: tuple[Exact | None, ...]  # their closed forms
    places: list[int]  # places of the free ones among them

    @classmethod
    def of(cls, node: Expression) -> FreeConstants:
        """Those of a formula."""
        numbers = numbers_of(node)
        exact = tuple(part.exact for part in numbers)
        places = [place for place, form in enumerate(exact) if form is None]
        return cls(node, np.array([part.value for part in numbers]), exact, places)

    @property
    def start(self) -> np.ndarray:
        """Their values in the formula."""
        return self.values[self.places]

    def formula(self, free: np.ndarray) -> Expression:
        """The formula with other values of them."""
        values = self.values.copy()
        values[self.places] = free
        return with_constants(self.node, values, self.exact)

    def spread(self, errors: np.ndarray) -> tuple[float, ...]:
        """Numbers for the free constants, and 0 for the others, in the order of `constant_values`."""
        every = np.zeros(len(self.values))
        every[self.places] = errors
        return tuple(every.tolist())


def root_weights(weights: np.ndarray | None, rows: int) -> np.ndarray:
    """Square roots of weights of mean 1, (N,), by which residuals are multiplied; 1 without weights."""
    if weights is None:
        return np.ones(rows)
    return np.sqrt(weights / weights.mean())


def fit_constants(
    node: Expression,
    x: np.ndarray,
    y: np.ndarray,
    *,
    steps: int = 50,
    weight: np.ndarray | None = None,
    budget: Budget | None = None,
) -> FittedExpression | None:
    """Fit the free constants of a formula to data by Levenberg-Marquardt; None where it is not finite at the start."""
    constants = FreeConstants.of(node)
    root = root_weights(weight, len(y))

    def residuals_and_jacobian(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predicted, derivatives = values_and_derivatives(constants.formula(free), x)
        return (predicted - y) * root, derivatives[:, constants.places] * root[:, None]

    count = len(constants.places)
    if not count:
        steps = 0
    limits = LeastSquaresLimits(steps=steps, is_over=lambda: budget is not None and budget.is_over)
    fit = least_squares(residuals_and_jacobian, constants.start, rule=SETTINGS.damping, limits=limits)
    if fit is None:
        return None
    spend(50 * CALL_WORK)
    errors = standard_errors(fit.jacobian, fit.loss / max(len(y) - count, 1))
    return FittedExpression(constants.formula(fit.x), fit.loss / len(y), constants.spread(errors))


def standard_errors(jacobian: np.ndarray, variance: float) -> np.ndarray:
    """Standard errors of fitted numbers from the derivatives (N, P) of residuals with a variance; (P,)."""
    # A number that no residual depends on has an infinite one.
    with np.errstate(over="ignore", invalid="ignore"):
        # Columns of length 1: numbers of any unit, such as 1e-23, count alike when the inverse is cut off.
        lengths = np.linalg.norm(jacobian, axis=0)
        scale = np.maximum(lengths, ABOVE_ZERO)
        gram = (jacobian / scale).T @ (jacobian / scale)
        if not np.isfinite(gram).all():
            return np.full(len(gram), math.inf)
        errors = np.sqrt(np.abs(np.diag(np.linalg.pinv(gram, hermitian=True))) * variance) / scale
        return np.where(lengths > 0, errors, math.inf)


def errors_of(
    node: Expression, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Standard errors of the numbers of a fitted formula and of its exponents, 0 for closed forms, in their orders."""
    free = with_free_exponents(node, x, SETTINGS.short_root)
    fitted = fit_constants(free, x, y, steps=0, weight=weight)
    if fitted is None:
        return (), ()
    every = iter(fitted.errors)
    numbers: list[float] = []
    exponents: list[float] = []

    def sort_out(part: Expression, changed: Expression) -> None:
        """Take the errors in the order of `walk`; an exponent that became a number stands before those of its base."""
        match part, changed:
            case Number(), _:
                numbers.append(next(every))
            case Power(), Call(argument=Multiply((_, inner))):
                exponents.append(next(every))
                changed = inner
            case Power(), _:
                exponents.append(0.0)
        for pair in zip(part.parts, changed.parts, strict=True):
            sort_out(*pair)

    sort_out(node, free)
    return tuple(numbers), tuple(exponents)


def without_redundant_constants(
    node: Expression, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None
) -> Expression:
    """Set constants to 1 or -1 that the others can make up for, such as the first in a*sqrt(b*x + c)."""
    # The derivatives of the formula by such constants are linearly dependent. One of the most dependent is fixed and
    # the others are fitted again, until none is dependent; then the formula is simplified. The given one stays where
    # none is as accurate.
    fitted = fit_constants(node, x, y, steps=60, weight=weight)
    if fitted is None:
        return node
    node = fitted.expression
    limit = fitted.loss * (1 + SETTINGS.rounding_change) + SETTINGS.rounding_change**2 * float(np.var(y))
    for _ in free_places(node):
        places = free_places(node)
        if len(places) < 2:
            return node
        # The Jacobian by relative changes of the free constants; a singular value of zero shows a dependent one.
        values = np.array(constant_values(node))
        jacobian = values_and_derivatives(node, x)[1][:, places] * values[places]
        if not np.isfinite(jacobian).all():
            return node
        sizes = np.maximum(np.linalg.norm(jacobian, axis=0), ABOVE_ZERO)
        *_, strengths, directions = np.linalg.svd(jacobian / sizes, full_matrices=False)
        if strengths[-1] > SETTINGS.rounding_change * strengths[0]:
            return node
        # The constants with the largest shares in that direction are tried first: one of them becomes 1 or -1.
        exact = [number.exact for number in numbers_of(node)]
        for k in np.argsort(-np.abs(directions[-1] / sizes)):
            place = places[k]
            trial_values = values.copy()
            trial_exact = list(exact)
            trial_values[place] = math.copysign(1.0, values[place])
            trial_exact[place] = (int(trial_values[place]), 1, "")
            trial = fit_constants(with_constants(node, trial_values, trial_exact), x, y, steps=60, weight=weight)
            if trial is not None and trial.loss <= limit:
                node = simplify(trial.expression)
                break
        else:
            return node
    return node


def closed_forms(value: float, reach: float) -> Iterator[Exact]:
    """Closed forms within a distance of a value, the shortest first; if 0 is within it, 0 is the only one."""
    # They are whole numbers, fractions, and these times a unit of `UNITS`.
    if abs(value) <= reach:
        yield 0, 1, ""
        return
    if not (math.isfinite(value) and reach >= 0):
        return
    values, lengths, forms = _all_closed_forms()
    low, high = np.searchsorted(values, [abs(value) - reach, abs(value) + reach])
    sign = int(math.copysign(1.0, value))
    for place in low + np.argsort(lengths[low:high], kind="stable"):
        p, q, unit = forms[place]
        if abs(value_of((p, q, unit)) - abs(value)) <= reach:
            yield sign * p, q, unit


@cache
def _all_closed_forms() -> tuple[np.ndarray, np.ndarray, list[Exact]]:
    """Values and lengths of all positive closed forms, in the order of their values; of equal ones the shortest."""
    parts = range(1, SETTINGS.largest_part + 1)
    fractions = [(p, q) for p in parts for q in parts if math.gcd(p, q) == 1]
    forms = [(p, q, unit) for unit in UNITS for p, q in fractions]
    forms += [(p, 1, "") for p in range(SETTINGS.largest_part + 1, SETTINGS.largest_whole + 1)]
    values = np.array([value_of(form) for form in forms])
    lengths = np.array([form_length(form) for form in forms])
    order = np.lexsort((lengths, values))
    return values[order], lengths[order], [forms[place] for place in order]


def form_length(form: Exact) -> float:
    """Length of a closed form in nats: log |p| + log q and the length of its unit."""
    p, q, unit = form
    # Lengths of units in nats, beside log p + log q: pi occurs in one constant of five in physics books, the others in
    # one of twenty to fifty.
    lengths = {"": 0.0, "pi": 1.5, "1/pi": 2.0, **dict.fromkeys(("sqrt(2)", "sqrt(3)", "e", "sqrt(pi)", "pi**2"), 3.0)}
    return math.log(max(abs(p), 1)) + math.log(q) + lengths.get(unit, SETTINGS.other_unit)


def evidence_for(form: Exact, value: float, error: float) -> float:
    """Bayes factor of a closed form against a free constant, given a fitted value with a standard error."""
    # Without a closed form the constant is uniform between half and twice its size. With one it is any of the forms
    # there that are no longer, with equal chances. The marginal likelihoods of a normal estimate then have the ratio
    # exp(-z^2 / 2) W / (n s sqrt(2 pi)), with z the distance in standard errors s, n the number of forms and W the
    # width of the interval. So 3/pi is no evidence for a constant that is known to 1 %, and pi is strong evidence for
    # one that is known to eight digits.
    # R. Kass, A. Raftery, "Bayes factors", Journal of the American Statistical Association 90 (1995), section 3.
    size = abs(value_of(form))
    values, lengths, _ = _all_closed_forms()
    low, high = np.searchsorted(values, [size / 2, 2 * size])
    count = max(int((lengths[low:high] <= form_length(form) + 1e-12).sum()), 1)
    misfit = min(abs(value - value_of(form)) / max(error, ABOVE_ZERO), 40.0)  # beyond, the likelihood is 0
    return math.exp(-(misfit**2) / 2) * 1.5 * size / (count * max(error, ABOVE_ZERO) * math.sqrt(2 * math.pi))


def recognise(
    fitted: FittedExpression,
    x: np.ndarray,
    y: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    budget: Budget | None = None,
) -> FittedExpression:
    """Replace fitted constants by closed forms wherever the data allow it, and fit the others again."""
    # First every constant near a closed form is replaced at once; if the loss rises too much, one constant after
    # another. A closed form has to lie within `STANDARD_ERRORS` standard errors of the constant, or rounding errors,
    # and the Bayes factor of it against a free constant has to be strong evidence (`evidence_for`).
    exact_loss = EXACT.loss(float(np.var(y)))

    def with_forms(forms: dict[int, Exact]) -> FittedExpression | None:
        """The fit with closed forms at some places; None if the loss rises too much."""
        numbers = numbers_of(fitted.expression)
        values = [part.value for part in numbers]
        exact = [part.exact for part in numbers]
        for place, form in forms.items():
            values[place] = value_of(form)
            exact[place] = form
        node = simplify(with_constants(fitted.expression, values, exact))
        trial = fit_constants(node, x, y, steps=15, weight=weight, budget=budget)
        allowed = exact_loss
        if fitted.loss > exact_loss:
            allowed = fitted.loss * (1 + CHI_SQUARE_99 / len(y))
        if trial is not None and trial.loss <= allowed:
            return trial
        return None

    # All constants that are near closed forms at once.
    values = constant_values(fitted.expression)
    nearest = {
        place: next(convincing_forms(values[place], fitted.errors[place]), None)
        for place in free_places(fitted.expression)
    }
    fitted = with_forms({place: form for place, form in nearest.items() if form is not None}) or fitted
    # Then one after the other; a refused form is not tried again at the same value.
    refused: set[tuple[float, Exact]] = set()
    for _ in range(SETTINGS.most_trials):
        best = _nearest_closed_form(fitted, refused)
        if best is None or (budget is not None and budget.is_over):
            break
        place, form = best
        trial = with_forms({place: form})
        if trial is None:
            refused.add((round(constant_values(fitted.expression)[place], 9), form))
        else:
            fitted = trial
    return fitted


def convincing_forms(value: float, error: float) -> Iterator[Exact]:
    """Closed forms of a constant with an error for which there is strong evidence, the strongest first; 0 always."""
    reach = min(_uncertainty(value, error), 0.2 * abs(value) + 1e-3)
    shortest = list(islice(closed_forms(value, reach), SETTINGS.most_trials))
    spend(100 * CALL_WORK)
    if shortest and shortest[0][0] == 0:
        yield shortest[0]
        return
    factors = {form: evidence_for(form, value, reach / STANDARD_ERRORS) for form in shortest}
    # A closed form is preferred to a free constant from a Bayes factor of 20 on, where "strong evidence" begins in Kass
    # and Raftery, "Bayes factors", Journal of the American Statistical Association 90 (1995).
    convincing = [form for form, factor in factors.items() if factor >= 20]
    yield from sorted(convincing, key=lambda form: -factors[form])


def _uncertainty(value: float, error: float) -> float:
    return max(STANDARD_ERRORS * error, SETTINGS.rounding_change * abs(value), 1e-9)


def _nearest_closed_form(fitted: FittedExpression, refused: set[tuple[float, Exact]]) -> tuple[int, Exact] | None:
    """Place and closed form of the constant that is nearest to a simple one, relative to its uncertainty."""
    values = constant_values(fitted.expression)
    best = None
    lowest = math.inf
    for place in free_places(fitted.expression):
        value = values[place]
        error = fitted.errors[place]
        for rank, form in enumerate(convincing_forms(value, error)):
            if (round(value, 9), form) in refused:
                continue
            distance = abs(value_of(form) - value) / _uncertainty(value, error)
            score = rank + form_length(form) + distance
            if score < lowest:
                best = (place, form)
                lowest = score
            break
    return best


def relative_error(node: Expression, x: np.ndarray, y: np.ndarray) -> float:
    """Root mean squared error over the standard deviation of y; infinite if the formula is undefined at a row."""
    error = mean_squared_error(node, x, y)
    if math.isinf(error):
        return math.inf
    return float(np.sqrt(error) / max(float(np.std(y)), ABOVE_ZERO))


def mean_squared_error(
    node: Expression, x: np.ndarray, y: Sequence[float] | np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Mean squared error, weighted if there are weights; infinite if the formula is undefined at a row."""
    residuals = evaluate(node, x) - np.asarray(y)
    if np.isfinite(residuals).all():
        return float(np.average(residuals**2, weights=weights))
    return math.inf
