"""Formulas without the constants that only rounding has put there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.formulas.expression import (
    Add,
    Expression,
    Multiply,
    Number,
    children,
    complexity,
    evaluate,
    exact_number,
    rebuilt,
)


def without_noise(node: Expression, x: np.ndarray, rounding: float = float(np.finfo(np.float64).eps)) -> Expression:
    """Drop the constants that change no value of a formula by more than rounding.

    Terms of sums that are a free constant or have one as factor are left out where the values at the rows allow it,
    those of the smallest constants first; factors that are 1 or -1 but for rounding become exact. The values may differ
    from the given ones by `rounding` times the largest value for each symbol of the formula, all changes together.

    Parameters
    ----------
    node : Expression
        The formula.
    x : ndarray, shape (N, inputs)
        Rows at which values are compared; rows where the formula is undefined do not count.
    rounding : float
        Relative distance of neighbouring numbers, by default that of float64.

    Returns
    -------
    Expression
        The formula without them; the same one where all are needed.

    Examples
    --------
    >>> from edgewise.formulas import as_text, parse_expression
    >>> noisy = parse_expression("1.0000000000000002*sin(a + 1e-17) + 1e-18*b + 1e-9", "ab")
    >>> as_text(without_noise(noisy, np.random.default_rng(0).uniform(-1, 1, (50, 2))), "ab")
    'sin(a) + 1e-09'
    """
    values = evaluate(node, x) * np.ones(len(x))
    counted = np.isfinite(values)
    if not counted.any():
        return node
    allowed = rounding * complexity(node) * float(np.abs(values[counted]).max())

    def is_equal(whole: Expression) -> bool:
        change = np.abs(evaluate(whole, x) - values)[counted]
        return bool((change <= allowed).all())  # False for NaN

    def visit(part: Expression, rebuild: Callable[[Expression], Expression]) -> Expression:
        """Return a part without noise; `rebuild` puts a part into the whole formula as it is so far."""
        for place in range(len(children(part))):

            def rebuild_below(new: Expression, place: int = place, part: Expression = part) -> Expression:
                below = children(part)
                return rebuild(rebuilt(part, (*below[:place], new, *below[place + 1 :])))

            below = children(part)
            part = rebuilt(part, (*below[:place], visit(below[place], rebuild_below), *below[place + 1 :]))
        if isinstance(part, Add):
            free = [(abs(size), place) for place, one in enumerate(part.terms) if (size := _free(one)) is not None]
            for term in [part.terms[place] for _, place in sorted(free)]:
                rest = tuple(other for other in part.terms if other is not term)
                shorter = rest[0] if len(rest) == 1 else Add(rest)
                if rest and is_equal(rebuild(shorter)):
                    if not isinstance(shorter, Add):
                        return shorter
                    part = shorter
        if isinstance(part, Multiply):
            for factor in [one for one in part.factors if isinstance(one, Number) and one.exact is None]:
                rest = tuple(other for other in part.factors if other is not factor)
                if factor.value < 0:
                    rest = (exact_number(-1), *rest)
                shorter = rest[0] if len(rest) == 1 else Multiply(rest)
                if rest and is_equal(rebuild(shorter)):
                    return shorter
        return part

    return visit(node, lambda new: new)


def _free(term: Expression) -> float | None:
    """Return the free constant that a term of a sum is or has as a factor; None if it has none."""
    factors = term.factors if isinstance(term, Multiply) else (term,)
    return next((one.value for one in factors if isinstance(one, Number) and one.exact is None), None)
