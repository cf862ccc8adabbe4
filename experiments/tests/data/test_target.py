"""A target: samples, refusals, and that nobody changes it."""

import numpy as np
import pytest

from edgewise_experiments.data.target import TargetFunction, of_columns

TARGET = TargetFunction(
    "plane", "a + 2*b", of_columns(lambda a, b: a + 2 * b), ("a", "b"), (0, 5), (1, 7), (2, 1), {"kan": 0.2, "mlp": 0.1}
)


def test_samples():
    x, y = TARGET.sample(500, 3)
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((500, 2), (500,), np.float64, np.float64)
    assert np.array_equal(y, x[:, 0] + 2 * x[:, 1])
    assert (x.min(0), x.max(0)) == (pytest.approx([0, 5], abs=0.05), pytest.approx([1, 7], abs=0.05))
    assert np.array_equal(TARGET.sample(500, 3)[0], x) and not np.array_equal(TARGET.sample(500, 4)[0], x)


def test_a_share_of_the_samples_has_the_arcsine_density():
    target = TargetFunction("f", "x + y", lambda x: x.sum(1), ("x", "y"), (0.0, -1.0), (4.0, 1.0))
    uniform, _ = target.sample(20_000, 0)
    mixed, values = target.sample(20_000, 0, edges=0.5)
    dense, _ = target.sample(20_000, 0, edges=1.0)
    assert np.array_equal(target.sample(20_000, 0, edges=0.0)[0], uniform)
    assert np.array_equal(values, target(mixed))
    assert np.all((dense >= target.low) & (dense <= target.high))
    # P(|u| < 1/2) is 1/2 for the uniform density on [-1, 1] and 1/3 for the arcsine one
    for x, expected in ((uniform, 1 / 2), (mixed, 5 / 12), (dense, 1 / 3)):
        assert np.mean(np.abs(x[:, 0] - 2) < 1) == pytest.approx(expected, abs=0.015)
    changed = (mixed != uniform).all(1)
    assert np.mean(changed) == pytest.approx(0.5, abs=0.02)
