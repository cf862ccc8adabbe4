"""The experiment under noise: its samples, its models, its summary."""

import numpy as np
import pytest

from edgewise_experiments.accuracy import noise
from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS


def test_the_noise_is_five_per_cent():
    target = FEYNMAN_EQUATIONS["I.12.11"]
    X, y, spread = noise.noisy_samples(target, 0)
    assert (X.shape, y.shape) == ((500, 2), (500,))
    assert spread == pytest.approx(np.sqrt(1 / 6), rel=0.02)  # of a sin(theta), a in [-1, 1]
    assert np.std(y - target(X)) / spread == pytest.approx(0.05, rel=0.1)
    assert not np.array_equal(noise.noisy_samples(target, 1)[1], y)
