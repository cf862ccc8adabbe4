"""The reference of a cube without four balls: parts that fulfil their equations, and two sizes that agree."""

import numpy as np
import pytest

from edgewise_experiments.problems.four_balls import charges_and_waves, columns, outside, source, whole_cube

STEP = 1e-4
LAYERS = (False, 8.0, 0.0), (True, 10.0, 1.0)  # upper or not, wave number, height of the side


def points_of_layer(upper, count=40):
    points = np.random.default_rng(int(upper)).uniform(0.05, 0.95, (count, 3))
    points[:, 2] = 0.02 + 0.46 * points[:, 2] + 0.5 * upper
    return points[outside(points)]


def laplacian(jet, points):
    """Differences of slopes."""
    parts = []
    for axis in range(3):
        step = STEP * np.eye(3)[axis]
        parts.append((jet(points + step)[1 + axis] - jet(points - step)[1 + axis]) / (2 * STEP))
    return sum(parts)


@pytest.mark.parametrize("upper, wave_number, side", LAYERS)
def test_charges_and_waves_solve_the_equation_without_a_source(upper, wave_number, side):
    points = points_of_layer(upper)
    whole = columns(points, upper, 5, 0.5, 4)
    found = laplacian(lambda at: columns(at, upper, 5, 0.5, 4), points)
    assert np.allclose(found, wave_number**2 * whole[0], rtol=1e-4, atol=1e-4 * np.abs(whole[0]).max())
    step = STEP * np.array([0.3, -0.2, 0.4])
    change = (columns(points + step, upper, 5, 0.5, 4) - columns(points - step, upper, 5, 0.5, 4))[0] / 2
    assert np.allclose(change, np.einsum("ipc,i->pc", whole[1:], step), atol=1e-5 * np.abs(change).max())
    for axis, at in ((0, 0.0), (0, 1.0), (1, 0.0), (1, 1.0), (2, side)):
        points = points_of_layer(upper)
        points[:, axis] = at
        jet = columns(points, upper, 5, 0.5, 4)
        assert np.abs(jet[1 + axis]).max() < 1e-4 * np.abs(jet[1:]).max()


@pytest.mark.slow
@pytest.mark.parametrize("upper, wave_number, side", LAYERS)
def test_the_whole_cube_solves_the_equation(upper, wave_number, side):
    jet, points = whole_cube(), points_of_layer(upper)
    loads = source(*points.T)
    misfit = wave_number**2 * jet(points)[0] - laplacian(jet, points) - loads
    assert np.abs(misfit).max() < 1e-3 * np.abs(loads).max()
    for axis, at in ((0, 0.0), (0, 1.0), (1, 0.0), (1, 1.0), (2, side)):
        points[:, axis] = at
        assert np.abs(jet(points)[1 + axis]).max() < 1e-4


@pytest.mark.slow
def test_sizes_of_the_reference_agree():
    _, coarse = charges_and_waves(charges=50, share=0.4, waves=6)
    _, fine = charges_and_waves(charges=100, share=0.5, waves=10)
    assert np.linalg.norm(fine - coarse) < 1e-2 * np.linalg.norm(fine)
