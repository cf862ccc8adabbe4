"""Growth of a residual into the solution: large where a layer may be moved, and small where the grid alone is loose."""

import numpy as np

from edgewise.pde import PDE, Box, Dirichlet, Interval, laplacian
from edgewise.pde.algebra.newton import shape_of, solved_on_grid
from edgewise.pde.spaces.grid_problem import recognised


def growth(problem, intervals, degree):
    """Growth on an even grid."""
    grid_problem = recognised(problem.form)
    lines = [np.linspace(low, high, intervals + 1) for low, high in problem.domain.bounds.tolist()]
    axes = grid_problem.axes(lines, [degree] * len(lines))
    return solved_on_grid(grid_problem, axes, np.zeros(shape_of(grid_problem, axes)))[2]()


def test_a_layer_that_is_free_to_move_grows():
    ends = [Dirichlet(1.0, on="x=-1"), Dirichlet(-1.0, on="x=1")]
    assert growth(PDE(lambda u, x: 1e-2 * u.xx - x * u.x, Interval(-1, 1), ends), 57, 11) > 1e7


def test_an_elastic_cube_whose_faces_are_held_does_not():
    """Rough residuals excite waves from point to point at its edges, of which random ones grew by 1e7."""

    def elastic(u, v, w):
        bulk = (u.xx + v.xy + w.xz, u.xy + v.yy + w.yz, u.xz + v.yz + w.zz)
        return [laplacian(each) + 3 * part for each, part in zip((u, v, w), bulk, strict=True)]

    held = Dirichlet({"u": 0.0, "v": 0.0, "w": 0.0})
    assert growth(PDE(elastic, Box(x=(0, 1), y=(0, 1), z=(0, 1)), [held]), 2, 9) < 1e4
