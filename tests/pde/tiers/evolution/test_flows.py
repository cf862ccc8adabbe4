"""Incompressible flows between walls: a pressure without rate and conditions has a smaller space than velocities."""

import math

import numpy as np
import pytest
import torch

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.pde import (
    PDE,
    Box,
    Condition,
    Dirichlet,
    Observations,
    Time,
    integral,
    laplacian,
    solve,
)
from edgewise.pde.algebra.newton import shape_of, solved_on_grid
from edgewise.pde.problem.conditions import Initial
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.collocation.stationary import balanced_sizes, first_axes, network_of

PI = math.pi
REYNOLDS = 40.0
RATE = REYNOLDS / 2 - math.hypot(REYNOLDS / 2, 2 * PI)
KOVASZNAY = {
    "u": lambda x, y: 1 - torch.exp(RATE * x) * torch.cos(2 * PI * y),
    "v": lambda x, y: RATE / (2 * PI) * torch.exp(RATE * x) * torch.sin(2 * PI * y),
    "p": lambda x: (1 - torch.exp(2 * RATE * x)) / 2,
}
WAKE = Box(x=(-0.5, 1), y=(-0.5, 0.5))
UNIT = Box(x=(0, 1), y=(0, 1))
ORIGIN = Observations([[0.0, 0.0]], [0.0], "p")


def navier_stokes(u, v, p):
    return (
        u * u.x + v * u.y + p.x - laplacian(u) / REYNOLDS,
        u * v.x + v * v.y + p.y - laplacian(v) / REYNOLDS,
        u.x + v.y,
    )


def stokes() -> PDE:
    """A creeping flow with forces, on a rectangle that is not the unit square."""
    exact = {
        "u": lambda x, y: torch.exp(x) * torch.cos(2 * y),
        "v": lambda x, y: -torch.exp(x) * torch.sin(2 * y) / 2,
        "p": lambda x, y: torch.sin(2 * x) * torch.cos(3 * y),
    }

    def flow(u, v, p, x, y):
        return (
            p.x - laplacian(u) - 2 * torch.cos(2 * x) * torch.cos(3 * y) - 3 * exact["u"](x, y),
            p.y - laplacian(v) + 3 * torch.sin(2 * x) * torch.sin(3 * y) - 3 * exact["v"](x, y),
            u.x + v.y,
        )

    speeds = Dirichlet({name: exact[name] for name in ("u", "v")})
    return PDE(flow, Box(x=(0, 1.5), y=(0, 1)), [speeds, ORIGIN], solution=exact)


def test_a_creeping_flow_on_the_first_grid():
    problem = stokes()
    grid_problem = recognised(problem.form)
    axes = first_axes(grid_problem)
    assert sum(block.rows for block in grid_problem.blocks(axes)) == math.prod(shape_of(grid_problem, axes)) + 1
    coef, _, _ = solved_on_grid(grid_problem, axes, np.zeros(shape_of(grid_problem, axes)))
    x = problem.domain.interior(500, seed=1)
    gap = network_of(axes, coef)(x).detach() - problem.exact(x)
    assert float(gap.abs().max()) < 1e-8  # pressure; velocities are some orders better
    assert float(gap[:, :2].abs().max()) < 1e-10


@pytest.mark.slow
def test_the_pressure_may_have_a_mean():
    """Kovasznay's pressure has the mean of a closed integral."""
    integrated = (1.5 - (math.exp(2 * RATE) - math.exp(-RATE)) / (2 * RATE)) / 2
    speeds = {name: KOVASZNAY[name] for name in ("u", "v")}
    given = Condition(lambda p: integral(p, over=WAKE) - integrated, on="x=1")
    problem = PDE(navier_stokes, WAKE, [Dirichlet(speeds), given], solution=KOVASZNAY)
    grid_problem = recognised(problem.form)
    assert grid_problem.constant.value == pytest.approx(integrated / 1.5, rel=1e-12)
    axes = grid_problem.axes([np.linspace(-0.5, 1, 9), np.linspace(-0.5, 0.5, 9)], [11, 11])
    coef, _, _ = solved_on_grid(grid_problem, axes, np.zeros(shape_of(grid_problem, axes)))
    x = problem.domain.interior(500, seed=1)
    assert float((network_of(axes, coef)(x).detach() - problem.exact(x)).abs().max()) < 1e-7


def vortices() -> PDE:
    """Decaying vortices of Taylor and Green between walls that move with them."""

    def flow(u, v, p):
        return (
            u.t + u * u.x + v * u.y + p.x - laplacian(u) / 20,
            v.t + u * v.x + v * v.y + p.y - laplacian(v) / 20,
            u.x + v.y,
        )

    box = Box(x=(0.3, 1.7), y=(0, 1.2))
    mean = (math.sin(3.4) - math.sin(0.6)) / 2.8 + math.sin(2.4) / 2.4
    exact = {
        "u": lambda x, y, t: torch.cos(x) * torch.sin(y) * torch.exp(-t / 10),
        "v": lambda x, y, t: -torch.sin(x) * torch.cos(y) * torch.exp(-t / 10),
        "p": lambda x, y, t: -(torch.cos(2 * x) + torch.cos(2 * y) - mean) / 4 * torch.exp(-t / 5),
    }
    start = Initial({"u": lambda x, y: torch.cos(x) * torch.sin(y), "v": lambda x, y: -torch.sin(x) * torch.cos(y)})
    speeds = {name: exact[name] for name in ("u", "v")}
    return PDE(flow, box * Time(0, 0.01), [Dirichlet(speeds, on=box.boundary_names), start], solution=exact)


@pytest.mark.nightly
def test_a_flow_in_time_between_walls():
    solution = solve(vortices(), tolerance=1e-6)
    assert solution.stopped == "converged"
    assert solution.error_estimate < 1e-6 and solution.errors().relative_l2 < 1e-10  # it is near rounding


def test_sizes_that_balance_the_other_fields_of_a_flow():
    """A tenth of the speed across that balances u = 1 along twice the length, and of the pressure of the forces."""
    walls = Dirichlet({"u": 0.0, "v": 0.0})
    stokes = lambda u, v, p: (u.t + 2 * p.x - laplacian(u), v.t + 2 * p.y - laplacian(v), u.x + v.y)  # noqa: E731
    problem = PDE(stokes, Box(x=(0, 2), y=(0, 1)) * Time(0, 5), [walls, Initial({"u": 0.0, "v": 0.0})])
    grid_problem = recognised(problem.form)
    axes = grid_problem.axes([np.linspace(0, 2, 2), np.linspace(0, 1, 2), np.linspace(0, 5, 2)], [5, 5, 5])
    blocks = grid_problem.blocks(axes)
    evaluated = [block.evaluate(np.zeros(shape_of(grid_problem, axes))) for block in blocks]
    forces = 2 * PI / 5 + PI**2 + (2 * PI) ** 2
    expected = [0.0, 0.05, 0.1 * forces / (2 * PI + 4 * PI)]
    # Residuals are in units of the field, whose sizes for the two forces differ by some per cent.
    found = balanced_sizes(grid_problem, blocks, evaluated, np.array([1.0, 0.0, 0.0]))
    assert found == pytest.approx(expected, rel=0.05)


def unsteady(u, v, p):
    return u.t + p.x - laplacian(u), v.t + p.y - laplacian(v), u.x + v.y


def test_an_initial_pressure_is_refused():
    """That of PINNacle's NS2d-LT contradicts its inlet; in general the equations alone give it."""
    conditions = [Dirichlet({"u": 0.0, "v": 0.0}), Initial({"u": 0.0, "v": 0.0, "p": 0.0})]
    with pytest.warns(EdgewiseWarning, match="only 2 of them can hold"):
        twice = PDE(unsteady, UNIT * Time(0, 1), conditions)
    with pytest.raises(InputError, match=r"^Initial must leave out p, which has no rate .* got an initial p$"):
        solve(twice)


@pytest.mark.parametrize(
    ("lid", "start", "message"),
    [
        (1.0, 0.0, "must fit the conditions on y=1, got a gap of 1: let a speed"),
        (0.0, lambda x, y: torch.sin(PI * x) ** 2 * torch.sin(PI * y), "must have no divergence, got a gap of 3"),
    ],
)
def test_a_flow_that_starts_with_a_jump_is_refused(lid, start, message):
    walls = [Dirichlet({"u": 0.0, "v": 0.0}, on=["x=0", "x=1", "y=0"]), Dirichlet({"u": lid, "v": 0.0}, on="y=1")]
    problem = PDE(
        unsteady,
        UNIT * Time(0, 1),
        [*walls, Initial({"u": start, "v": 0.0})],
    )
    with pytest.raises(InputError, match=f"^the initial values of u, v {message}"):
        solve(problem)
