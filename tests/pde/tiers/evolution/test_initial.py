"""Parabolic problems whose start jumps, inside or at a wall."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import erf, erfc, expit, log_ndtr

from edgewise.pde import PDE, Box, Dirichlet, Initial, Interval, Neumann, Periodic, Robin, Time, laplacian, solve
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
        lambda: heat(step, [Dirichlet(step)], equation=lambda u: u.t + u.xx),  # backwards
        lambda: heat(
            lambda x, y: step(x), [Dirichlet(0.0)], Box(x=(0, 1), y=(0, 1)) * Time(0, 1), lambda u: u.t - u.xx - u.yy
        ),
    ],
)
def test_others_are_none_of_these(rough):
    assert rough() is None


def x_sign(x):
    return x.sign()


def test_a_projection_keeps_mass_and_moments():
    problem = PDE(lambda u: u.t - u.xx, LINE, [Initial(step), Neumann(0.0)])
    rough = heat(step, [Neumann(0.0)])
    axis = rough.axis(10, 24)
    state = rough.state(axis)[0, :, 0]
    nodes, weights = np.polynomial.legendre.leggauss(8)
    lengths = np.diff(axis.breakpoints)[:, None]
    x, w = (axis.breakpoints[:-1, None] + lengths * (nodes + 1) / 2).ravel(), (lengths * weights / 2).ravel()
    values = axis.table(x) @ state
    for power in range(5):
        assert (w * x**power) @ values == pytest.approx(
            (8 ** (power + 1) - 0.3 ** (power + 1)) / (power + 1), rel=1e-11
        )
    assert problem.form.time == 1


@pytest.mark.slow
def test_a_step_of_heat_is_that_of_the_error_function():
    solution = solve(PDE(lambda u: u.t - u.xx, LINE, [Initial(step), Dirichlet(step)]), tolerance=1e-6)
    error = relative_error(
        solution,
        lambda x, t: (1 + erf((x - 0.3) / np.sqrt(4 * t))) / 2,
        np.linspace(-8, 8, 801),
        np.linspace(0.005, 1, 50),
    )
    assert solution.stopped.value == "converged"
    assert error < min(1e-6, 3 * solution.error_estimate)


@pytest.mark.slow
def test_a_start_that_contradicts_the_walls():
    problem = PDE(lambda u: u.t - u.xx, Interval(0, 1) * Time(0, 0.1), [Initial(1.0), Dirichlet(0.0)])
    solution = solve(problem, tolerance=1e-6)

    def images(x, t):
        return sum((-1) ** k * erf((x - k) / np.sqrt(4 * t)) for k in range(-3, 4)) + np.zeros_like(x)

    error = relative_error(solution, images, np.linspace(0, 1, 201), np.linspace(0.0005, 0.1, 50))
    assert error < min(1e-6, 3 * solution.error_estimate)


@pytest.mark.slow
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
    solution = solve(problem, tolerance=1e-5)
    error = relative_error(solution, exact, np.linspace(-6, 5, 401), np.linspace(0.005, 0.5, 40))
    assert error < min(1e-5, 3 * solution.error_estimate)


@pytest.mark.slow
def test_a_step_of_one_of_two_that_react():
    both = {
        "u": lambda x, t: (step(x) * (1 + torch.exp(-2 * t))) / 2,
        "v": lambda x, t: step(x) * (1 - torch.exp(-2 * t)) / 2,
    }
    problem = PDE(
        lambda u, v: (u.t - u.xx + u - v, v.t - v.xx + v - u),
        LINE,
        [Initial({"u": step, "v": 0.0}), Dirichlet(both)],
    )
    solution = solve(problem, tolerance=1e-5)

    def exact(x, t):
        whole, decays = (1 + erf((x - 0.3) / np.sqrt(4 * t))) / 4, np.exp(-2 * t)
        return np.stack([whole * (1 + decays), whole * (1 - decays)], 1)

    error = relative_error(solution, exact, np.linspace(-8, 8, 401), np.linspace(0.005, 1, 40))
    assert error < min(1e-5, 3 * solution.error_estimate)


@pytest.mark.slow
def test_a_start_whose_slope_the_walls_do_not_allow():
    """Insulated walls, and a start that rises from one to the other: a series in cosines."""
    solution = solve(PDE(lambda u: u.t - u.xx, Interval(0, 1) * Time(0, 0.5), [Initial(lambda x: 1 + x), Neumann(0.0)]))
    waves = np.pi * np.arange(1, 2001, 2)[:, None]

    def exact(x, t):
        return 1.5 - (4 / waves**2 * np.cos(waves * x) * np.exp(-(waves**2) * t)).sum(0)

    error = relative_error(solution, exact, np.linspace(0, 1, 101), np.linspace(0.001, 0.5, 40))
    assert error < min(1e-10, 3 * solution.error_estimate)


def test_a_rod_at_rest_that_is_heated_at_once():
    # H. Carslaw, J. Jaeger, "Conduction of Heat in Solids", 2nd edition, 1959, section 2.9; its far end is far away.
    conditions = [Neumann(1.0, on="x=0"), Dirichlet(0.0, on="x=6"), Initial(0.0)]
    solution = solve(PDE(lambda u: u.t - u.xx, Interval(0, 6) * Time(0, 0.5), conditions), tolerance=1e-7)
    x, t = np.linspace(0, 6, 61), np.linspace(0.01, 0.5, 20)

    def exact(x, t):
        return 2 * np.sqrt(t / np.pi) * np.exp(-(x**2) / (4 * t)) - x * erfc(x / (2 * np.sqrt(t)))

    assert relative_error(solution, exact, x, t) < min(1e-7, 3 * solution.error_estimate)


@pytest.mark.slow
def test_a_square_that_cools_into_air():
    square = Box(x=(-1, 1), y=(-1, 1)) * Time(0, 0.5)
    problem = PDE(lambda u: u.t - laplacian(u), square, [Robin(1.0, 1.0, 0.0), Initial(1.0)])
    solution = solve(problem, tolerance=1e-5)
    begins = np.arange(60) * np.pi
    waves = np.array([brentq(lambda k: k * np.sin(k) - np.cos(k), b + 1e-9, b + np.pi / 2) for b in begins])
    sizes = 2 * np.sin(waves) / (waves + np.sin(waves) * np.cos(waves))

    def line(x, t):
        return (sizes * np.cos(np.multiply.outer(x, waves)) * np.exp(-np.multiply.outer(t, waves**2))).sum(-1)

    points = np.random.default_rng(0).uniform([-1, -1, 0.01], [1, 1, 0.5], (300, 3))
    exact = line(points[:, 0], points[:, 2]) * line(points[:, 1], points[:, 2])
    assert np.abs(solution(points)[:, 0] - exact).max() < 1e-5
    assert solution.error_estimate < 1e-3
