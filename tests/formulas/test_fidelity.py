"""Fidelity: fresh inputs lie between the rows, outside ones beyond them, and what is undefined there is infinite."""

import numpy as np
import pytest

from edgewise.formulas.expression import parse_expression
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import FrontEntry, with_fidelity

NAMES = ("x", "y")
X = np.random.default_rng(0).uniform([0, 10], [1, 30], (200, 2))


def test_differences_are_mean_squares():
    def entry(text):
        return FrontEntry(Formula(parse_expression(text, NAMES), NAMES), 0.1)

    same, off, broken = with_fidelity(
        [entry("x*y"), entry("x*y + 3"), entry("y*sqrt(x)")], lambda x: x[:, 0] * x[:, 1], X
    )
    assert (same.fresh, same.outside, same.loss) == (0.0, 0.0, 0.1)
    assert off.fresh == pytest.approx(9) and off.outside == pytest.approx(9)
    assert np.isfinite(broken.fresh) and broken.outside == np.inf
