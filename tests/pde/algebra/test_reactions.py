"""Reactions in the plane that are strong: few products of the system, and no fields that only Newton's method has."""

import math

import numpy as np
import pytest
import torch
from scipy.fft import dstn, idstn
from scipy.integrate import solve_ivp

from edgewise.pde import PDE, Box, Dirichlet, Initial, Time, laplacian
from edgewise.pde.algebra import LinearSystem
from edgewise.pde.algebra.diagonal import FastDiagonalisation
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.evolution.collocation import COLLOCATION

RATE, SPREAD = 15.0, 0.01


def fronts(end):
    """Fields that run to plus and minus sqrt(pi), where the slope of the reaction is -53."""

    def equation(u, x, y):
        shape = torch.sin(2 * math.pi * x) * torch.sin(2 * math.pi * y)
        return u.t - SPREAD * laplacian(u) - RATE * torch.sin(u**2) * shape

    start = Initial(lambda x, y: torch.sin(2 * math.pi * x) * torch.sin(math.pi * y))
    return PDE(equation, Box(x=(0, 1), y=(0, 1)) * Time(0, end), [Dirichlet(0.0), start])


def sine_series(end, modes=32):
    """Points and values of the same at the last moment, by sines and a method of Runge and Kutta."""
    line, wave = np.arange(1, modes) / modes, math.pi * np.arange(1, modes)
    x, y = np.meshgrid(line, line, indexing="ij")
    linear, shape = -SPREAD * (wave[:, None] ** 2 + wave**2), np.sin(2 * math.pi * x) * np.sin(2 * math.pi * y)

    def rate(_, flat):
        u = flat.reshape(x.shape)
        return (idstn(linear * dstn(u, type=1), type=1) + RATE * np.sin(u**2) * shape).ravel()

    start = np.sin(2 * math.pi * x) * np.sin(math.pi * y)
    last = solve_ivp(rate, (0, end), start.ravel(), rtol=1e-8, atol=1e-9).y[:, -1]
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, end)], 1), last


@pytest.mark.slow
def test_strong_reactions_take_few_products(monkeypatch):
    count, product = [0], LinearSystem.product

    def counted(self, unknown):
        count[0] += 1
        return product(self, unknown)

    monkeypatch.setattr(LinearSystem, "product", counted)
    result = COLLOCATION.stepper(recognised(fronts(1.0).form), 1e-2, lambda *_: True).run()
    monkeypatch.undo()
    points, values = sine_series(1.0)
    with torch.no_grad():
        found = result.network(torch.from_numpy(points))[:, 0].numpy()
    assert np.linalg.norm(found - values) < 1e-2 * np.linalg.norm(values)
    assert count[0] < 1000  # 300; without a factor for reactions, and exact to rounding, it is 4000


def test_a_long_slab_has_no_false_solution():
    """The linearised reaction grows by exp(5), beyond which the sine of a square has zeros everywhere."""
    integration = COLLOCATION.stepper(recognised(fronts(60.0).form), 1.0, lambda *_: True)
    state = integration.solver.initial()
    for length in (0.05, 0.1, 0.2):
        slab = integration.solver.solve(state, 0.0, length, None, None)
        assert slab is None or np.abs(slab.coef).max() < 3
    assert integration.solver.solve(state, 0.0, 0.02, None, None) is not None


@pytest.mark.parametrize("time_first", [False, True])
def test_the_factor_of_reactions_is_exact_without_other_derivatives(time_first):
    """One application of the preconditioner solves u_t = r(x, y, t) u with a diffusion next to nothing."""
    space, time = Box(x=(0, 1), y=(0, 1)), Time(0, 1)
    domain = Box(t=(0, 1), x=(0, 1), y=(0, 1)) if time_first else space * time
    problem = PDE(
        lambda u, x, y, t: u.t - 1e-9 * laplacian(u) - 8 * torch.sin(5 * x) * torch.cos(3 * y + t) * u,
        domain,
        [Dirichlet(0.0, on=["x=0", "x=1", "y=0", "y=1"]), Initial(lambda x, y: x * y)],
    )
    integration = COLLOCATION.stepper(recognised(problem.form), 1.0, lambda *_: True)
    evolution = integration.evolution
    axes = evolution.with_time(integration.solver.initial().space, 0.0, 0.5)
    blocks = evolution.grid_problem.blocks(axes)
    coef = np.zeros((*(axis.count for axis in axes), 1))
    system = LinearSystem(blocks, [block.evaluate(coef)[1] for block in blocks], coef.shape)
    inside = np.concatenate([np.full(block.rows, 0.0 if number else 1.0) for number, block in enumerate(blocks)])
    solver = FastDiagonalisation.for_system(evolution.grid_problem, system)
    assert solver.reactions is not None
    left = inside - system.product(solver(inside))
    assert np.abs(left).max() < 1e-3  # of 1
