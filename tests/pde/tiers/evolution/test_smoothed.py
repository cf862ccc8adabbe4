"""Fronts that no grid resolves: against characteristics, finite differences, and problems that have none."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from edgewise.outcomes import StopReason
from edgewise.pde import PDE, Dirichlet, Initial, Interval, Periodic, Time, solve
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.evolution.collocation import SMOOTHED
from edgewise.pde.tiers.evolution.hyperviscosity import smooths

LINE = Interval(0, 1)
MEAN = 0.5  # speed at which the front moves


def wave(x):
    return MEAN + torch.sin(2 * math.pi * x)


def behind_shock(x, time):
    """Solution of u_t + u u_x = 0 from `wave`, by characteristics up to the front, which moves with the mean."""

    def speed(place):
        place, sign = (place % 1, 1) if place % 1 <= 0.5 else (1 - place % 1, -1)
        origins = np.linspace(0, 0.5, 200)
        gaps = origins + time * np.sin(2 * math.pi * origins) - place
        first = int(np.argmax(gaps >= 0))
        origin = brentq(lambda a: a + time * math.sin(2 * math.pi * a) - place, origins[first - 1], origins[first])
        return MEAN + sign * math.sin(2 * math.pi * origin)

    return np.array([speed(each) for each in np.asarray(x) - MEAN * time])


def burgers(end):
    return PDE(lambda u: u.t + u * u.x, LINE * Time(0, end), [Periodic("x"), Initial(wave)])


def error_at(solution, points, exact):
    found = solution(torch.from_numpy(points)).numpy()
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def places(end, count=997):
    x = (np.arange(count) + 0.5) / count
    return np.column_stack([x, np.full(count, end)])


@pytest.mark.nightly
def test_front_of_burgers_equation_is_passed():
    solution = solve(burgers(end=0.3), budget=0.02)
    points = places(0.3)
    error = error_at(solution, points, behind_shock(points[:, 0], 0.3)[:, None])
    assert "a hyperviscosity smooths them over a few intervals of 0.0" in solution.trust
    assert solution.trust.startswith("Checked") and solution.stopped is StopReason.BUDGET
    assert error < 0.15 and error / 3 < solution.error_estimate < 1
    # The mean is conserved, and beside the front there are no more than the oscillations of a sharp cut.
    found = solution(torch.from_numpy(points)).numpy()
    assert abs(found.mean() - MEAN) < 2e-3 and found.max() < MEAN + 1.2 and found.min() > MEAN - 1.2


def test_slopes_of_smoothed_residuals_are_differences():
    integration = SMOOTHED.stepper(recognised(burgers(0.4).form), 1e-2, lambda *_: True, 0.5)
    state = integration.solver.initial()
    element = integration.solver.solve(state, 0.0, 0.01, None, None)
    axes = element.axes
    damping = integration.solver.damping
    assert list(damping.factors) == [(0, 0, (4, 0))]
    speed, length = MEAN + 1, 1 / 24
    (block,) = damping.damped(integration.evolution.grid_problem.equation_blocks(axes))
    random = np.random.default_rng(3)
    coef, move = random.normal(size=(2, *(axis.count for axis in axes), 1))
    slopes = block.evaluate(coef)[1]
    rate = slopes[0, 0, (0, 1)][0, 0]
    assert slopes[0, 0, (4, 0)][0, 0] == pytest.approx(0.1 * speed * length**3 * rate, rel=1e-2)
    derivatives = block.derivatives(move, {index for _, _, index in slopes})
    along = sum(slope * derivatives[index][slot] for (_, slot, index), slope in slopes.items())
    difference = (block.residuals(coef + 1e-5 * move) - block.residuals(coef - 1e-5 * move))[0] / 2e-5
    assert np.allclose(along, difference, rtol=1e-6, atol=1e-6 * np.abs(difference).max())


def test_only_problems_in_which_something_moves_are_smoothed():
    def holds(equation, conditions=None):
        conditions = [Periodic("x"), Initial(wave)] if conditions is None else conditions
        grid_problem = recognised(PDE(equation, LINE * Time(0, 1), conditions).form)
        return smooths(grid_problem)

    assert holds(lambda u: u.t + u * u.x)
    assert holds(lambda u: 2 * u.t + u.x**3 - u.xx)
    assert not holds(lambda u: u.t - u.xx - u**2)
    assert not holds(lambda u: u.tt + u * u.x - u.xx, conditions=[Periodic("x"), Initial(wave, rate=0.0)])
    assert holds(lambda u: u.t + u * u.x - u.xx, conditions=[Dirichlet(wave), Initial(wave)])
    assert not holds(lambda u: u.t + u * u.x - u.xx, conditions=[Dirichlet(0.0), Initial(0.0)])
    system, starts = lambda h, u: (h.t + u * h.x + h * u.x, u.t + u * u.x + h.x), {"h": wave, "u": wave}
    assert not holds(system, conditions=[Periodic("x"), Initial(starts)])
    mixed = lambda h, u: (h.t + u.t + u * h.x - h.xx, u.t + u * u.x - u.xx)  # noqa: E731
    assert not holds(mixed, conditions=[Periodic("x"), Initial(starts)])


def barenblatt(power):
    """u_t = (u^m)_xx from a point: of compact support, with a kink or a root at its edge, which moves."""

    def true(x, t):
        share = 1 / (power + 1)
        inside = (0.1 - share * (power - 1) / (2 * power) * (x * t**-share) ** 2).clamp(min=0)
        return t**-share * inside ** (1 / (power - 1))

    return lambda u: u.t - power * u ** (power - 1) * u.xx - power * (power - 1) * u ** (power - 2) * u.x**2, true


def p_laplacian():
    """u_t = (|u_x| u_x)_x from a point."""
    return (
        lambda u: u.t - 2 * abs(u.x) * u.xx,
        lambda x, t: t**-0.25 * (0.1 - (x.abs() * t**-0.25) ** 1.5 / 6).clamp(min=0) ** 2,
    )


def spreading(equation, true, begin):
    domain = Interval(-2, 2) * Time(0, 1)
    start = Initial(lambda x: true(x, torch.full_like(x, begin)))
    return PDE(equation, domain, [start, Dirichlet(0.0)]), lambda x, t: true(x, t + begin)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "begin", "most"),
    [(barenblatt(2), 0.2, 6e-3), (barenblatt(3), 0.2, 2.5e-2), (p_laplacian(), 0.05, 2e-2)],
)
def test_diffusion_that_degenerates_spreads_between_walls(problem, begin, most):
    problem, true = spreading(*problem, begin)
    grid_problem = recognised(problem.form)
    assert smooths(grid_problem)
    x, errors = problem.domain.interior(2000, "sobol", seed=7), []
    for finer in (1.0, 2.0):
        result = SMOOTHED.stepper(grid_problem, 1e-2 / finer**2, lambda *_: True, finer).run()
        assert result.is_complete
        gap = result.network(x).detach()[:, 0] - true(*x.T)
        errors.append(float(gap.norm() / true(*x.T).norm()))
    assert errors[1] < most and errors[1] < errors[0] / 1.6
