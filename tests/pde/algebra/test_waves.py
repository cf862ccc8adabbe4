"""Systems that are solved wave by wave, against dense least squares."""

import numpy as np
import pytest

from edgewise.pde import PDE, Box, Periodic
from edgewise.pde.algebra.system import LinearSystem
from edgewise.pde.algebra.waves import WaveByWave
from edgewise.pde.spaces.grid_problem import recognised


@pytest.mark.parametrize("count", [6, 7])
def test_coupled_fields_on_a_periodic_square_are_solved_wave_by_wave(count):
    """Stokes' equations, where nothing determines the mean of the pressure and, on an even grid, its shortest waves."""

    def equation(u, v, p, x, y):
        return (u - u.xx - u.yy + p.x + v, v - v.xx - v.yy + p.y - 0.3 * u.x, u.x + v.y)

    conditions = [Periodic("x"), Periodic("y")]
    grid_problem = recognised(PDE(equation, Box(x=(0, 1), y=(0, 2)), conditions).form)
    axes = grid_problem.axes([np.linspace(0, 1, count + 1), np.linspace(0, 2, count + 2)], [4, 5])
    blocks, shape = grid_problem.blocks(axes), (count, count + 1, 3)
    system = LinearSystem(blocks, [block.evaluate(np.zeros(shape))[1] for block in blocks], shape)
    by_waves, rhs = WaveByWave.for_system(system), np.random.default_rng(0).normal(size=system.rows)
    matrix = system.matrix().toarray()
    shortest = np.linalg.lstsq(matrix, matrix @ np.linalg.lstsq(matrix, rhs, rcond=1e-11)[0], rcond=1e-11)[0]
    solvable = by_waves.solvable(matrix @ shortest)
    np.testing.assert_allclose(solvable, matrix @ shortest, atol=1e-9)
    np.testing.assert_allclose(by_waves(solvable), shortest, atol=1e-9)
    null = np.linalg.svd(matrix)[0][:, np.linalg.matrix_rank(matrix, tol=1e-9) :]
    assert null.shape[1] and np.abs(null.T @ by_waves.solvable(rhs)).max() < 1e-9
    uneven = grid_problem.axes([np.linspace(0, 1, count + 1) ** 2, np.linspace(0, 2, count + 2)], [4, 5])
    blocks = grid_problem.blocks(uneven)
    system = LinearSystem(blocks, [block.evaluate(np.zeros(shape))[1] for block in blocks], shape)
    assert WaveByWave.for_system(system) is None
