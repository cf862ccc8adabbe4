"""The 27 dimensionless Feynman equations of the KAN paper (Table 2), each on a box of our choice, from feynman.txt.

The paper prints the equations and not the ranges (but for one example, u and v in (-1, 1)), so errors on our boxes are
not comparable with its errors point by point. Ours were fixed once, before any result. They follow the ranges that
pykan (kan/feynman.py at 11984f4) uses for the same equations with units, ratios taken where the paper divides two
quantities, and keep away from poles and from the points where a root or arcsine isn't smooth:

- I.15.3x: |b| <= 0.8, pole at 1; I.26.2: n <= 0.9, arcsine at 1; I.29.16: a <= 0.8, a cone at a = 1, theta1 = theta2;
- I.30.5: n >= 1.25, arcsine at a/n = 1; II.6.15a: a and b >= 0.2, a cone at 0.

Two cells of the row I.26.2 are in doubt: 1.22e-1 or 1.22e-4 (human KAN), 1.24e-3 or 1.24e-4 (MLP). The lower
numbers, which are harder to beat, are used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from edgewise.formulas import parse_expression
from edgewise.formulas.expression import evaluate
from edgewise_experiments.data.target import TargetFunction, by_name, data_lines, of_columns

_COLUMNS = ("human", "pruned", "unpruned", "mlp")


def _function(name: str, formula: str, names: tuple[str, ...]) -> Callable[[np.ndarray], np.ndarray]:
    if name == "III.9.52":  # its formula is 0 / 0 where b = c
        return of_columns(lambda a, b, c: a * np.sinc((b - c) / (2 * np.pi)) ** 2)
    return partial(evaluate, parse_expression(formula, names))


def _equation(line: str) -> TargetFunction:
    """Make the target of a line of feynman.txt."""
    name, _, rest = line.partition(": ")
    formula, *inputs, shape, paper = rest.split("; ")
    names, *ends = zip(*map(str.split, inputs), strict=True)
    low, high = (
        tuple(float(evaluate(parse_expression(end, ()), np.empty((1, 0)))[0]) for end in each) for each in ends
    )
    figures = dict(zip(_COLUMNS, map(float, paper.split()), strict=True))
    nodes = tuple(map(int, shape.split()))
    return TargetFunction(name, formula, _function(name, formula, names), names, low, high, nodes, figures)


FEYNMAN_EQUATIONS = by_name(*map(_equation, data_lines("feynman.txt")))
