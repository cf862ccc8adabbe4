"""Relevant inputs stay, alone, in products and with weak effects; irrelevant ones are removed, few or many."""

import numpy as np

from edgewise.discovery.curves.features import relevant_inputs
from edgewise.discovery.curves.residuals import NoiseTest


def points(count, rows=1000):
    return np.random.default_rng(0).uniform(-1, 1, (rows, count))


def test_useless_inputs_are_left_out():
    x = points(8)
    y = x[:, 2] * np.sin(2 * x[:, 5]) + 0.01 * np.random.default_rng(1).normal(size=1000)
    assert relevant_inputs(x, y) == [2, 5]
    assert relevant_inputs(x[:, :3], y) == [0, 1, 2]


def test_a_weak_input_stays_without_noise():
    x = points(7)
    y = np.exp(x[:, 1]) + 0.02 * np.cos(x[:, 4])
    assert relevant_inputs(x, y) == [1, 4]


def test_what_a_formula_leaves():
    x, noise = points(3), np.random.default_rng(2).normal(size=1000)
    test = NoiseTest(x)
    assert test.passes(noise)
    assert not test.passes(noise + 0.5 * np.sin(9 * x[:, 0]))
    assert not test.passes(noise + x[:, 1] * x[:, 2])
    assert not NoiseTest(x[:, :1]).passes(0.01 * np.sin(50 * x[:, 0]))


def test_noise_passes_at_the_stated_level():
    test, random = NoiseTest(points(3)[:300]), np.random.default_rng(5)
    failed = sum(not test.passes(random.normal(size=300)) for _ in range(300))
    assert failed <= 9  # 3 are expected of 300; 10 or more have a probability of 0.001


def test_of_two_that_stand_in_for_each_other_one_stays():
    x = points(6)
    x[:, 5] = x[:, 2] + 1e-3 * x[:, 5]
    y = x[:, 2] ** 2 + x[:, 0] + 0.1 * np.random.default_rng(3).normal(size=1000)
    found = relevant_inputs(x, y)
    assert found in ([0, 2], [0, 5])
