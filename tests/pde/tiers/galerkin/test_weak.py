"""Weak forms of evolution, of rough coefficients and starts: against manufactured fields and characteristics."""

import math
import warnings

import numpy as np
import pytest
import torch
from tests.pde.known import made

from edgewise.errors import SolutionWarning
from edgewise.pde import (
    PDE,
    Box,
    Dirichlet,
    Initial,
    Interval,
    Neumann,
    Periodic,
    Robin,
    Time,
    diffusion,
    laplacian,
    solve,
)
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.galerkin.rough import WEAK_FORM, rough_part


def is_rough(grid_problem):
    return rough_part(grid_problem) == "coefficients are"


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2])
def test_all_terms_and_sides_of_a_manufactured_field(order):
    """Each kind of side, with data that change in time, and terms of lower order, in a form that has no symmetry."""

    def true(x, y, t):
        return torch.cos(2 * x + y) * torch.exp(-t) + t * x * y

    def equation(u, x, y, t):
        lead = u.t if order == 1 else u.tt + 0.3 * u.t
        return 2 * lead - (2 + torch.sin(3 * x) * y) * laplacian(u) + x * u.x - u.y + (1 + y) * u

    domain = Box(x=(0, 1), y=(0, 1)) * Time(0, 1)
    sides = [
        Dirichlet(true, on="x=0"),
        Neumann(lambda x, y, t: -torch.sin(2 * x + y) * torch.exp(-t) + t * x, on="y=1"),
        Dirichlet(true, on="y=0"),
        Robin(
            lambda y: 1.7 + y,
            0.5,
            lambda x, y, t: -torch.sin(2 * x + y) * torch.exp(-t) + t * y / 2 + (1.7 + y) * true(x, y, t),
            on="x=1",
        ),
    ]
    zero = torch.zeros(())
    start = Initial(
        lambda x, y: true(x, y, zero), rate=(lambda x, y: -torch.cos(2 * x + y) + x * y) if order == 2 else None
    )

    def forced(u, x, y, t):
        return equation(u, x, y, t) - made(equation, [true], x, y, t, names="xyt")

    problem = PDE(forced, domain, [*sides, start])
    errors = []
    for finer in (0.5, 1.0):
        result = WEAK_FORM.stepper(recognised(problem.form), 1e-7, lambda *_: True, finer=finer).run()
        x = domain.interior(300, "sobol", seed=1)
        with torch.no_grad():
            errors.append(float((result.network(x)[:, 0] - true(*x.T)).norm() / true(*x.T).norm()))
    assert errors[1] < 1e-5 and errors[1] < errors[0] / 10


def test_periodic_sides_and_a_flux_of_a_smooth_coefficient():
    def true(x, t):
        return torch.exp(-t) * torch.sin(2 * math.pi * x)

    def equation(u, x, t):
        k, slope = 1 + 0.5 * torch.cos(2 * math.pi * x), -math.pi * torch.sin(2 * math.pi * x)
        wave = 2 * math.pi
        source = torch.exp(-t) * (
            -torch.sin(wave * x) - slope * wave * torch.cos(wave * x) + k * wave**2 * torch.sin(wave * x)
        )
        return u.t - diffusion(u, lambda x: 1 + 0.5 * torch.cos(2 * math.pi * x)) - source

    domain = Interval(0, 1) * Time(0, 1)
    problem = PDE(equation, domain, [Periodic("x"), Initial(lambda x: true(x, torch.zeros(())))])
    grid_problem = recognised(problem.form)
    assert not is_rough(grid_problem)
    result = WEAK_FORM.stepper(grid_problem, 1e-7, lambda *_: True).run()
    x = domain.interior(200, "sobol", seed=1)
    with torch.no_grad():
        assert float((result.network(x)[:, 0] - true(*x.T)).abs().max()) < 1e-6


def test_what_is_rough():
    start = Initial(0.0)

    def problem(square, condition=None, is_linear=True):
        equation = (
            (lambda u, x, y, t: u.t - square(x, y, t) * laplacian(u))
            if is_linear
            else (lambda u, x, y, t: u.t - square(x, y, t) * laplacian(u) + u**2)
        )
        domain = Box(x=(0, 1), y=(0, 1)) * Time(0, 1)
        return recognised(PDE(equation, domain, [condition or Dirichlet(0.0), start]).form)

    def jump(x, y, t):
        return 1.0 + (x > 0.3)

    assert is_rough(problem(jump)) and is_rough(problem(jump, Neumann(lambda t: t)))
    assert not is_rough(problem(lambda x, y, t: 2 + torch.sin(3 * x + y)))
    assert not is_rough(problem(lambda x, y, t: 1 + torch.sigmoid((x - 0.5) / 0.03)))
    assert not is_rough(problem(lambda x, y, t: 1.0 + (x > 0.3 + t)))
    assert not is_rough(problem(jump, is_linear=False))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inflow", "rough"),
    [(0.0, "start or boundary values are"), (lambda t: -torch.exp(-t) * torch.sin(2 * math.pi * t), "")],
)
def test_transport_whose_inflow_begins_at_another_rate(inflow, rough):
    """A kink runs along x = 2 t, on which elements had become too short; along the flow the field falls as exp(-t)."""
    start = Initial(lambda x: torch.sin(math.pi * x))
    problem = PDE(lambda u: u.t + 2 * u.x + u, Interval(0, 1) * Time(0, 0.5), [start, Dirichlet(inflow, on="x=0")])
    assert rough_part(recognised(problem.form)) == rough
    solution = solve(problem, budget=0.02, tolerance=1e-5)
    x, t = torch.rand(400, 2, generator=torch.Generator().manual_seed(0)).double().unbind(1)
    back = x - t  # t is half as long as the points' second coordinates
    true = torch.exp(-t / 2) * torch.sin(math.pi * back)
    true = torch.where(back > 0, true, 0.0) if rough else true
    found = solution(torch.stack([x, t / 2], 1).numpy())[:, 0]
    error = np.linalg.norm(found - true.numpy()) / np.linalg.norm(true.numpy())
    assert error < 1e-3 and error / 3 < solution.error_estimate


@pytest.mark.slow
def test_a_coefficient_of_second_derivatives_that_jumps_means_two_things_in_time_too():
    def k(x):
        return torch.where(x < 0.5, 1.0, 4.0)

    domain = Interval(0, 1) * Time(0, 0.1)
    conditions = [Dirichlet(0.0), Initial(lambda x: x * (1 - x))]
    with pytest.warns(SolutionWarning, match=r"jumps near x = 0\.5, .*write diffusion\(u, k\)") as warned:
        ambiguous = solve(PDE(lambda u, x: u.t - k(x) * u.xx, domain, conditions), budget=0.01)
    assert len(warned) == 1 and "slopes of the solution are taken as continuous" in ambiguous.message
    # Fluxes of `diffusion` are continuous, which the check tells, and nothing warns of.
    with warnings.catch_warnings():
        warnings.simplefilter("error", SolutionWarning)
        plain = solve(PDE(lambda u: u.t - diffusion(u, k), domain, conditions), budget=0.01)
    assert "fluxes of diffusion(u, k) are continuous" in plain.trust
