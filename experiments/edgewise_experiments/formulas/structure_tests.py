"""Tests of a structure that the user names: `is_separable` for groups of inputs, `depends_only_on` for combinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import chi2
from torch import Tensor

from edgewise.checks import check_names, check_number, is_number
from edgewise.errors import InputError
from edgewise.formulas.expression import evaluate, parse_expression, used_variables
from edgewise.interpret.black_box import BlackBox
from edgewise.interpret.dependence.separability import LEAST_SCORE, RowPairs, rms

# The error of a trained model is alike at neighbouring points, so not every pair of rows counts as a sample of its own:
# eight pairs count as one.
_ALIKE = 8
# Newton's steps to a point with an equal value of the combination, and the size of a finite difference in standard
# deviations of the input: from a row of the data some five steps suffice.
_STEPS = 40
_DIFFERENCE = 1e-6
_EQUAL = 1e-9  # largest difference of two values that count as equal, relative to their spread
_APART = 0.1  # least distance of two compared points in standard deviations of an input
_FEWEST_PAIRS = 16  # two independent samples of errors


@dataclass(frozen=True)
class StructureTest:
    """The result of a test of a stated structure; true in an `if` where the structure is not rejected."""

    statement: str
    holds: bool
    p_value: float
    significance: float
    score: float
    pairs: int

    def __bool__(self) -> bool:
        return self.holds

    def __str__(self) -> str:
        verdict = "Not rejected" if self.holds else "Rejected"
        return f"{verdict} (p = {self.p_value:.2g}, score {self.score:.2g}): {self.statement}."


def is_separable(
    model: BlackBox,
    x: ArrayLike | Tensor,
    groups: Sequence[Sequence[int | str]],
    *,
    kind: str = "sum",
    noise: float = 0.0,
    significance: float = 0.01,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> StructureTest:
    """Test whether a function is a sum, or a product, of functions of given groups of inputs.

    Inputs in no group keep the values of one row within each comparison: the statement is then about the function for
    any fixed values of them.

    Notes
    -----
    For groups A and B and rows a, b the sum has f(a) - f(a_A) - f(a_B) + f(a_AB) = 0, where a_A is the row a with the
    inputs of A from b, and the product f(a) f(a_AB) = f(a_A) f(a_B). Their variances follow from the noise to first
    order. Several groups are tested one against the later ones, with Bonferroni's correction.
    """
    pairs = RowPairs(model, x, 256, seed)
    names = check_names(names, pairs.inputs)
    sets = _columns(groups, names)
    _check_numbers(noise, significance)
    if kind not in ("sum", "product"):
        raise InputError(f'kind must be "sum" or "product", got {kind!r}')
    listed = "), (".join(", ".join(names[i] for i in group) for group in sets)
    p_value = 1.0
    score = 0.0
    for number, first in enumerate(sets[:-1]):
        later = [i for group in sets[number + 1 :] for i in group]
        f = pairs.value()
        f_a = pairs.value(*first)
        f_b = pairs.value(*later)
        f_ab = pairs.value(*first, *later)
        if kind == "sum":
            deviation = f - f_a - f_b + f_ab
            variance = torch.full_like(f, 4.0)
        else:
            deviation = f * f_ab - f_a * f_b
            variance = f**2 + f_ab**2 + f_a**2 + f_b**2
        one, part = _judged(deviation, variance, noise, pairs.spread)
        p_value = min(p_value, one * (len(sets) - 1))
        score = max(score, part)
    statement = f"a {kind} of functions of ({listed})"
    return StructureTest(statement, p_value >= significance, min(p_value, 1.0), significance, score, len(pairs.a))


def depends_only_on(
    model: BlackBox,
    x: ArrayLike | Tensor,
    expression: Any,
    *,
    noise: float = 0.0,
    significance: float = 0.01,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> StructureTest:
    """Test whether inputs act on a function only through a given combination of them, such as "b/c".

    Other points with an equal value of the combination, and equal other inputs, must give equal values of the function.
    They are found from rows of the data by Newton's method, and lie within the range of each column.
    """
    pairs = RowPairs(model, x, 256, seed)
    names = check_names(names, pairs.inputs)
    _check_numbers(noise, significance)
    combination = parse_expression(str(expression), names)
    columns = used_variables(combination)
    if not columns:
        raise InputError(f"expression must hold an input, one of {', '.join(names)}, got {expression}")
    a = pairs.a.numpy()
    points = pairs.mixed(*columns).numpy().copy()
    goal = evaluate(combination, a)
    spread = float(np.nanstd(goal))
    width = a.std(0) + (a.std(0) == 0)
    low = a.min(0)
    high = a.max(0)
    for _ in range(_STEPS):
        rest = evaluate(combination, points) - goal
        slopes = np.zeros_like(points)
        for i in columns:
            move = np.zeros(a.shape[1])
            move[i] = _DIFFERENCE * width[i]
            rise = evaluate(combination, points + move) - evaluate(combination, points - move)
            slopes[:, i] = rise / (2 * _DIFFERENCE)  # per standard deviation
        square = (slopes**2).sum(1)
        step = np.divide(rest, square, out=np.zeros_like(rest), where=(square > 0) & np.isfinite(rest))
        points = points - slopes * width * step[:, None]
    with np.errstate(invalid="ignore"):
        equal = np.abs(evaluate(combination, points) - goal) <= _EQUAL * spread
        inside = ((points >= low) & (points <= high)).all(1)
        moved = (np.abs(points - a) > _APART * width).any(1)
    kept = torch.from_numpy(equal & inside & moved)
    if int(kept.sum()) < _FEWEST_PAIRS:
        raise InputError(
            f"expression must have equal values at other points within the data, {expression} has {int(kept.sum())} "
            f"of {len(a)}, fewer than {_FEWEST_PAIRS}"
        )
    with torch.no_grad():
        deviation = pairs.value()[kept] - pairs.function(torch.from_numpy(points)[kept])[:, 0]
    p_value, score = _judged(deviation, torch.full_like(deviation, 2.0), noise, pairs.spread)
    inputs = ", ".join(names[i] for i in columns)
    statement = f"{inputs} act only through {expression}"
    return StructureTest(statement, p_value >= significance, p_value, significance, score, len(deviation))


def _judged(deviation: Tensor, variance: Tensor, noise: float, spread: float) -> tuple[float, float]:
    """Return the p-value of a deviation with these variances (in units of noise^2), and its score."""
    if spread > 0:
        size = variance.sqrt()
    else:
        size = torch.ones_like(variance)
    # Of a sum the size is twice the noise, so the score is that of `interactions`; a product is divided by its factors.
    score = rms(deviation / size) / max(spread, np.finfo(float).tiny)
    if noise == 0 or score <= LEAST_SCORE:
        return float(score <= LEAST_SCORE), score
    samples = max(len(deviation) // _ALIKE, 1)
    ratio = float((deviation.square() / variance.clamp(min=np.finfo(float).tiny)).mean()) / noise**2
    return float(chi2.sf(ratio * samples, samples)), score


def _columns(groups: Sequence[Sequence[int | str]], names: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the groups as columns. Raises InputError."""
    if isinstance(groups, str) or not all(isinstance(group, Sequence) for group in groups) or len(groups) < 2:
        raise InputError(f"groups must be two lists of inputs or more, got {groups!r}")
    sets: list[tuple[int, ...]] = []
    for group in groups:
        columns = []
        for one in [group] if isinstance(group, str) else group:
            if isinstance(one, str) and one not in names:
                raise InputError(f"groups must hold inputs by their names {', '.join(names)}, got {one!r}")
            columns.append(names.index(one) if isinstance(one, str) else int(one))
        sets.append(tuple(columns))
    everything = [i for group in sets for i in group]
    if not all(sets) or len(set(everything)) < len(everything) or not set(everything) <= set(range(len(names))):
        raise InputError(f"groups must hold different columns from 0 to {len(names) - 1}, got {groups!r}")
    return sets


def _check_numbers(noise: float, significance: float) -> None:
    check_number(noise, "noise")
    if not (is_number(significance) and 0 < significance < 1):
        raise InputError(f"significance must be a number between 0 and 1, got {significance!r}")
