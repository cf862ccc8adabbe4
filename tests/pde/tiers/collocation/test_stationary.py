"""Stationary problems on structured grids: known solutions to the last digits, layers, narrow sources, what fits."""

import itertools
import math
import threading

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from edgewise.errors import InputError
from edgewise.outcomes import Budget, OutOfTime
from edgewise.pde import (
    PDE,
    Box,
    Condition,
    Dirichlet,
    Initial,
    Interval,
    Neumann,
    Observations,
    Periodic,
    Robin,
    Time,
    integral,
    solve,
)
from edgewise.pde.algebra import factors as factors_module
from edgewise.pde.algebra import system as system_module
from edgewise.pde.algebra.diagonal import FastDiagonalisation
from edgewise.pde.algebra.factors import FactorSettings
from edgewise.pde.algebra.system import LinearSystem
from edgewise.pde.spaces.axis import dense
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.collocation.stationary import stationary_levels

PI = math.pi
LINE = Interval(0, 1)


def wave(x, y):
    return torch.sin(2 * x) * torch.exp(y)


def mixed_problem(mixed=0.0):
    """All kinds of conditions on the four sides, coefficients that vary, perhaps a mixed derivative."""

    def equation(u, x, y):
        slope = 2 * torch.cos(2 * x) * torch.exp(y)
        source = (1 - 4 * (1 + x**2)) * wave(x, y) + slope * (1 + mixed)
        return (1 + x**2) * u.xx + u.yy + u.x + mixed * u.xy - source

    ends = [
        Dirichlet(wave, on="y=0"),
        Neumann(lambda x, y: 2 * math.cos(2) * torch.exp(y), on="x=1"),
        Robin(1.0, 2.0, lambda x, y: wave(x, y) - 4 * torch.cos(2 * x) * torch.exp(y), on="x=-1"),
        Neumann(wave, on="y=1"),
    ]
    return PDE(equation, Box(x=(-1, 1), y=(0, 1)), ends, solution=wave)


def system_of(mixed, intervals=(7, 5), degrees=(6, 5)):
    grid_problem = recognised(mixed_problem(mixed).form)
    ends = ((-1, 1), (0, 1))
    axes = grid_problem.axes([np.linspace(*end, n + 1) for end, n in zip(ends, intervals, strict=True)], degrees)
    blocks, shape = grid_problem.blocks(axes), (*(axis.count for axis in axes), 1)
    slopes = [block.evaluate(np.zeros(shape))[1] for block in blocks]
    return grid_problem, LinearSystem(blocks, slopes, shape)


@pytest.mark.parametrize("long_factors", [1e8, 0.0], ids=["here", "in a thread"])
@pytest.mark.parametrize("mixed", [0.0, 0.3])
def test_the_matrix_its_product_and_both_solvers_agree(mixed, long_factors, monkeypatch):
    monkeypatch.setattr(factors_module, "SETTINGS", FactorSettings(long_work=long_factors))
    grid_problem, system = system_of(mixed)
    vector = np.random.default_rng(0).normal(size=system.unknowns)
    np.testing.assert_allclose(system.matrix() @ vector, system.product(vector), atol=1e-10)
    np.testing.assert_allclose(system.factorised()(system.product(vector)), vector, atol=1e-9)
    if not mixed:  # then the coefficients are of the kind that fast diagonalisation solves at once
        solve_fast = FastDiagonalisation.for_system(grid_problem, system)
        np.testing.assert_allclose(solve_fast(system.product(vector)), vector, atol=1e-7)
        # The same with a complex multiple of the values at the points of the equation.
        inside, *walls = np.split(system.product(vector), np.cumsum([block.rows for block in system.blocks])[:-1])
        lines = [dense(system.blocks[0].table(axis, 0)) for axis in (0, 1)]
        values = lines[0] @ vector.reshape(len(lines[0].T), -1) @ lines[1].T
        shifted = solve_fast.solved(inside + (0.7 + 0.3j) * values.ravel(), walls, 0.7 + 0.3j)
        np.testing.assert_allclose(shifted.ravel(), vector, atol=1e-7)


def test_a_factorisation_is_left_at_the_deadline(monkeypatch):
    budget, ended, system = Budget(seconds=100.0), threading.Event(), system_of(0.0)[1]

    def endless(*args, **options):
        budget.time_limit = -1.0
        ended.wait(10)
        raise RuntimeError("nobody waits any more")

    settings = FactorSettings(long_work=0.0, few_unknowns=0)
    monkeypatch.setattr(factors_module, "SETTINGS", settings)
    monkeypatch.setattr(system_module, "SETTINGS", settings)
    monkeypatch.setattr(factors_module, "splu", endless)
    with budget.holds(), pytest.raises(OutOfTime):
        system.factorised()
    ended.set()


def test_newtons_method_ends_on_no_other_branch_in_a_corner():
    def bowl(x, y):
        return torch.exp((x**2 + y**2) / 2)

    def monge_ampere(u, x, y):
        return u.xx * u.yy - u.xy**2 - (1 + x**2 + y**2) * torch.exp(x**2 + y**2)

    problem = PDE(monge_ampere, Box(x=(0, 1), y=(0, 1)), [Dirichlet(bowl)], solution=bowl)
    stages = list(itertools.islice(stationary_levels(recognised(problem.form)), 2))
    x = problem.domain.interior(500, "sobol", seed=1)
    for stage, allowed in zip(stages, (1e-11, 1e-13), strict=True):
        torch.testing.assert_close(stage.network(x)[:, 0], bowl(*x.T), rtol=0, atol=allowed)


def test_a_system_whose_equations_have_different_orders():
    """u'' = v and v' = -u' with three conditions: u = sin x."""
    ends = [Dirichlet({"u": 0.0}, on="x=0"), Dirichlet({"u": math.sin(2), "v": -math.sin(2)}, on="x=2")]
    known = {"u": lambda x: torch.sin(x), "v": lambda x: -torch.sin(x)}
    problem = PDE(lambda u, v: (u.xx - v, v.x + u.x), Interval(0, 2), ends, solution=known)
    assert solve(problem).errors().relative_l2 < 1e-11


@pytest.mark.slow
@pytest.mark.parametrize(("is_curved", "error", "intervals"), [(False, 1e-13, 400), (True, 1e-5, 5000)])
def test_a_layer_of_width_1e_8_needs_few_intervals(is_curved, error, intervals):
    """Where intervals are longer than the layer, collocation alone hardly determines waves from point to point."""
    eps = 1e-8

    def known(x):
        return torch.exp(-x / eps) + (torch.cos(3 * x) if is_curved else 1 - x)

    def source(x):
        return -9 * eps * torch.cos(3 * x) - 3 * torch.sin(3 * x) if is_curved else -1.0

    problem = PDE(lambda u, x: eps * u.xx + u.x - source(x), LINE, [Dirichlet(known)], solution=known)
    solution = solve(problem)
    near = torch.linspace(0, 30 * eps, 50, dtype=torch.float64)
    assert solution.errors().relative_l2 < error
    assert float((solution(near[:, None])[:, 0] - known(near)).abs().max()) < max(error, 1e-8)
    assert solution.stages[-1].grid_size[0] < intervals


@pytest.mark.slow
@pytest.mark.parametrize(("is_mean", "source"), [(True, 0.0), (False, 1e-3)])
def test_a_neumann_problem_with_a_mean_or_one_value(is_mean, source):
    """The source must have the mean zero; a small one is a contradiction, which no grid removes."""

    def known(x, y):
        return 3 + torch.cos(PI * x) * torch.cos(PI * y)

    square = Box(x=(0, 1), y=(0, 1))
    mean = Condition(lambda u: integral(u, over=square) - 3, on="x=0")
    fixed = mean if is_mean else Observations([[0.5, 0.25]], [3.0])
    problem = PDE(
        lambda u, x, y: u.xx + u.yy + 2 * PI**2 * (known(x, y) - 3) + source,
        square,
        [Neumann(0.0), fixed],
        solution=known,
    )
    assert recognised(problem.form).constant.value == pytest.approx(3, rel=1e-14)
    solution = solve(problem, budget=0.01)
    assert ("sources and what flows through the boundary contradict each other" in solution.trust) == (source > 0)
    assert solution.stopped == ("no_progress" if source else "converged")
    assert solution.errors().relative_l2 < 1e-13
    assert len(solution.stages) == 2


@pytest.mark.slow
def test_a_response_with_the_period_of_its_force():
    """Duffing's equation: what an integrator reaches after 58 periods, with a damping of 0.2."""
    forced = PDE(lambda u, t: u.tt + 0.2 * u.t + u + u**3 - torch.cos(t), Time(0, 2 * PI), [Periodic("t")])
    solution = solve(forced)
    t = np.linspace(0, 2 * PI, 40)
    long = solve_ivp(
        lambda t, y: [y[1], -0.2 * y[1] - y[0] - y[0] ** 3 + np.cos(t)],
        (0, 120 * PI),
        [0, 0],
        method="DOP853",
        rtol=1e-11,
        atol=1e-12,
        dense_output=True,
    ).sol(t + 116 * PI)[0]
    assert np.allclose(solution(t[:, None])[:, 0], long, rtol=0, atol=1e-9)
    assert solution.stopped == "converged"
    with pytest.raises(InputError, match=r"^conditions must not have both Initial and Periodic"):
        PDE(lambda u: u.t + u, Time(0, 1), [Periodic("t"), Initial(1.0)])


def test_divergence_and_curl_with_normal_components_on_all_sides():
    """The matrix of a grid is singular, for sources and fluxes must balance; it was doubted, with an error of 3e-5."""

    def equation(u, v, x, y):
        divergence = y * torch.cos(x) + 2 * x - x * torch.sin(x * y)
        return [u.x + v.y - divergence, v.x - u.y + y * torch.sin(x * y) + torch.sin(x)]

    def first(x, y):
        return y * torch.sin(x) + x**2

    def second(x, y):
        return torch.cos(x * y)

    walls = [Dirichlet({"u": first}, on=["x=0", "x=1"]), Dirichlet({"v": second}, on=["y=0", "y=1"])]
    problem = PDE(equation, Box(x=(0, 1), y=(0, 1)), walls, solution={"u": first, "v": second})
    solution = solve(problem, tolerance=1e-8)
    assert solution.stopped == "converged"
    assert solution.errors().relative_l2 < 3 * solution.error_estimate < 3e-8


def test_a_source_without_a_bound_at_a_point_of_the_first_grid():
    """A load 1 / r at the centre of a square had no solution on any grid, whose points are even, and the message was
    that the equation does not hold."""

    def radius(x, y):
        return torch.sqrt(x**2 + y**2)

    square = Box(x=(-1, 1), y=(-1, 1))
    problem = PDE(lambda u, x, y: u.xx + u.yy - 1 / radius(x, y), square, [Dirichlet(radius)])
    first = next(stationary_levels(recognised(problem.form)))
    x = square.interior(200, "sobol")
    exact = radius(*x.unbind(1))
    assert float((first.network(x).detach()[:, 0] - exact).norm() / exact.norm()) < 0.1
