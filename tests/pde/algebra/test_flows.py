"""Time elements of incompressible flows between walls, against sparse factors of the whole system."""

import numpy as np
import pytest

from edgewise.pde import PDE, Box, Dirichlet, Initial, Neumann, Periodic, Time, laplacian
from edgewise.pde.algebra.flows import FlowElement
from edgewise.pde.algebra.solver import Krylov, solver_for
from edgewise.pde.algebra.system import LinearSystem
from edgewise.pde.spaces.axis import TimeAxis
from edgewise.pde.spaces.grid_problem import recognised

SPACE, REST = Box(x=(0, 1), y=(0, 2)), Initial({"u": 0.0, "v": 0.0})
WALLS = Dirichlet({"u": 0.0, "v": 0.0}, on=["y=0", "y=2"])
INLET = Dirichlet({"u": 1.0, "v": 0.0}, on="x=0")
OUTLET = Dirichlet({"v": 0.0, "p": 0.0}, on="x=1"), Neumann({"u": 0.0}, on="x=1")
OPEN = Dirichlet({"p": 0.0}, on="x=1"), Neumann({"u": 0.0, "v": 0.0}, on="x=1")


def creeping(u, v, p, x):
    return (u.t + p.x - (0.3 + 0.1 * x) * laplacian(u), v.t + p.y - 0.3 * laplacian(v), u.x + v.y)


def element(domain, conditions, begin=0.0, length=0.1, count=4):
    """GridProblem and system of a time element, and the first with its time."""
    grid_problem = recognised(PDE(creeping, domain, conditions).form)
    space = [
        grid_problem.axis(np.linspace(0, 1, count + 1), 5, "x" in grid_problem.form.periodic),
        grid_problem.axis(2 * np.linspace(0, 1, count + 1) ** 1.3, 5, False),
    ]
    space.insert(grid_problem.form.time, TimeAxis(begin, begin + length, 4))
    blocks, shape = grid_problem.blocks(space), (*(axis.count for axis in space), 3)
    return grid_problem, LinearSystem(blocks, [block.evaluate(np.zeros(shape))[1] for block in blocks], shape)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("domain", "conditions"),
    [
        (SPACE * Time(0, 1), [Dirichlet({"u": 0.0, "v": 0.0}, on=SPACE.boundary_names), REST]),
        (SPACE * Time(0, 1), [WALLS, INLET, *OUTLET, REST]),
        (SPACE * Time(0, 1), [WALLS, INLET, *OPEN, REST]),
        (SPACE * Time(0, 1), [WALLS, Periodic("x"), REST]),
        (
            Box(t=(0, 1), x=(0, 1), y=(0, 2)),
            [WALLS, INLET, *OUTLET, Dirichlet({"u": 0.0, "v": 0.0}, on="t=0")],
        ),
    ],
    ids=["box", "outlet", "open", "periodic", "time first"],
)
def test_a_time_element_of_a_flow_is_that_of_sparse_factors(domain, conditions):
    """Rows at the first moment, of reductions and of conditions are not zero either."""
    grid_problem, system = element(domain, conditions)
    solver = solver_for(grid_problem, system)
    assert isinstance(solver, Krylov) and isinstance(solver.preconditioner, FlowElement)
    rhs = np.random.default_rng(0).normal(size=system.rows)
    found, expected = solver(rhs), system.factorised()(rhs)
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())
