"""Passes through time that begin with the solution of a like problem: the same answer, by fewer Newton steps."""

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.pde import PDE, Dirichlet, Disk, Initial, Interval, Periodic, Time, laplacian, solve
from edgewise.pde.algebra import ShiftedSystems
from edgewise.pde.spaces.statement import recognised
from edgewise.pde.tiers.evolution import collocation
from edgewise.pde.tiers.evolution.collocation import COLLOCATION
from edgewise.pde.tiers.galerkin.cut_slabs import CUT_CELLS, cut_cell_statement


def decay(k, order=1):
    """u' = -k u^2 or u'' = 2 k^2 u^3, both with u = 1 / (1 + k t)."""
    equation = (lambda u: u.t + k * u**2) if order == 1 else (lambda u: u.tt - 2 * k**2 * u**3)
    return PDE(
        equation, Time(0, 2), [Initial(1.0, rate=-k if order == 2 else None)], solution=lambda t: 1 / (1 + k * t)
    )


def ring(k):
    conditions = [Periodic("x"), Initial(lambda x: torch.sin(x))]
    return PDE(lambda u: u.t + k * u * u.x - 0.1 * u.xx, Interval(0, 2 * np.pi) * Time(0, 0.5), conditions)


def reaction(k):
    start = Initial(lambda x, y: 1 - x**2 - y**2)
    return PDE(lambda u: u.t - laplacian(u) + k * u**3, Disk() * Time(0, 0.03), [Dirichlet(0.0), start])


def steps_of(integration, monkeypatch):
    """A complete pass, and its number of Newton steps."""
    count, solver_for, slab_step = [0], collocation.solver_for, ShiftedSystems.solved

    def counted(solver):
        def step(*rows):
            count[0] += 1
            return solver(*rows)

        return step

    monkeypatch.setattr(collocation, "solver_for", lambda *parts: counted(solver_for(*parts)))
    monkeypatch.setattr(ShiftedSystems, "solved", lambda *parts: counted(slab_step)(*parts))
    result = integration.run()
    monkeypatch.undo()
    assert result.is_complete
    return result.network, count[0]


@pytest.mark.parametrize("order", [1, 2])
def test_a_like_solution_saves_steps(order, monkeypatch):
    statement, t = recognised(decay(1.01, order).form), torch.linspace(0, 2, 21).double()[:, None]
    networks, counts = [], []
    for known in (None, lambda x: 1 / (1 + x), lambda x: 1 / (1 + 1.01 * x)):
        integration = COLLOCATION.stepper(statement, 1e-9, lambda *_: True, known=known)
        network, count = steps_of(integration, monkeypatch)
        torch.testing.assert_close(network(t), 1 / (1 + 1.01 * t), rtol=1e-8, atol=0)
        counts.append(count)
        networks.append(network)
    assert counts[2] < counts[1]
    assert counts[1] < counts[0] or (order == 2 and counts[1] == counts[0])  # slabs continued take as few there


@pytest.mark.parametrize("known", [lambda x: 1e6 * torch.sin(1e3 * x), lambda x: x * torch.nan])
def test_a_start_that_is_far_off_changes_nothing(known, monkeypatch):
    statement, t = recognised(decay(1.0).form), torch.linspace(0, 2, 21).double()[:, None]
    network, _ = steps_of(COLLOCATION.stepper(statement, 1e-9, lambda *_: True, known=known), monkeypatch)
    torch.testing.assert_close(network(t), 1 / (1 + t), rtol=1e-8, atol=0)


@pytest.mark.slow
def test_a_solution_starts_another():
    start, problem = solve(ring(1.0), tolerance=1e-7), ring(1.02)
    cold, warm = solve(problem, tolerance=1e-7), solve(problem, tolerance=1e-7, start=start)
    assert warm.stopped == cold.stopped == "converged"
    x = problem.domain.interior(200)
    torch.testing.assert_close(warm(x), cold(x), rtol=0, atol=1e-7)
    assert float((warm(x) - start(x)).abs().max()) > 1e-4


@pytest.mark.slow
def test_slabs_take_a_start(monkeypatch):
    start = (
        CUT_CELLS.stepper(cut_cell_statement(reaction(100.0).form), 1e-3, lambda *_: True)
        .run()
        .network.requires_grad_(False)
    )
    problem, counts, networks = reaction(101.0), [], []
    for known in (None, start):
        integration = CUT_CELLS.stepper(cut_cell_statement(problem.form), 1e-3, lambda *_: True, known=known)
        network, count = steps_of(integration, monkeypatch)
        networks.append(network)
        counts.append(count)
    assert counts[1] < counts[0]
    x = problem.domain.interior(200)
    torch.testing.assert_close(networks[1](x), networks[0](x), rtol=0, atol=1e-3)


@pytest.mark.slow
def test_linear_problems_take_a_start_and_others_are_refused():
    def growth(k):
        return PDE(lambda u: u.t - k * u, Time(0, 1), [Initial(1.0)])

    start, t = solve(growth(1.0), tolerance=1e-6), torch.linspace(0, 1, 9).double()[:, None]
    assert torch.equal(solve(growth(2.0), tolerance=1e-6, start=start)(t), solve(growth(2.0), tolerance=1e-6)(t))
    other = PDE(lambda v: v.t + v**2, Time(0, 1), [Initial(1.0)])
    with pytest.raises(InputError, match=r"^start must have the coordinates, ends and fields of the problem, "):
        solve(other, start=start)
