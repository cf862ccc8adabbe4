"""Sources and conditions that jump in time: moments to rounding, and exact solutions piece by piece."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from tests.night import at_night

from edgewise.pde import PDE, Initial, Time, solve
from edgewise.pde.spaces.axis import TimeAxis
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.evolution.collocation import COLLOCATION
from edgewise.pde.tiers.evolution.jumps import first_event, moments_of_jumps

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


@pytest.mark.slow
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


def parabolas(t, start=1.0, force=1.0):
    """Solution of u'' = -force sign(u), from rest."""
    quarter = math.sqrt(2 * start / force)
    since = np.mod(t + quarter, 4 * quarter)
    up = force * since * (2 * quarter - since) / 2
    down = -force * (since - 2 * quarter) * (4 * quarter - since) / 2
    return np.where(since < 2 * quarter, up, down)


def with_speeds(t, speeds, marks):
    """Solution of u' = speeds[k] between marks k - 1 and k, from 0."""
    values = np.array([0.0, *marks, marks[-1] + 100 * speeds[-1]])
    moments = np.cumsum([0.0, *(np.diff(values) / speeds)])
    return np.interp(t, moments, values)


def rubbed(t, friction):
    """Solution of u'' + u + friction sign(u') = 0, from rest at 1, before it sticks."""
    halves = np.floor(t / PI)
    return (-1) ** halves * (friction + (1 - friction - 2 * friction * halves) * np.cos(t - PI * halves))


FRICTION = 0.1
QUICK = ("system", "at the end", "just before the end")
EVENTS = {
    "system": (lambda u, v: (u.t - v, v.t + torch.sign(u.value)), 8.0, Initial({"u": 1.0, "v": 0.0}), parabolas),
    "rate": (
        lambda u: u.tt + u + FRICTION * torch.sign(u.t),
        14.0,
        Initial(1.0, rate=0.0),
        lambda t: rubbed(t, FRICTION),
    ),
    "at the end": (lambda u: u.tt + torch.sign(u.value), math.sqrt(2), Initial(1.0, rate=0.0), parabolas),
    "just before the end": (
        lambda u: u.tt + torch.sign(u.value),
        math.sqrt(2) * (1 + 1e-9),
        Initial(1.0, rate=0.0),
        parabolas,
    ),
    "just after the start": (
        lambda u: u.tt + torch.sign(u.value),
        1.0,
        Initial(1e-9, rate=-1.0),
        lambda t: t**2 / 2 - t + 1e-9 * (1 - 2 * t),
    ),
    "two near each other": (
        lambda u: u.t - 1 - 5.0 * ((u.value > 1) & (u.value < 1.02)),
        3.0,
        Initial(0.0),
        lambda t: with_speeds(t, [1, 6, 1], [1, 1.02]),
    ),
    "stairs": (
        lambda u: u.t - 1 - torch.floor(10 * u.value) / 10,
        0.5,
        Initial(0.0),
        lambda t: with_speeds(t, 1 + np.arange(11) / 10, np.arange(1, 11) / 10),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("event", at_night(*EVENTS, but=QUICK))
def test_time_elements_end_at_events(event):
    """Their lengths, which the tolerance and the first one vary, do not matter, nor whether one seemed short enough."""
    equation, end, start, exact = EVENTS[event]
    problem = PDE(equation, Time(0, end), [start])
    for tolerance, finer in ((1e-2, 1.0), (1e-9, 1.27)):
        integration = COLLOCATION.stepper(recognised(problem.form), tolerance, lambda *_: True, finer).run()
        t = np.linspace(0, end, 201)
        values = integration.network(torch.from_numpy(t[:, None]))[:, 0].detach().numpy()
        error = np.linalg.norm(values - exact(t)) / np.linalg.norm(exact(t))
        assert integration.is_complete and error < max(tolerance, 1e-11)
        assert len(integration.network.elements) < 60


@pytest.mark.parametrize("start", [1.0, np.nextafter(1.0, 2.0), 2.0])
def test_fields_outside_of_the_domain_of_an_equation_have_no_events(start):
    """Rounding may carry a field that ends at 1 a little further."""
    problem = PDE(lambda h: h.t - torch.sqrt(1 - h), Time(0, 3), [Initial(0.0)])
    line = TimeAxis(2.0, 2.5, 10)
    coef = start + 0.1 * np.arange(11)[:, None]
    assert first_event(recognised(problem.form), line, coef, 2.0, 2.7) == math.inf
