"""Evolution on domains that are no box: series of Bessel functions, given solutions, integrations that end early."""

import math

import pytest
import torch
from scipy.special import jn_zeros

from edgewise.pde import (
    PDE,
    Ball,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Parameter,
    Periodic,
    Robin,
    Time,
    Triangulation,
    laplacian,
    solve,
)
from edgewise.pde.solver.solution import errors_of
from edgewise.pde.spaces.networks import SlabNetwork
from edgewise.pde.tiers.galerkin.cut_slabs import CUT_CELLS, CUT_CELLS_OF_SOLIDS, cut_cell_problem

ZEROS = jn_zeros(0, 2)


def bessel(z):
    """Bessel's function J0 for z below 6, by its series."""
    term, total = torch.ones_like(z), torch.ones_like(z)
    for m in range(1, 30):
        term = -term * (z / (2 * m)) ** 2
        total = total + term
    return total


def drum(equation, factor, end, rate=None):
    """Two modes of a disk, each times a factor of time."""

    def exact(x, y, t):
        radius = (x**2 + y**2).sqrt()
        return sum(bessel(k * radius) * factor(k, t) for k in ZEROS)

    start = Initial(lambda x, y: exact(x, y, 0 * x), rate=rate)
    return PDE(equation, Disk() * Time(0, end), [Dirichlet(0.0), start], solution=exact)


def heat():
    return drum(lambda u: u.t - 0.1 * laplacian(u), lambda k, t: torch.exp(-0.1 * k**2 * t), 1)


def reaction():
    """Allen and Cahn's equation on a square with a hole, with a source for a given solution."""

    def exact(x, y, t):
        return torch.exp(-t) * torch.sin(x + y / 2)

    def equation(u, x, y, t):
        known = exact(x, y, t)
        return u.t - 0.05 * laplacian(u) - u + u**3 - (-2 + 0.0625) * known - known**3

    domain = (Box(x=(-1, 1), y=(-1, 1)) - Disk(0.4)) * Time(0, 1)
    conditions = [Dirichlet(exact), Initial(lambda x, y: exact(x, y, 0 * x))]
    return PDE(equation, domain, conditions, solution=exact)


@pytest.mark.slow
def test_heat_on_a_disk_is_the_series_of_bessel():
    integration = CUT_CELLS.stepper(cut_cell_problem(heat().form), 1e-7, lambda share, count, work: True).run()
    assert integration.is_complete and errors_of(integration.network, heat()).relative_l2 < 1e-8


def cooling_ball(end):
    """The slowest mode of a ball, which is no sum of few products."""

    def exact(x, y, z, t):
        return torch.sinc((x**2 + y**2 + z**2).sqrt()) * torch.exp(-0.1 * math.pi**2 * t)

    conditions = [Dirichlet(0.0), Initial(lambda x, y, z: exact(x, y, z, 0 * x))]
    return PDE(lambda u: u.t - 0.1 * laplacian(u), Ball() * Time(0, end), conditions, solution=exact)


@pytest.mark.slow
def test_heat_in_a_ball():
    problem = cooling_ball(0.1)
    integration = CUT_CELLS_OF_SOLIDS.stepper(cut_cell_problem(problem.form), 1e-2, lambda *_: True).run()
    assert integration.is_complete and errors_of(integration.network, problem).relative_l2 < 1e-5


@pytest.mark.slow
def test_slabs_follow_networks_that_leave_an_error():
    """Networks end at 2e-3 in a ball, for they are sums of products of functions of x, y and z."""
    solution = solve(cooling_ball(1))
    error = solution.errors().relative_l2
    assert isinstance(solution.model, SlabNetwork) and error < 1e-5
    assert error / 3 < solution.error_estimate < 100 * error


@pytest.mark.slow
def test_heat_from_small_holes_stays_below_what_they_give():
    """Values had grown to a hundred: splines reached across holes, where the start contradicts the conditions."""
    domain = Box(x=(-4, 4), y=(-4, 4))
    for center in ((-2.0, -2.0), (2.0, -2.0), (0.0, 2.0)):
        domain = domain - Disk(0.4, center=center)
    sides, circles = list(domain.boundary_names[:4]), list(domain.boundary_names[4:])
    conditions = [Robin(1.0, 1.0, 5.0, on=circles), Robin(1.0, 1.0, 0.1, on=sides), Initial(0.0)]
    problem = PDE(lambda u: u.t - laplacian(u), domain * Time(0, 1), conditions)
    integration = CUT_CELLS.stepper(cut_cell_problem(problem.form), 0.1, lambda *_: True).run()
    values = integration.network(torch.cat([problem.domain.interior(4000), problem.domain.boundary(1000)[0]])).detach()
    assert integration.is_complete and float(values.min()) > -0.1 and 1 < float(values.max()) < 5


@pytest.mark.slow
def test_a_drum_swings():
    problem = drum(lambda u: u.tt - laplacian(u), lambda k, t: torch.cos(k * t), 1, rate=0.0)
    integration = CUT_CELLS.stepper(cut_cell_problem(problem.form), 1e-5, lambda share, count, work: True).run()
    assert integration.is_complete and errors_of(integration.network, problem).relative_l2 < 1e-5


@pytest.mark.slow
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
def test_a_reaction_on_a_square_with_a_hole():
    solution = solve(reaction())
    assert solution.stopped == "converged" and solution.errors().relative_l2 < 1e-10


def test_a_periodic_coordinate_beside_a_hole():
    """The first grid has as many intervals as a spline is wide: with fewer it had ended in an IndexError."""

    def exact(x, y, t):
        return torch.exp(-t) * torch.sin(torch.pi * x) * torch.cos(y)

    def equation(u, x, y, t):
        return u.t - laplacian(u) - torch.pi**2 * exact(x, y, t)

    domain = (Box(x=(-1, 1), y=(-1, 1)) - Disk(0.4)) * Time(0, 0.1)
    walls = Dirichlet(exact, on=["y=-1", "y=1", "circle"])
    problem = PDE(equation, domain, [Periodic("x"), walls, Initial(lambda x, y: exact(x, y, 0 * x))], solution=exact)
    integration = CUT_CELLS.stepper(cut_cell_problem(problem.form), 1e-4, lambda *_: True).run()
    assert errors_of(integration.network, problem).relative_l2 < 1e-5


@pytest.mark.slow
def test_heat_leaves_through_a_wall():
    """Cooling by a Robin condition, as a given solution has it."""

    def exact(x, y, t):
        return torch.exp(-t) * (2 + x * y)

    def given(x, y, t):  # the normal of the unit circle is the place
        return torch.exp(-t) * 2 * x * y + exact(x, y, t)

    wall = Robin(1.0, 1.0, given)
    start = Initial(lambda x, y: 2 + x * y)
    problem = PDE(
        lambda u, x, y, t: u.t - laplacian(u) + exact(x, y, t), Disk() * Time(0, 1), [wall, start], solution=exact
    )
    solution = solve(problem)
    error = solution.errors().relative_l2
    assert isinstance(solution.model, SlabNetwork) and solution.stopped == "converged"
    assert error < 1e-11 and error / 3 < solution.error_estimate < 100 * error


@pytest.mark.slow
def test_an_integration_that_is_stopped_says_up_to_which_moment():
    solution = solve(reaction(), budget=1e-5)
    end = float(solution.model.ends[-1])
    assert solution.stopped == "budget" and 0 < end < 1
    assert f"the solution ends at t = {end:.6g}" in solution.message
    assert solution.errors().relative_l2 < 1e-5
    # Nothing was compared with this pass: its error is not known below its tolerance, whatever residuals say.
    assert solution.error_estimate >= 1e-5 and "the only pass through time had a tolerance of 1e-05" in solution.trust


@pytest.mark.slow
def test_another_coordinate_acts_as_time():
    """Slabs along a parameter are those of the time t, to the last bit."""
    networks = []
    for name, time in (("t", Time(0, 0.1)), ("s", Parameter("s", 0, 0.1))):
        start = Dirichlet(lambda x, y: 1 - x**2 - y**2, on=f"{name}=0")
        problem = PDE(
            lambda u, name=name: u.derivative(name) - laplacian(u), Disk() * time, [Dirichlet(0.0, on="circle"), start]
        )
        networks.append(CUT_CELLS.stepper(cut_cell_problem(problem.form), 1e-2, lambda *_: True).run().network)
    x = problem.domain.interior(50)
    assert torch.equal(networks[0](x), networks[1](x))


@pytest.mark.parametrize("domain", [Box(x=(-1, 1), y=(-1, 1)) * Time(0, 1), Disk()], ids=["a box has slabs", "no time"])
def test_other_problems_have_no_slabs(domain):
    start = [Initial(0.0)] if "t" in domain.coordinates else []
    equation = (lambda u: u.t - laplacian(u)) if start else (lambda u: laplacian(u) + 1)
    assert cut_cell_problem(PDE(equation, domain, [Dirichlet(0.0), *start]).form) is None


@pytest.mark.slow
def test_a_triangulation_that_fills_its_box_marches():
    """It cuts no cells, so that there are no seams: this ended in a ValueError."""
    square = Triangulation([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 1, 2], [0, 2, 3]])

    def fading(x, y, t):
        return torch.sin(math.pi * x) * torch.sin(math.pi * y) * torch.exp(-0.2 * math.pi**2 * t)

    start = Initial(lambda x, y: fading(x, y, 0 * x))
    problem = PDE(lambda u: u.t - 0.1 * laplacian(u), square * Time(0, 0.1), [Dirichlet(0.0), start], solution=fading)
    assert solve(problem, tolerance=1e-4).errors().relative_l2 < 1e-4


@pytest.mark.slow
def test_a_condition_on_values_holds_as_well_where_its_factor_is_small():
    def exact(x, y, t):
        return torch.exp(-t) * torch.sin(x + 2 * y)

    conditions = [
        Condition(lambda u, x, y, t: torch.exp(3 * x) * (u - exact(x, y, t))),
        Initial(lambda x, y: torch.sin(x + 2 * y)),
    ]
    problem = PDE(lambda u, x, y, t: u.t - laplacian(u) - 4 * exact(x, y, t), Disk() * Time(0, 0.2), conditions)
    solution = solve(problem, tolerance=1e-6, budget=0.25)
    points = torch.tensor([[-0.7, 0.5, 0.1], [0.3, 0.2, 0.2], [0.9, -0.3, 0.15]], dtype=torch.float64)
    assert solution.tier == "cut cells in time"
    assert (solution(points)[:, 0] - exact(*points.T)).abs().max() < 1e-6
