"""Evolution on domains that are no box: given solutions, integrations that end early."""

import math

import pytest
import torch

from edgewise.pde import (
    PDE,
    Box,
    Dirichlet,
    Disk,
    Initial,
    Periodic,
    Time,
    Triangulation,
    laplacian,
    solve,
)
from edgewise.pde.solver.solution import errors_of
from edgewise.pde.tiers.galerkin.cut_evolution import CUT_CELLS, cut_cell_problem


@pytest.mark.nightly
def test_a_bump_turns_in_a_disk_without_growth():
    """Advection with no condition, for nothing flows in: errors that grew from the cut cells had ended it."""

    def exact(x, y, t):
        a, b = torch.cos(2 * t) * x + torch.sin(2 * t) * y, torch.cos(2 * t) * y - torch.sin(2 * t) * x
        return torch.exp(-4 * ((a - 0.3) ** 2 + b**2))

    start = Initial(lambda x, y: exact(x, y, 0 * x))
    problem = PDE(lambda u, x, y: u.t - 2 * y * u.x + 2 * x * u.y, Disk() * Time(0, 3), [start], solution=exact)
    integration = CUT_CELLS.stepper(cut_cell_problem(problem.form), 1e-5, lambda share, count, work: True).run()
    assert integration.is_complete and errors_of(integration.network, problem).relative_l2 < 1e-5


@pytest.mark.slow
def test_a_periodic_coordinate_beside_a_hole():
    """The first grid has as many intervals as a spline is wide: with fewer it had ended in an IndexError."""

    def exact(x, y, t):
        return torch.exp(-t) * torch.sin(torch.pi * x) * torch.cos(y)

    def equation(u, x, y, t):
        return u.t - laplacian(u) - torch.pi**2 * exact(x, y, t)

    domain = (Box(x=(-1, 1), y=(-1, 1)) - Disk(0.4)) * Time(0, 0.1)
    walls = Dirichlet(exact, on=["y=-1", "y=1", "inner"])
    problem = PDE(equation, domain, [Periodic("x"), walls, Initial(lambda x, y: exact(x, y, 0 * x))], solution=exact)
    integration = CUT_CELLS.stepper(cut_cell_problem(problem.form), 1e-4, lambda *_: True).run()
    assert errors_of(integration.network, problem).relative_l2 < 1e-5


@pytest.mark.slow
def test_a_triangulation_that_fills_its_box_marches():
    """It cuts no cells, so that there are no seams: this ended in a ValueError."""
    square = Triangulation([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 1, 2], [0, 2, 3]])

    def fading(x, y, t):
        return torch.sin(math.pi * x) * torch.sin(math.pi * y) * torch.exp(-0.2 * math.pi**2 * t)

    start = Initial(lambda x, y: fading(x, y, 0 * x))
    problem = PDE(lambda u: u.t - 0.1 * laplacian(u), square * Time(0, 0.1), [Dirichlet(0.0), start], solution=fading)
    assert solve(problem, tolerance=1e-4).errors().relative_l2 < 1e-4


def test_a_budget_ends_inside_of_a_time_element_with_what_there_is():
    """The first one had gone from grid to grid, and taken 400 times as much work."""
    allowed = 3e8
    start = Initial(lambda x, y: 1 - x**2 - y**2)
    problem = PDE(lambda u: u.t - laplacian(u), Disk() * Time(0, 0.1), [Dirichlet(0.0), start])
    stepper = CUT_CELLS.stepper(
        cut_cell_problem(problem.form),
        3e-4,
        lambda share, count, work: work < allowed,
        left=lambda work: allowed - work,
    )
    integration = stepper.run()
    assert 0 < integration.reached < 0.1 and stepper.evolution.work < 3 * allowed
