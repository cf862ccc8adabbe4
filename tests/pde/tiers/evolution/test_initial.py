"""Parabolic problems whose start jumps, inside or at a wall."""

import numpy as np
import pytest
from scipy.special import erf, expit, log_ndtr

from edgewise.pde import PDE, Box, Dirichlet, Initial, Interval, Neumann, Periodic, Time, solve
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.evolution.collocation import COLLOCATION
from edgewise.pde.tiers.evolution.initial import RoughInitial

LINE = Interval(-8, 8) * Time(0, 1)


def step(x):
    return (x > 0.3).double()


def relative_error(solution, exact, x, t):
    x, t = (each.ravel() for each in np.meshgrid(x, t))
    values = exact(x, t)
    values = values if values.ndim == 2 else values[:, None]
    return np.linalg.norm(solution(np.stack([x, t], 1)) - values) / np.linalg.norm(values)


def start_of(problem):
    return COLLOCATION.stepper(recognised(problem.form), 1e-9, lambda *_: True)


def heat(start, conditions, domain=LINE, equation=lambda u: u.t - u.xx):
    evolution = start_of(PDE(equation, domain, [Initial(start), *conditions])).evolution
    return RoughInitial.of_data(evolution.grid_problem, evolution.initial_on, 1.0, evolution.allowed, evolution.begin)


@pytest.mark.parametrize(
    ("start", "walls", "places"),
    [
        (step, Dirichlet(step), [0.3]),
        (lambda x: step(x) - step(x - 0.01) + x.sin(), Neumann(0.0), [-8, 0.3, 0.31, 8]),
        (1.0, Dirichlet(0.0), [-8, 8]),
        (step, Dirichlet(0.0, on="x=8"), None),
        (step, Dirichlet(0.5), [-8, 0.3, 8]),
    ],
)
def test_jumps_are_found_to_rounding(start, walls, places):
    conditions = [walls] if places else [walls, Neumann(0.0, on="x=-8")]
    places = places or [0.3, 8]
    rough = heat(start, conditions)
    assert sorted(rough.places) == pytest.approx(places, abs=1e-12)
    assert set(places) <= set(np.round(rough.axis(10, 24).breakpoints, 12))


@pytest.mark.parametrize(
    "rough",
    [
        lambda: heat(lambda x: (-(x**2)).exp(), [Dirichlet(0.0)]),
        lambda: heat(lambda x: x.abs(), [Dirichlet(8.0)]),
        lambda: heat(lambda x: (20 * x).tanh(), [Dirichlet(x_sign)]),
        lambda: heat(step, [Periodic("x")]),
        lambda: heat(
            lambda x, y: step(x), [Dirichlet(0.0)], Box(x=(0, 1), y=(0, 1)) * Time(0, 1), lambda u: u.t - u.xx - u.yy
        ),
    ],
)
def test_others_are_none_of_these(rough):
    assert rough() is None


def x_sign(x):
    return x.sign()


@pytest.mark.slow
def test_a_step_of_heat_is_that_of_the_error_function():
    solution = solve(PDE(lambda u: u.t - u.xx, LINE, [Initial(step), Dirichlet(step)]), tolerance=1e-4)
    error = relative_error(
        solution,
        lambda x, t: (1 + erf((x - 0.3) / np.sqrt(4 * t))) / 2,
        np.linspace(-8, 8, 801),
        np.linspace(0.005, 1, 50),
    )
    assert solution.stopped.value == "converged"
    assert error < min(1e-4, 3 * solution.error_estimate)


@pytest.mark.nightly
def test_a_step_that_a_flow_carries():
    nu = 0.5

    def exact(x, t):
        before, behind = (log_ndtr(-each * np.sqrt(2) / np.sqrt(4 * nu * t)) for each in (-x, x - t))
        return expit(-((x - t / 2) / (2 * nu) + before - behind))  # E. Hopf, Comm. Pure Appl. Math. 3, 1950, 201

    problem = PDE(
        lambda u: u.t + u * u.x - nu * u.xx,
        Interval(-6, 6) * Time(0, 0.5),
        [Initial(lambda x: (x < 0).double()), Dirichlet(1.0, on="x=-6"), Dirichlet(0.0, on="x=6")],
    )
    solution = solve(problem, tolerance=1e-3)
    error = relative_error(solution, exact, np.linspace(-6, 5, 401), np.linspace(0.005, 0.5, 40))
    assert error < min(1e-3, 3 * solution.error_estimate)
