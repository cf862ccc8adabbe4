"""Sources and conditions that jump in time: moments to rounding, and exact solutions piece by piece."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.special import erfc

from edgewise.pde import PDE, Dirichlet, Initial, Interval, Time, solve
from edgewise.pde.structured.evolution.jumps import moments_of_jumps
from edgewise.pde.structured.statement import recognised

PI = math.pi


@pytest.mark.parametrize(
    "force, moments",
    [
        (lambda t: torch.where(t < 1.3, 0.0, 1.0), [1.3]),
        (lambda t: 100 * t + ((t > 0.7) & (t < 0.71)), [0.7, 0.71]),
        (lambda t: torch.sign(torch.sin(2 * t)), [PI / 2, PI]),
        (lambda t: torch.sin(200 * t) + torch.exp(-((t - 1) ** 2) / 1e-4), []),
        (lambda t: torch.abs(t - 1), []),
        (lambda t: torch.tanh((t - 1) / 0.01), []),
    ],
)
def test_jumps_are_found_to_rounding_and_kinks_are_none(force, moments):
    problem = PDE(lambda u, t: u.tt + u - force(t), Time(0, 4), [Initial(0.0, rate=0.0)])
    found = moments_of_jumps(recognised(problem.form))
    assert [round(before, 12) for before, _ in found] == [round(each, 12) for each in moments]
    assert all(before < each < after for (before, after), each in zip(found, moments, strict=True))


def test_a_front_that_moves_has_no_moment():
    source = PDE(
        lambda u, x, t: u.t - u.xx - torch.where(x < t, 1.0, 0.0),
        Interval(0, 1) * Time(0, 1),
        [Dirichlet(0.0), Initial(0.0)],
    )
    assert moments_of_jumps(recognised(source.form)) == []


def test_an_oscillator_that_is_pushed_to_and_fro():
    solution = solve(PDE(lambda u, t: u.tt + u - torch.sign(torch.sin(2 * t)), Time(0, 8), [Initial(0.0, rate=0.0)]))
    begin, state, gaps = 0.0, [0.0, 0.0], []
    while begin < 8:
        end, push = min(begin + PI / 2, 8.0), math.copysign(1.0, math.sin(2 * begin + 0.1))
        moments = np.linspace(begin, end, 20)
        found = solve_ivp(
            lambda t, y, push=push: [y[1], push - y[0]],
            (begin, end),
            state,
            "DOP853",
            moments,
            rtol=1e-13,
            atol=1e-14,
        )
        gaps.append(np.abs(solution(moments[:, None])[:, 0] - found.y[0]).max())
        begin, state = end, found.y[:, -1].tolist()
    assert max(gaps) < 1e-11
    assert solution.error_estimate < 1e-10


def test_heat_that_is_switched_on_and_off():
    solution = solve(
        PDE(
            lambda u, x, t: u.t - u.xx - torch.where((t > 0.3) & (t < 0.5), 1.0, 0.0) * torch.sin(PI * x),
            Interval(0, 1) * Time(0, 1),
            [Dirichlet(0.0), Initial(0.0)],
        )
    )
    moments, rate = np.linspace(0, 1, 101), PI**2
    heated = 1 - np.exp(-rate * np.clip(moments - 0.3, 0, 0.2))
    exact = heated * np.exp(-rate * np.clip(moments - 0.5, 0, None)) / rate
    points = np.stack([np.full_like(moments, 0.5), moments], 1)
    assert np.abs(solution(points)[:, 0] - exact).max() < 1e-11 * exact.max()


@pytest.mark.slow
def test_a_wall_that_becomes_hot_at_once():
    wall = Dirichlet(lambda t: torch.where(t < 0.2, 0.0, 1.0), on="x=0")
    solution = solve(
        PDE(lambda u: u.t - u.xx, Interval(0, 4) * Time(0, 0.5), [wall, Dirichlet(0.0, on="x=4"), Initial(0.0)]),
        tolerance=1e-6,
    )
    places = np.linspace(0, 4, 81)
    exact = erfc(places / (2 * math.sqrt(0.25)))
    assert np.abs(solution(np.stack([places, np.full(81, 0.45)], 1))[:, 0] - exact).max() < 1e-5


def test_a_force_that_jumps_with_the_sign_of_the_field():
    """u'' = -sign(u): parabolas of period 4 sqrt(2). A slab may begin just before a change of sign."""
    problem = PDE(lambda u: u.tt + torch.sign(u.value), Time(0, 4), [Initial(1.0, rate=0.0)])
    solution, quarter = solve(problem), math.sqrt(2)
    t = np.linspace(0, 4, 81)
    exact = np.where(t < quarter, 1 - t**2 / 2, (t - 2 * quarter) ** 2 / 2 - 1)
    error = np.linalg.norm(solution(t[:, None])[:, 0] - exact) / np.linalg.norm(exact)
    assert error < 1e-5 and error / 3 < solution.error_estimate < 1e-4
