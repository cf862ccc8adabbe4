"""`solve`: known solutions to many digits with default settings, error estimates, and reasons of the end."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from edgewise.errors import InputError
from edgewise.files import Journal
from edgewise.files import journal as journal_module
from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.domains.shapes import Disk
from edgewise.pde.domains.solids import Ball
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Condition, Dirichlet, Initial, Neumann, Observations, Periodic
from edgewise.pde.problem.fields import laplacian
from edgewise.pde.solver import refinement
from edgewise.pde.solver.judging.uniqueness import squared_residuals
from edgewise.pde.solver.solving import solve
from edgewise.pde.spaces.networks import SlabNetwork
from edgewise.train import LBFGS
from edgewise_experiments.problems.named_equations import named_equation

PI = math.pi


def heat(**settings):
    return PDE(
        lambda u: u.t - 0.1 * u.xx,
        Interval(0, 1) * Time(0, 1),
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x))],
        solution=lambda x, t: torch.exp(-0.1 * PI**2 * t) * torch.sin(PI * x),
        **settings,
    )


@pytest.mark.slow
def test_heat_with_default_settings():
    events = []
    solution = solve(heat(), budget=0.02, tolerance=1e-7, progress=events.append)
    assert isinstance(solution.model, SlabNetwork)
    error = solution.errors()
    assert error.relative_l2 < 1e-5
    assert error.relative_l2 < 30 * solution.error_estimate
    squares = squared_residuals(solution.model, solution.problem, _fresh(solution))
    assert solution.residual == pytest.approx(float(squares.mean().sqrt()), rel=0.5)
    assert [stage.parameters for stage in solution.stages] == sorted(stage.parameters for stage in solution.stages)
    assert math.isnan(solution.stages[0].change)
    assert events[-1].stage.endswith("slabs") and 0 < events[-1].share <= 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits():
    problem = PDE(lambda u: u.t + u**2, Time(0, 2), [Initial(1.0)])
    x = problem.domain.interior(20)
    first, again = (solve(problem, tolerance=1e-5)(x) for _ in range(2))
    assert torch.equal(first, again)


def _fresh(solution):
    return solution.problem.domain.interior(500, seed=5)


@pytest.mark.slow
def test_a_nonlinear_ordinary_equation_is_a_spline():
    problem = PDE(lambda u: u.t + u**2, Time(0, 2), [Initial(1.0)], solution=lambda t: 1 / (1 + t))
    solution = solve(problem, tolerance=1e-9)
    assert solution.stopped == "converged"
    assert solution.errors().relative_l2 < 1e-8


@pytest.mark.slow
def test_a_system():
    problem = PDE(
        lambda u, v: (u.t - v, v.t + u),
        Time(0, 3),
        [Initial({"u": 0.0, "v": 1.0})],
        solution={"u": lambda t: torch.sin(t), "v": lambda t: torch.cos(t)},
    )
    assert solve(problem, tolerance=1e-8).errors().relative_l2 < 1e-7


@pytest.mark.slow
def test_hidden_layers_and_periodic_coordinates(monkeypatch):
    monkeypatch.setattr(refinement, "STEPS", 30)
    monkeypatch.setattr(refinement, "SETTINGS", replace(refinement.SETTINGS, most_grid_moves=1, race_steps=8))
    problem = PDE(
        lambda u, x, y: u.xx + u.yy + 2 * PI**2 * torch.sin(PI * x) * torch.sin(PI * y),
        Box(x=(0, 1), y=(0, 1)),
        [Dirichlet(0.0)],
        solution=lambda x, y: torch.sin(PI * x) * torch.sin(PI * y),
    )
    solution = solve(problem, hidden=(3,), budget=0.002, starts=1, grid_size=4)
    assert solution.model.config.width == (2, 3, 1)
    assert solution.errors().relative_l2 < 0.05
    ring = PDE(
        lambda u: u.t - u.xx,
        Interval(0, 2) * Time(0, 0.1),
        [Periodic("x"), Initial(lambda x: torch.sin(PI * x))],
        solution=lambda x, t: torch.exp(-(PI**2) * t) * torch.sin(PI * x),
    )
    assert solve(ring, budget=0.002, starts=1, grid_size=4, hidden=(2,)).errors().relative_l2 < 0.05


def test_an_unknown_coefficient_from_data():
    x = torch.linspace(0, 2, 30, dtype=torch.float64)[:, None]
    problem = PDE(
        lambda u, k: u.t + k * u,
        Time(0, 2),
        [Initial(1.0), Observations(x, torch.exp(-0.7 * x[:, 0]))],
        coefficients={"k": 2.0},
    )
    solution = solve(problem, tolerance=1e-7)
    assert solution.unknowns["k"] == pytest.approx(0.7, abs=1e-6)
    assert float(problem.unknowns["k"].detach()) == 2.0


def test_contradictory_conditions_are_refused_with_a_sentence():
    with pytest.raises(InputError, match="conditions must give u one value on 'x=1', got two different ones"):
        PDE(lambda u: u.xx, Interval(0, 1), [Dirichlet(0.0), Dirichlet(1.0, on="x=1")])
    with pytest.raises(InputError, match=r"two different ones; a rate is given as Initial\(value, rate\)"):
        PDE(lambda u: u.tt + u, Time(0, 1), [Initial(1.0), Initial(0.0)])
    with pytest.raises(InputError, match=r"must have names, as Box\(x=\(0, 1\), y=\(0, 1\)\), got \(0, 1\)"):
        Box((0, 1), (0, 1))


@pytest.mark.slow
def test_a_disk_is_refined_inside():
    """B-splines that barely reach into it don't draw the grid to the boundary."""
    wave = named_equation("poisson-disk").make()
    solution = solve(wave, budget=0.05)
    assert solution.errors().relative_l2 < 5e-8


@pytest.mark.slow
def test_other_methods():
    problem = PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)], solution=lambda t: torch.exp(-t))
    assert solve(problem, method=LBFGS(), grid_size=4, budget=1e-4).errors().relative_l2 < 1e-2


def test_time_decides_between_stages(counted_seconds):
    assert solve(heat(), time_limit=1e-9).stopped == "time_limit"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"degree": 2}, r"^degree must be 3 to 5 for an equation of order 2, got 2$"),
        ({"budget": 0}, r"^budget must be a positive number, got 0$"),
        ({"tolerance": -1}, r"^tolerance must be a number of at least 0, got -1$"),
        ({"fineness": 3}, r"^solve has no option 'fineness'; the known ones are problem, .*, hidden, grid_size, "),
        ({"starts": 0}, r"^starts must be an integer of at least 1, got 0$"),
    ],
)
def test_wrong_settings_get_one_sentence(settings, message):
    with pytest.raises(InputError, match=message):
        solve(heat(points=50), **settings)


@pytest.mark.parametrize(
    "domain, options, message",
    [
        (Interval(0, 1), {"degree": 4}, "got 6, and a network or its method is chosen"),
        (Disk(), {}, "got 6, and the domain is no box of at most 3 coordinates"),
    ],
)
def test_orders_above_four_are_not_left_to_networks(domain, options, message):
    problem = PDE(lambda u: u.xxxxxx, domain, [Dirichlet(0.0), Neumann(0.0), Condition(lambda u: u.xx)], points=50)
    with pytest.raises(InputError, match=rf"^the equation must be of order 4 at most where .*, {message}$"):
        solve(problem, **options)


def test_a_ring_with_loads_of_order_six():
    # u = (1 - x) exp(x): M. Chawla, C. Katti, BIT 19, 1979, 27.
    conditions = [
        Dirichlet(lambda x: (1 - x) * torch.exp(x)),
        Neumann(0.0, on="x=0"),
        Neumann(-math.e, on="x=1"),
        Condition(lambda u, x: u.xx + (1 + x) * torch.exp(x)),
    ]
    solution = solve(PDE(lambda u, x: u.xxxxxx - u + 6 * torch.exp(x), Interval(0, 1), conditions))
    x = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    assert float((solution(x) - (1 - x) * torch.exp(x)).abs().max()) < 1e-12
    assert float((solution.derivative(x, "xxxxx") + (4 + x[:, 0]) * torch.exp(x[:, 0])).abs().max()) < 1e-2  # rounding
    assert solution.stopped.value == "converged"


@pytest.mark.slow
def test_a_phase_field_crystal():
    # K. Elder, M. Grant, Phys. Rev. E 70, 2004, 051605; the reference is a Fourier series in scipy's LSODA.
    count, end = 128, 2.0
    waves = np.arange(count // 2 + 1) / 2
    places = np.arange(count) * 4 * PI / count
    rates = -(waves**2) * ((1 - waves**2) ** 2 - 0.25)

    def rate(t, series):
        series = series.view(complex)
        return (rates * series - waves**2 * np.fft.rfft(np.fft.irfft(series, count) ** 3)).view(float)

    first = np.fft.rfft(0.1 + 0.2 * np.cos(places) + 0.05 * np.sin(places / 2))
    last = solve_ivp(rate, (0, end), first.view(float), "LSODA", rtol=1e-10, atol=1e-12).y[:, -1].copy()
    problem = PDE(
        lambda u: u.t - (u.xxxxxx + 2 * u.xxxx + 0.75 * u.xx + 3 * u**2 * u.xx + 6 * u * u.x**2),
        Interval(0, 4 * PI) * Time(0, end),
        [Periodic("x"), Initial(lambda x: 0.1 + 0.2 * torch.cos(x) + 0.05 * torch.sin(x / 2))],
    )
    solution = solve(problem, tolerance=1e-6)
    gap = solution(np.stack([places, np.full(count, end)], 1))[:, 0] - np.fft.irfft(last.view(complex), count)
    assert np.abs(gap).max() < 1e-6


def test_only_problems_can_be_solved():
    with pytest.raises(InputError, match=r"^problem must be a PDE, got NamedEquation$"):
        solve(named_equation("heat"))


def test_a_solution_is_shown_by_its_main_sentence():
    solution = solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), tolerance=1e-4)
    assert repr(solution) == f"<Solution for u: {solution.message}>"


class Killed(Exception):
    """Stands for the end of a process."""


@pytest.mark.slow
def test_a_resumed_solve_gives_the_bits_of_one_that_was_not_interrupted(tmp_path, monkeypatch):
    """Refinement with an unknown coefficient. The journal is written after every training here."""
    equation = "inverse-diffusion"
    monkeypatch.setattr(journal_module, "WRITE_AFTER", 0.0)
    make = named_equation(equation).make
    options = {"budget": 0.05, "tolerance": 1e-4, "degree": 5}  # structured grids, without it, train nothing
    whole, run = solve(make(), **options), {"equation": equation}
    journal, keep, trainings = Journal(tmp_path / "j", run), Journal.keep, []

    def keep_two(self, *part):
        keep(self, *part)
        trainings.append(part)
        if len(trainings) == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "keep", keep_two)
        with pytest.raises(Killed):
            solve(make(), journal=journal, **options)
    later = Journal(tmp_path / "j", run)
    assert later.resume() == 2
    again = solve(make(), journal=later, **options)
    assert (again.stopped, again.message, again.unknowns) == (whole.stopped, whole.message, whole.unknowns)
    assert [replace(s, seconds=0) for s in again.stages] == [replace(s, seconds=0) for s in whole.stages]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


@pytest.mark.slow
def test_heat_in_a_ball_of_five_dimensions():
    """Its solution exp(|x|^2 / 2 + t) has itself as normal derivative on the unit sphere."""

    def known(a, b, c, d, e, t):
        return torch.exp((a**2 + b**2 + c**2 + d**2 + e**2) / 2 + t)

    def equation(u, a, b, c, d, e, t):
        square = a**2 + b**2 + c**2 + d**2 + e**2
        return u.t - laplacian(u) / 5 + square / 5 * torch.exp(square / 2 + t)

    ball = Ball(coordinates=("a", "b", "c", "d", "e")) * Time(0, 1)
    start = Initial(lambda a, b, c, d, e: known(a, b, c, d, e, 0 * a))
    solution = solve(PDE(equation, ball, [Neumann(known, on="sphere"), start], solution=known), budget=0.01)
    error = solution.errors().relative_l2
    assert error < 1e-6
    assert error < 3 * solution.error_estimate
