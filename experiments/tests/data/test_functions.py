"""The toy functions, and that every target is smooth on its box."""

import mpmath
import numpy as np
import pytest
from tests.datasets.formulas import agrees_with, agrees_with_its_formula

from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS
from edgewise_experiments.data.functions import TOY_FUNCTIONS
from edgewise_experiments.data.special_functions import SPECIAL_FUNCTIONS

ALL = {**TOY_FUNCTIONS, **SPECIAL_FUNCTIONS, **FEYNMAN_EQUATIONS}


def test_names_are_unique_across_the_lists():
    assert len(TOY_FUNCTIONS) == 5
    assert len(ALL) == 5 + 15 + 27


@pytest.mark.parametrize("name", ["toy 2", "toy 3", "toy 5"])
def test_function_and_formula_agree(name):
    agrees_with_its_formula(TOY_FUNCTIONS[name])


def test_bessel():
    agrees_with(TOY_FUNCTIONS["toy 1"], lambda x: mpmath.besselj(0, 20 * x), 1e-12)


def test_one_hundred_inputs():
    x, y = TOY_FUNCTIONS["toy 4"].sample(3, 0)
    assert y[1] == pytest.approx(np.exp(sum(np.sin(np.pi * each / 2) ** 2 for each in x[1]) / 100))


@pytest.mark.parametrize("name", ALL)
def test_smooth_on_the_whole_box(name):
    """Finite at the corners, not constant, and no kink: third differences shrink like the cube of the step."""
    target = ALL[name]
    low, high = np.array(target.low), np.array(target.high)
    ends = np.random.default_rng(2).uniform(low, high, (20, 2, len(low)))
    if len(low) < 7:
        corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(len(low), -1).T
        opposite = np.where(corners == low, high, low)
        ends = np.concatenate([ends, np.stack([corners, opposite], 1)])
    _, y = target.sample(2000, 0)
    assert np.std(y) > 1e-3
    jumps = []
    for count in (1000, 2000):
        t = np.linspace(0, 1, count + 1)[:, None]
        jumps.append([np.abs(np.diff(target(a + t * (b - a)), n=3)).max() for a, b in ends])
    coarse, fine = np.array(jumps)
    assert np.isfinite(coarse).all()
    assert (fine <= 0.2 * coarse + 1e-11 * np.abs(y).max()).all()  # 1/8 where smooth, 1/2 at a kink, 1 at a jump
