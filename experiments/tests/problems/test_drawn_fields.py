"""Cases with random coefficients: the field of PINNacle's generator, and the values between its points."""

import numpy as np
import pytest

from edgewise_experiments.problems.drawn_fields import (
    SEED,
    bilinear,
    drawn_burgers_reference,
    drawn_flow,
    flow_sum,
    random_field,
    wave_through_noise_reference,
)
from edgewise_experiments.problems.plane_cases import gray_scott_plane_reference
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


def test_a_reaction_in_the_plane_stays_within_its_bounds():
    points, values = gray_scott_plane_reference(modes=32, steps=400)
    assert points.shape == (1024, 3) and values.shape == (1024, 2) and np.isfinite(values).all()
    assert 0 < values[:, 1].max() < 1 < values[:, 0].max() + 0.1


@pytest.mark.slow
def test_the_flow_is_drawn_by_the_rule_of_pinnacle():
    """The loops of its generator, at points of the square of four periods."""
    random, (x, y) = np.random.RandomState(SEED), np.meshgrid(np.linspace(0, 4, 512), np.linspace(0, 4, 512))
    sums = []
    for _ in range(2):
        sines, cosines, total = random.randn(4, 4), random.randn(4, 4), 0.0
        for i in range(4):
            for j in range(4):
                angle = 2 * np.pi * (i * x + j * y)
                total = total + sines[i, j] * np.sin(angle) + cosines[i, j] * np.cos(angle)
        sums.append(total)
    factors, means = drawn_flow()
    for number, mean in enumerate(random.randn(2)):
        drawn = flow_sum(factors[number], x, y) + means[number]
        np.testing.assert_allclose(drawn, 2 * sums[number] / np.max(sums) + mean, atol=1e-12)


@pytest.mark.slow
def test_the_reference_of_the_flow_loses_energy():
    factors = drawn_flow()[0]
    points, values = drawn_burgers_reference(modes=64, steps=300)
    assert points.shape == (4096, 3) and (points[:, 2] == 1).all()
    start = [flow_sum(each, *np.meshgrid(np.arange(64) / 64, np.arange(64) / 64)) for each in factors]
    assert (values.std(0) < 0.7 * np.array([each.std() for each in start])).all()


@pytest.mark.slow
def test_two_sizes_of_the_waves_through_noise_agree():
    (points, coarse), (_, fine) = (wave_through_noise_reference(modes=each) for each in (16, 24))
    assert points.shape == (86 * 86, 3) and distance(coarse, fine) < 0.05
