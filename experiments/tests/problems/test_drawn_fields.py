"""Cases with random coefficients: the field of PINNacle's generator, and the values between its points."""

import numpy as np
import pytest

from edgewise_experiments.problems.drawn_fields import (
    bilinear,
    random_field,
    wave_through_noise_reference,
)
from edgewise_experiments.problems.reference_solutions import distance


def test_the_random_field_has_the_sizes_of_pinnacles_pictures():
    field = random_field()
    assert abs(field.mean()) < 1e-12 and abs(field.std() - 1) < 1e-12
    # The ends of its grey scale: those of exp(field) in the picture of the coefficient of Heat2d-VC.
    assert np.allclose([np.exp(field.min()), np.exp(field.max())], [0.060428131, 14.238250165])


def test_bilinear_values():
    x, y = np.array([-1.0, 0.3, 1.0, 3.0]), np.array([0.2, -0.5, 1.0, 3.0])
    grid = np.linspace(-1, 3, 9)
    plane = 2 + 3 * grid[None, :] - grid[:, None]
    assert np.allclose(bilinear(plane, x, y, -1, 3), 2 + 3 * x - y)


@pytest.mark.slow
def test_two_sizes_of_the_waves_through_noise_agree():
    (points, coarse), (_, fine) = (wave_through_noise_reference(modes=each) for each in (16, 24))
    assert points.shape == (86 * 86, 3) and distance(coarse, fine) < 0.05
