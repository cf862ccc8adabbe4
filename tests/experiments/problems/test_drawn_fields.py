"""Cases with random coefficients: the field of PINNacle's generator, and the values between its points."""

import numpy as np

from edgewise_experiments.problems.drawn_fields import bilinear, random_field
from edgewise_experiments.problems.plane_cases import gray_scott_plane_reference


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


def test_a_reaction_in_the_plane_stays_within_its_bounds():
    points, values = gray_scott_plane_reference(modes=32, steps=400)
    assert points.shape == (1024, 3) and values.shape == (1024, 2) and np.isfinite(values).all()
    assert 0 < values[:, 1].max() < 1 < values[:, 0].max() + 0.1
