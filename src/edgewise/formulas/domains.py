"""Domains of formulas: where they are violated on given rows, and a report about the rows and a margin beyond them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgewise.checks import typed
from edgewise.formulas.expression import (
    FUNCTIONS,
    Call,
    Expression,
    Multiply,
    Power,
    evaluate,
    used_variables,
    walk,
)
from edgewise.formulas.printing import as_text
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.presentation import percent_text, typed_text

if TYPE_CHECKING:
    from edgewise.formulas.formula import Formula

EXTRAPOLATED_SHARE = 0.2  # Share of the range of each input, at both ends, that counts as near the data.


@dataclass(frozen=True)
class DomainSettings:
    """Points and steps of the search for poles."""

    # Random points of each check: a share of 0.1 % of the box is then seen in 86 % of the cases.
    checked_points: int = 2000
    # Random search for a zero of an argument: rounds, points kept in each, and factor on the step. 0.75^60 of a first
    # step of a tenth of the box is 3e-9 of the box.
    zero_search_rounds: int = 60
    kept_points: int = 20
    step_factor: float = 0.75
    # Share of the median absolute value below which a value counts as zero: what the last steps above resolve.
    zero_share: float = 1e-7
    # Halvings of the distance to a pole. 20 resolve a pole of first order without reaching the level of rounding
    # errors; a pole of second order is visible from further away, a logarithm only from very near.
    halvings_first_order: int = 20
    halvings_second_order: int = 10
    halvings_logarithm: int = 40
    # Share of the range of a formula by which it may differ on the two sides of a pole: after ten halvings a smooth one
    # differs by less.
    largest_jump: float = 0.1


SETTINGS = DomainSettings()


@typed
def domain_violations(node: Expression, x: np.ndarray) -> list[str]:
    """Describe where a formula leaves the domain of one of its functions on given rows.

    The range of an argument is the range of its values at the rows. A pole between two rows counts, unless the whole
    formula stays bounded there, as sin(x)/x does at 0.

    Parameters
    ----------
    node : Expression
        The formula.
    x : ndarray, shape (N, inputs)
        The rows.

    Returns
    -------
    list of str
        One sentence for each violation.

    Examples
    --------
    >>> from edgewise.formulas.expression import parse_expression
    >>> domain_violations(parse_expression("sqrt(x)"), np.array([[-1.0], [4.0]]))
    ['sqrt(x) needs x >= 0, its argument goes from -1 to 4']
    """
    messages = []
    for part in walk(node):
        row = domain_row(part)
        if row is None:
            continue
        argument = part.parts[0]
        values = evaluate(argument, x)
        low = float(np.min(values))
        high = float(np.max(values))
        # Outside the domain at a row; at a pole a function may be bounded all the same, as sin(x)/x is
        if not row.allows(low, high):
            if not (row.pole == 0.0 and _is_bounded_at_zero(node, argument, x, SETTINGS.halvings_first_order)):
                messages.append(
                    f"{row.text} needs {row.domain}, its argument goes from {typed_text(low)} to {typed_text(high)}"
                )
        # Inside at each row, but with a zero between two of them: by this number of halvings of their distance
        elif reaches_zero(part, x):
            halvings = SETTINGS.halvings_second_order
            if row.pole is None:
                halvings = SETTINGS.halvings_logarithm
            if not _is_bounded_at_zero(node, _without_even_power(argument), x, halvings):
                messages.append(f"{row.text} needs {row.domain}, its argument comes down to 0 between rows")
    return messages


def share_outside(node: Expression, x: np.ndarray, points: np.ndarray) -> float:
    """Share of points (M, inputs) where an argument leaves its domain or lies across a pole from rows x (N, inputs)."""
    # The formula is defined at the rows.
    outside = np.zeros(len(points), dtype=bool)
    for part in walk(node):
        row = domain_row(part)
        if row is None:
            continue
        argument = part.parts[0]
        root = argument
        if not row.allows(0.0, 0.0):
            root = _without_even_power(argument)
        at_rows = evaluate(root, x)
        low = float(np.min(at_rows))
        high = float(np.max(at_rows))
        values = evaluate(root, points)
        # A pole between the rows, where the whole formula stays bounded, counts for nothing.
        if root is not argument:  # an even power of what has one sign at the rows
            outside |= not low < 0 < high and (values < 0) != (low < 0)
        elif row.allows(low, high):
            outside |= [not row.allows(min(low, value), max(high, value)) for value in values.tolist()]
    return float(outside.mean())


def reaches_zero(part: Expression, x: np.ndarray) -> bool:
    """True if a function with a singularity at 0 has as argument an even power of something that changes sign."""
    argument = part.parts[0]
    row = domain_row(part)
    root = _without_even_power(argument)
    if root is argument or row is None or row.allows(0.0, 0.0):
        return False
    values = evaluate(root, x)
    return bool(np.min(values) < 0 < np.max(values))


def _without_even_power(node: Expression) -> Expression:
    """The base u of u^2, u^4, ... and |u|, and of multiples of these; any other node itself."""
    match node:
        case Power(base, exponent) if exponent > 0 and exponent % 2 == 0:
            return base
        case Call("abs", argument):
            return argument
        case Multiply():
            others = node.factors_without_numbers
            if len(others) == 1 and _without_even_power(others[0]) is not others[0]:
                return _without_even_power(others[0])
    return node


def _is_bounded_at_zero(node: Expression, part: Expression, x: np.ndarray, halvings: int) -> bool:
    """True if a formula stays about as large as at the rows, and does not jump, where a part of it crosses zero."""
    # Lines join rows on both sides of the zero; bisection approaches the crossing on each line. tanh(1/x) jumps at 0.
    at_rows = evaluate(part, x)
    below = np.flatnonzero(at_rows < 0)
    above = np.flatnonzero(at_rows > 0)
    count = min(len(below), len(above), 32)
    values = evaluate(node, x)
    if count == 0 or not np.isfinite(values).all():
        return False
    left = x[below[:: max(len(below) // count, 1)][:count]]
    right = x[above[:: max(len(above) // count, 1)][:count]]
    margin = float(np.ptp(values))
    jumps = np.full(count, np.inf)
    for number in range(halvings):
        middle = (left + right) / 2
        negative = (evaluate(part, middle) < 0)[:, None]
        left = np.where(negative, middle, left)
        right = np.where(negative, right, middle)
        near = evaluate(node, np.concatenate([left, right]))
        if not ((near >= values.min() - margin) & (near <= values.max() + margin)).all():
            return False
        if number >= halvings // 2:  # near the zero, but not only there: rounding is largest at the end
            jumps = np.minimum(jumps, np.abs(near[:count] - near[count:]))
    return bool((jumps <= SETTINGS.largest_jump * margin).all())


def domain_row(node: Expression) -> Elementary | None:
    """The row of the elementary table with the domain of a node; None if the node is defined everywhere."""
    match node:
        case Call(name):
            return ELEMENTARY[FUNCTIONS[name].table_name]
        case Power(_, exponent) if exponent % 1:
            return ELEMENTARY[("sqrt", "1/sqrt")[exponent < 0]]
        case Power(_, exponent) if exponent < 0:
            return ELEMENTARY["1/x"]
    return None


def domain_report(formula: Formula, x: np.ndarray) -> tuple[str, ...]:
    """Describe the domain of every part of a formula, and whether data and nearby points lie in it."""
    x = np.asarray(x, dtype=np.float64)
    sentences = []
    violated = bool(formula.domain_violations(x))
    for part in walk(formula.expression):
        # The domain of a function, and the range of its argument at the rows
        row = domain_row(part)
        if row is None or row.domain == "every x":
            continue
        argument = part.parts[0]
        values = evaluate(argument, x)
        low = float(np.min(values))
        high = float(np.max(values))
        verdict = "but on these data it does NOT"
        if row.allows(low, high):
            verdict = "as on these data"
        # An even power of a part that changes its sign between rows
        if reaches_zero(part, x):
            verdict = "and comes down to 0 on these data, where the whole formula stays bounded"
            if violated:
                verdict = "but on these data it comes down to 0 between rows"
        # Random search for a zero of an argument of one sign, and the size of the whole formula near it
        elif row.allows(low, high) and not row.allows(0.0, 0.0):
            zero = zero_in_box(argument, x)
            if zero is not None:
                shown = np.where(np.abs(zero) < 1e-6 * np.ptp(x, axis=0), 0.0, zero)
                place = ", ".join(f"{formula.names[k]} = {typed_text(shown[k], 3)}" for k in used_variables(argument))
                verdict = f"but between the rows it comes down to 0, near {place}"
                # Points in the box of the rows at smaller and smaller distances from the zero.
                distance = np.geomspace(1e-1, 1e-10, SETTINGS.checked_points)[:, None] * np.ptp(x, axis=0)
                normal = np.random.default_rng(1).normal(size=(SETTINGS.checked_points, x.shape[1]))
                around = np.clip(zero + distance * normal, x.min(0), x.max(0))
                with np.errstate(all="ignore"):
                    if np.ptp(formula(around)) <= 3 * np.ptp(formula(x)):
                        verdict += ", where the whole formula stays bounded"
        if not row.allows(low, high) and not violated:
            verdict = "and goes through it on these data, where the whole formula stays bounded"
        text = as_text(argument, formula.names, 4)
        need = f"{text} {row.domain.removeprefix('x ')}"
        if row.pole is None:
            need = row.domain.replace("x", text, 1)
        sentences.append(
            f"{as_text(part, formula.names, 4)} needs {need}, {verdict}: {typed_text(low, 4)} to {typed_text(high, 4)}."
        )
    # Near the data, but beyond them.
    share = undefined_share(formula, x)
    if share > 0:
        sentences.append(
            f"Up to {percent_text(EXTRAPOLATED_SHARE)} beyond the range of each input it is undefined or infinite at "
            f"{percent_text(share)} of points drawn there."
        )
    elif not sentences:
        sentences.append("It is defined everywhere.")
    return tuple(dict.fromkeys(sentences))


def zero_in_box(node: Expression, x: np.ndarray) -> np.ndarray | None:
    """Find a zero (inputs,) in the box of the rows of a part that has one sign at all of them; None without one."""
    # A random search with shrinking steps starts from the rows x (N, inputs) where the part is nearest to zero. It may
    # miss a zero.
    low = x.min(0)
    high = x.max(0)
    random = np.random.default_rng(0)
    step = (high - low) / 10
    points = x
    typical = float(np.median(np.abs(evaluate(node, x))))
    for _ in range(SETTINGS.zero_search_rounds):
        size = np.abs(evaluate(node, points))
        points = points[np.argsort(np.where(np.isfinite(size), size, np.inf), kind="stable")[: SETTINGS.kept_points]]
        trials = points[:, None] + step * random.normal(size=(len(points), SETTINGS.kept_points, x.shape[1]))
        points = np.concatenate([points, np.clip(trials, low, high).reshape(-1, x.shape[1])])
        step = step * SETTINGS.step_factor
    size = np.abs(evaluate(node, points[:1]))[0]
    if size <= SETTINGS.zero_share * typical:
        return points[0]
    return None


def undefined_share(formula: Formula, x: np.ndarray) -> float:
    """Share of random points in the box of the rows, widened by `EXTRAPOLATED_SHARE`, where a formula is not finite."""
    # A column without negative values is taken for one that cannot have any, such as a mass or a concentration.
    low = x.min(0)
    high = x.max(0)
    margin = EXTRAPOLATED_SHARE * (high - low)
    lowest = np.where(low >= 0, np.maximum(low - margin, 0.0), low - margin)
    points = np.random.default_rng(0).uniform(lowest, high + margin, (SETTINGS.checked_points, x.shape[1]))
    return float(np.mean(~np.isfinite(formula(points))))
