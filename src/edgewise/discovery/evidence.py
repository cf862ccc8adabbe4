"""Parts of a formula that the data determine: its functions, its digits, and the origin of inputs such as years.

A fit gives every constant sixteen digits and every curve a function, whether the rows determine them or not. The steps
here take back what they do not determine: a function of a column with two values is a straight line, a function that
the rows cannot distinguish from a straight line becomes one, inputs far from zero are counted from a round number in
their middle, and constants keep the digits that their standard errors allow. A function that may be a step between two
rows is no part of a law (`determines_slopes`): its slope has a profile likelihood without an upper end [1]_.

References
----------
.. [1] S. Wilks, "The large-sample distribution of the likelihood ratio for testing composite hypotheses", Annals of
   Mathematical Statistics 9 (1938).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.discovery.curves.features import has_two_values
from edgewise.formulas.constants import (
    CHI_SQUARE_99,
    EXACT,
    FittedExpression,
    fit_constants,
    free_places,
    root_weights,
)
from edgewise.formulas.constants import SETTINGS as CONSTANTS
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    constant_values,
    evaluate,
    exact_number,
    exchanged,
    nodes_of,
    numbers_of,
    replaced,
    used_variables,
    values_and_derivatives,
    walk,
    with_constants,
)
from edgewise.formulas.rewriting import simplify, split_number, with_free_exponents, with_one_factor
from edgewise.outcomes import Budget


@dataclass(frozen=True)
class EvidenceSettings:
    """What counts as far, straight and cancelled."""

    # A column is far from zero if its middle is at least this many times its range away: years of two centuries are
    # (1920 over 200), temperatures in kelvin over less than 60 degrees as well; there the largest value exceeds the
    # smallest by at most a fifth, so that logarithms and powers are nearly straight lines.
    far_from_zero: float = 5.0
    # Share of the variance of a function that a straight line of its argument leaves, at most, for the line to be
    # tried: such a curve is hardly seen in a plot.
    nearly_straight: float = 0.01
    # Size of a term of a sum over the standard deviation of the sum, at most: with six printed digits the sum keeps
    # three.
    largest_cancellation: float = 1e3
    # Times that a slope is doubled, and Levenberg-Marquardt steps of the other constants at each.
    doublings: int = 3
    profile_steps: int = 8
    # Arguments of exp are no larger there, so that exp(-exp(u)) and its derivative are numbers of float64.
    largest_exponent: float = 300.0


SETTINGS = EvidenceSettings()


def origins(x: np.ndarray) -> dict[int, Number]:
    """Round numbers in the middle of the columns of x (N, inputs) that are far from zero, by column."""
    # They are exact, rounded to the leading digit of the column's range: 1970 for years from 1931 to 2012.
    found = {}
    for column in range(x.shape[1]):
        low = float(x[:, column].min())
        high = float(x[:, column].max())
        middle = (low + high) / 2
        spread = high - low
        if spread > 0 and abs(middle) > SETTINGS.far_from_zero * spread:
            unit = 10.0 ** math.floor(math.log10(spread))
            found[column] = exact_number(float(f"{round(middle / unit) * unit:.12g}"))
    return found


def from_origin(column: int, origin: dict[int, Number]) -> Expression:
    """An input, minus its origin if it has one, see `origins`."""
    if column not in origin:
        return Variable(column)
    return Add((Variable(column), exact_number(-origin[column].value)))


def counted_from_origins(node: Expression, origin: dict[int, Number]) -> Expression:
    """Write sums a x + b with a column x that is far from zero as a (x - origin) + c, with the same values."""
    # The origins are those of `origins`; sums without a number stay as they are.
    node = node.with_parts([counted_from_origins(part, origin) for part in node.parts])
    match node:
        case Add(terms) if not _is_shift(terms):
            return _counted_sum(node, terms, origin)
    return node


def _counted_sum(node: Expression, terms: Sequence[Expression], origin: dict[int, Number]) -> Expression:
    """The sum of these terms, with columns counted from their origins; `node` without a number or such a column."""
    numbers: list[float] = []
    shifts: list[float] = []
    others: list[Expression] = []
    for term in terms:
        match term, split_number(term):
            case Number(value), _:
                numbers.append(value)
            case _, (factor, Variable(column)) if column in origin:
                shifts.append(factor.value * origin[column].value)
                shifted = from_origin(column, origin)
                others.append(shifted if factor.value == 1 else Multiply((factor, shifted)))
            case _:
                others.append(term)
    # a x + b = a (x - origin) + (b + a origin).
    if not numbers or not shifts:
        return node
    return Add((*others, Number(sum([*numbers, *shifts]))))


def _is_shift(terms: Sequence[Expression]) -> bool:
    """True for a sum of an input and a number: it has an origin already."""
    match terms:
        case [Variable(), _] | [_, Variable()]:
            return True
    return False


def with_lines_for_two_values(node: Expression, x: np.ndarray) -> Expression:
    """Replace functions of a column of x (N, inputs) with two values by the lines through them, which are the same."""
    # Functions that are not finite at a value stay.
    columns = [k for k in range(x.shape[1]) if has_two_values(x[:, k]) and np.ptp(x[:, k]) > 0]

    def line_of(part: Expression) -> Expression | None:
        match part, used_variables(part):
            case Call() | Power(), [column] if column in columns:
                # The line through the values of the function at the two values of its column.
                ends = x[[x[:, column].argmin(), x[:, column].argmax()]]
                low, high = evaluate(part, ends)
                if np.isfinite([low, high]).all():
                    slope = (high - low) / (ends[1, column] - ends[0, column])
                    line = Multiply((Number(float(slope)), Variable(column)))
                    return Add((line, Number(float(low - slope * ends[0, column]))))
        return None

    if columns:
        return exchanged(node, line_of)
    return node


def with_decided_functions(
    fitted: FittedExpression,
    x: np.ndarray,
    y: np.ndarray,
    *,
    weight: np.ndarray | None,
    budget: Budget | None,
) -> FittedExpression:
    """Replace functions by straight lines of their arguments where the rows cannot distinguish the two."""
    # A function is replaced if a straight line leaves at most `nearly_straight` of its variance over the rows and the
    # formula with the line, fitted again, has a sum of squares that is higher by no more than chance explains for one
    # parameter. log(year) becomes the year, and exp(u) with u near 0 becomes u + 1. No further form is tried once the
    # budget is over.
    for form in _with_one_line(fitted.expression, x):
        if budget is not None and budget.is_over:
            break
        trial = fit_constants(with_one_factor(form), x, y, steps=10, weight=weight, budget=budget)
        if trial is not None and trial.loss <= fitted.loss * (1 + CHI_SQUARE_99 / len(y)):
            return with_decided_functions(trial, x, y, weight=weight, budget=budget)
    return fitted


def _with_one_line(node: Expression, x: np.ndarray) -> Iterator[Expression]:
    """The formula with one function replaced by the straight line nearest to it over the rows, a form for each."""
    match node:
        case Call(argument=argument) | Power(base=argument):
            with np.errstate(all="ignore"):
                values = evaluate(node, x)
                inner = evaluate(argument, x)
            # Simple linear regression of the function on its argument.
            spread = float(np.std(inner))
            if np.isfinite(values).all() and np.isfinite(inner).all() and spread > 0 and np.std(values) > 0:
                slope = float(np.mean((inner - inner.mean()) * (values - values.mean()))) / spread**2
                rest = values - values.mean() - slope * (inner - inner.mean())
                if np.var(rest) <= SETTINGS.nearly_straight * np.var(values):
                    offset = float(values.mean() - slope * inner.mean())
                    yield Add((Multiply((Number(slope), argument)), Number(offset)))
    # The same for each part below.
    parts = node.parts
    for place, part in enumerate(parts):
        for other in _with_one_line(part, x):
            yield node.with_parts((*parts[:place], other, *parts[place + 1 :]))


def determines_slopes(
    node: Expression, x: np.ndarray, y: np.ndarray, variance: float, weight: np.ndarray | None = None
) -> bool:
    """False if a function of a fitted formula may be a step, for errors at rows x, y of at least a variance."""
    # The argument of an exponential, of a power among them, of tanh or of atan is doubled a few times, and all
    # constants outside of it and its shift are fitted again; where there are several, those of all together, too. If
    # the loss stays within the interval of Wilks' theorem, the profile likelihood of the slope has no upper end: no row
    # lies on the step, and any steeper one is as good.
    free = with_free_exponents(node, x, CONSTANTS.short_root)
    root = root_weights(weight, len(x))
    loss = float(np.mean(((evaluate(free, x) - y) * root) ** 2))
    most = loss + CHI_SQUARE_99 * max(variance, loss) / len(y)
    # Functions that are steps where their slopes are large, one by one and all together.
    functions = list(dict.fromkeys(call for call in nodes_of(free, Call) if call.name in ("exp", "tanh", "atan")))
    groups = [[part] for part in functions]
    if len(functions) > 1:
        groups.append(functions)
    return not any(_may_be_steps(free, group, x, y, most, weight) for group in groups)


def _may_be_steps(
    node: Expression, functions: Sequence[Call], x: np.ndarray, y: np.ndarray, most: float, weight: np.ndarray | None
) -> bool:
    """True if the loss stays below `most` wherever arguments of functions are larger, see `determines_slopes`."""
    # The arguments are columns, so that their slopes are fixed; exp(u + log k) for k exp(u) has its threshold at zero.
    form = node
    columns: list[np.ndarray] = []
    limits: list[float] = []
    for part in functions:
        argument = evaluate(part.argument, x)
        steeper = Call(part.name, Add((Variable(x.shape[1] + len(columns)), Number(0.0))))
        form = replaced(form, part, steeper)
        products = [each for each in nodes_of(form, Multiply) if steeper in each.factors]
        if part.name == "exp" and products:
            number, _ = split_number(products[0])
            argument = argument + math.log(abs(number.value))
            others = products[0].factors_without_numbers
            form = replaced(form, products[0], Multiply((Number(math.copysign(1.0, number.value)), *others)))
        columns.append(argument)
        limits.append(SETTINGS.largest_exponent if part.name == "exp" else math.inf)

    def with_doubled_shift(each: Expression) -> Expression | None:
        match each:
            case Add((Variable(column) as argument, Number(shift))) if column >= x.shape[1]:
                return Add((argument, Number(2 * shift)))
        return None

    # The profile likelihood at slopes 2, 4, 8, ... times the fitted ones: the threshold stays, the other constants are
    # fitted.
    arguments = np.column_stack(columns)
    for _ in range(SETTINGS.doublings):
        arguments = np.clip(2 * arguments, np.negative(limits), limits)
        form = exchanged(form, with_doubled_shift)
        fitted = fit_constants(form, np.column_stack([x, arguments]), y, steps=SETTINGS.profile_steps, weight=weight)
        if fitted is None or fitted.loss > most:
            return False
        form = fitted.expression
    return True


def largest_cancellation(node: Expression, x: np.ndarray) -> float:
    """Size of the largest term of a sum in a formula over the standard deviation of the sum, over rows (N, inputs)."""
    # The root mean square of a term is its size. A sum of an input and a number, such as year - 1970, does not count;
    # the result is 0 for a formula without sums.
    largest = 0.0
    for part in walk(node):
        match part:
            case Add(terms) if not _is_shift(terms):
                with np.errstate(all="ignore"):
                    size = max(float(np.sqrt(np.mean(evaluate(term, x) ** 2))) for term in terms)
                    spread = float(np.std(evaluate(part, x)))
                if spread > 0:
                    largest = max(largest, size / spread)
    return largest


def with_decided_digits(node: Expression, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Expression:
    """Round the free constants of a fitted formula to the digits that the data decide."""
    # One constant after another is rounded to the decimal place of the leading digit of its standard error, given those
    # that are rounded already, and the others move along the valley of the least squares. Each rounding raises the sum
    # of squares by at most a quarter of the residual variance: less than the fit of one constant to noise lowers it.
    # The formula stays as it is if its derivatives are not finite or the rounded one is clearly worse, as it may be
    # where it is far from linear in its constants.
    places = free_places(node)
    values = np.array(constant_values(node))
    predicted, derivatives = values_and_derivatives(node, x)
    jacobian = derivatives[:, places]
    if not places or len(y) <= len(places) or not (np.isfinite(predicted).all() and np.isfinite(jacobian).all()):
        return node
    # Normal equations with columns scaled to length 1, and the residual variance.
    root = root_weights(weight, len(y))
    jacobian = jacobian * root[:, None]
    squares = float(np.sum(((predicted - y) * root) ** 2))
    variance = squares / (len(y) - len(places))
    scale = np.maximum(np.sqrt(np.sum(jacobian**2, 0)), np.finfo(float).tiny)
    gram = (jacobian / scale).T @ (jacobian / scale)
    left = list(range(len(places)))
    while left:
        # Standard error of the constant given the ones that are rounded already.
        covariance = np.linalg.pinv(gram[np.ix_(left, left)], hermitian=True)
        place = places[left[0]]
        error = math.sqrt(variance * max(float(covariance[0, 0]), 0.0)) / scale[left[0]]
        rounded = float(values[place])
        if 0 < error < math.inf:  # to the decimal place of the leading digit of the error
            unit = 10.0 ** math.floor(math.log10(error))
            if abs(rounded) < 1e15 * unit:
                rounded = float(f"{round(rounded / unit) * unit:.15g}")
        # The others move to their least-squares values given the rounded one.
        if covariance[0, 0] > 0:
            move = (rounded - values[place]) * scale[left[0]] * covariance[:, 0] / covariance[0, 0]
            for k, change in zip(left[1:], move[1:], strict=True):
                values[places[k]] += change / scale[k]
        values[place] = rounded
        left = left[1:]
    # The rounded formula is taken if its sum of squares is higher by no more than chance explains for these constants.
    exact = [number.exact for number in numbers_of(node)]
    candidate = simplify(with_constants(node, values.tolist(), exact))
    with np.errstate(all="ignore"):
        worse = float(np.sum(((evaluate(candidate, x) - y) * root) ** 2)) - squares
    if worse <= max(len(places), CHI_SQUARE_99) * variance:
        return candidate
    return node


def decided_form(
    node: Expression,
    x: np.ndarray,
    y: np.ndarray,
    *,
    weight: np.ndarray | None,
    budget: Budget | None,
) -> Expression | None:
    """A formula with no more functions than the data decide, or None if its terms cancel each other beyond reading."""
    # Its constants keep all digits; `with_decided_digits` rounds them. Inputs that are far from zero are counted from
    # their origins. An exact formula changes only where a column has two values. Functions are kept once the budget is
    # over.
    node = with_lines_for_two_values(node, x)
    fitted = fit_constants(node, x, y, steps=0, weight=weight)
    if fitted is None or fitted.loss <= EXACT.loss(float(np.var(y))):
        return node
    fitted = with_decided_functions(fitted, x, y, weight=weight, budget=budget)
    node = counted_from_origins(fitted.expression, origins(x))
    return None if largest_cancellation(node, x) > SETTINGS.largest_cancellation else node
