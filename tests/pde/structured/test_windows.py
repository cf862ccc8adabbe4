"""Evolution on domains that are no box: series of Bessel functions, given solutions, marches that end early."""

import pytest
import torch
from scipy.special import jn_zeros

from edgewise.pde import PDE, Box, Dirichlet, Disk, Initial, Parameter, Robin, Time, laplacian, solve
from edgewise.pde.solver.solution import errors_of
from edgewise.pde.structured.networks import WindowNetwork
from edgewise.pde.structured.windows import WindowMarch, evolution

ZEROS = jn_zeros(0, 2)


def drum(equation, factor, end, rate=None):
    """Two modes of a disk, each times a factor of time."""

    def exact(x, y, t):
        radius = (x**2 + y**2).sqrt()
        return sum(torch.special.bessel_j0(k * radius) * factor(k, t) for k in ZEROS)

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
    solution = solve(heat())
    error = solution.errors().relative_l2
    assert isinstance(solution.model, WindowNetwork)
    assert error < 1e-6 and error / 3 < solution.error_estimate < 100 * error


@pytest.mark.slow
def test_a_drum_swings():
    problem = drum(lambda u: u.tt - laplacian(u), lambda k, t: torch.cos(k * t), 1, rate=0.0)
    march = WindowMarch(evolution(problem.form), 1e-5, lambda share, count, work: True).run()
    assert march.is_complete and errors_of(march.network, problem).relative_l2 < 2e-5


@pytest.mark.slow
def test_a_reaction_on_a_square_with_a_hole():
    solution = solve(reaction())
    assert solution.stopped == "converged" and solution.errors().relative_l2 < 1e-9


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
    assert error < 3e-5 and error / 3 < solution.error_estimate < 100 * error


@pytest.mark.slow
def test_a_march_that_is_stopped_says_up_to_which_moment():
    solution = solve(reaction(), budget=1e-5)
    end = float(solution.model.ends[-1])
    assert solution.stopped == "budget" and 0 < end < 1
    assert f"the solution ends at t = {end:.6g}" in solution.message
    assert solution.errors().relative_l2 < 1e-5
    # Nothing was compared with this pass: its error is not known below its tolerance, whatever residuals say.
    assert solution.error_estimate >= 1e-5 and "the only pass through time had a tolerance of 1e-05" in solution.trust


@pytest.mark.slow
def test_another_coordinate_acts_as_time():
    """Windows along a parameter are those of the time t, to the last bit."""
    networks = []
    for name, time in (("t", Time(0, 0.1)), ("s", Parameter("s", 0, 0.1))):
        start = Dirichlet(lambda x, y: 1 - x**2 - y**2, on=f"{name}=0")
        problem = PDE(
            lambda u, name=name: u.derivative(name) - laplacian(u), Disk() * time, [Dirichlet(0.0, on="circle"), start]
        )
        networks.append(WindowMarch(evolution(problem.form), 1e-2, lambda *_: True).run().network)
    x = problem.domain.interior(50)
    assert torch.equal(networks[0](x), networks[1](x))


@pytest.mark.parametrize("domain", [Box(x=(-1, 1), y=(-1, 1)) * Time(0, 1), Disk()], ids=["a box has slabs", "no time"])
def test_other_problems_have_no_windows(domain):
    start = [Initial(0.0)] if "t" in domain.coordinates else []
    equation = (lambda u: u.t - laplacian(u)) if start else (lambda u: laplacian(u) + 1)
    assert evolution(PDE(equation, domain, [Dirichlet(0.0), *start]).form) is None
