"""Columns in extreme units: a search divides them by a power of ten first, and its formulas are written back after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgewise.errors import InputError
from edgewise.formulas.constants import fit_constants
from edgewise.formulas.expression import Expression, Multiply, Number, Variable, evaluate, substituted
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry
from edgewise.formulas.rewriting import simplify

EXTREME = 1e60  # largest number, and inverse of the smallest, of a column: squares of products must stay finite


def check_sizes(x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> None:
    """Raise InputError for columns in units in which squares of products would not be numbers."""
    for name, size in zip(("y", *names), (np.abs(y).max(), *np.abs(x).max(0)), strict=True):
        if size > 0 and not 1 / EXTREME < size < EXTREME:
            raise _too_extreme(name, size)


def _too_extreme(name: str, size: float) -> InputError:
    return InputError(f"{name} must be in a unit in which its squares are numbers, its largest value is {size:.3g}")


def power_of_ten(values: np.ndarray, name: str) -> int:
    """The power of ten by which a column (N,) is divided: 0 unless its largest value is beyond `EXTREME`."""
    # InputError for subnormal values, whose power of ten has no inverse in float64.
    size = float(np.abs(values).max())
    if size == 0 or 1 / EXTREME < size < EXTREME:
        return 0
    if size < np.finfo(np.float64).tiny:
        raise InputError(f"{name} must be in a unit in which its values are normal numbers, its largest is {size:.3g}")
    return int(np.floor(np.log10(size)))


def target_power(y: np.ndarray) -> int:
    """The power of ten by which a target (N,) is divided."""
    size = float(np.abs(y).max())
    # The squared errors of a target that is divided must be numbers of float64, which end at 1e308.
    largest = 1e150
    if size > 0 and not 1 / largest < size < largest:
        raise _too_extreme("y", size)
    return power_of_ten(y, "y")


def divided(values: np.ndarray, power: int) -> np.ndarray:
    """Values over 10^power, in two steps, since 10^power itself may be no number of float64."""
    if power == 0:
        return values
    return values / 10.0 ** (power // 2) / 10.0 ** (power - power // 2)


def in_divided_units(node: Expression, powers: Sequence[int], target: int) -> Expression:
    """A formula of columns, such as a guess, as one of columns over 10^powers for a target over 10^target."""
    columns: list[Expression] = []
    for index, power in enumerate(powers):
        columns.append(Variable(index))
        if power:
            columns[index] = Multiply((Number(10.0**power), Variable(index)))
    whole = substituted(node, columns)
    if target:
        return Multiply((Number(10.0**-target), whole))
    return whole


def in_original_units(front: Front, powers: Sequence[int], target: int, x: np.ndarray, y: np.ndarray) -> Front:
    """The front of a search in divided units with formulas, errors and constants for x and y as they were."""
    # The columns of x were divided by these powers of ten, the target by `target`. Constants that take up a power of
    # ten have no closed form, since that is one of the divided units.
    unit = 10.0 ** (2 * target)

    def written(entry: FrontEntry) -> FrontEntry:
        node = in_divided_units(entry.formula.expression, [-power for power in powers], -target)
        with np.errstate(all="ignore"):
            shorter = simplify(node)
            # Powers of 10^-90, say, may underflow once they are collected: then the longer form stays.
            if np.allclose(evaluate(shorter, x), evaluate(node, x), rtol=1e-9, atol=0.0):
                node = shorter
            fitted = fit_constants(node, x, y, steps=0)
        return replace(
            entry,
            formula=Formula(node, entry.formula.names),
            loss=entry.loss * unit,
            validation=entry.validation * unit,
            constant_errors=() if fitted is None else fitted.errors,
        )

    held = front.held_out_variance
    return replace(
        front,
        entries=tuple(written(entry) for entry in front),
        variance=front.variance * unit,
        held_out_variance=None if held is None else held * unit,
        messages=(*front.messages, "Columns in extreme units were divided by powers of ten for the search."),
    )
