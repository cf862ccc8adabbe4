"""Products and solutions without a matrix against the same with one, for every kind of block, penalties included."""

import pytest
import torch
from tests.train.jacobian.test_rows import WEIGHT, X, Y, equation

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.jacobian import RowSource, matrix_free
from edgewise.train.jacobian.matrix_free import EdgeBlocks, ImplicitMatrix, MatrixFreeSystem, forcing_term
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt, ParameterSystem, penalty_curvature
from edgewise.train.objective import Objective
from edgewise.train.parameters import add_curvature_, trainable_slots
from edgewise.train.penalties import Ridge, Roughness
from edgewise.train.problems import Classification, Regression

PROBLEMS = {
    "regression": lambda: Regression(X, Y, weight=WEIGHT),
    "equation": equation,
    "classes": lambda: Classification(X, torch.arange(9) % 2, weight=WEIGHT),
}
NETWORKS = {
    "kan": lambda: KAN([2, 3, 2], 6, degree=5, dtype=torch.float64),
    "mlp": lambda: MLP([2, 5, 2], activation="tanh", dtype=torch.float64),
}


def systems(network, problem, penalty=None, numbers=2**20):
    """The system without a matrix, and the same with one."""
    slots = trainable_slots(network, problem)
    objective = Objective(network, problem, penalty)
    objective.backward(problem.train)
    gradient = torch.cat([p.grad.reshape(-1) for p in objective.parameters.values()])
    curvature = () if penalty is None else penalty_curvature(objective, slots, problem.train)
    source = RowSource(network, problem, slots, numbers)
    free = MatrixFreeSystem(ImplicitMatrix(source), slots, gradient, curvature, 1e-12)
    matrix = source.normal_equations().matrix
    for entry in curvature:
        add_curvature_(matrix, slots, entry)
    return free, ParameterSystem(gradient, matrix, free.scale)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("what", PROBLEMS)
def test_products_and_solutions(monkeypatch, kind, what, kept):
    monkeypatch.setattr(matrix_free, "MOST_KEPT_NUMBERS", 2**20 if kept else 0)
    free, full = systems(NETWORKS[kind](), PROBLEMS[what](), numbers=2**20 if kept else 1000)
    symmetric = full.matrix.triu() + full.matrix.triu(1).mT
    v = torch.linspace(-1, 1, len(full.gradient), dtype=torch.float64)
    assert torch.allclose(free.product(v), symmetric @ v, rtol=1e-9, atol=1e-11)
    assert torch.allclose(free.scale - symmetric.diagonal(), (free.scale - symmetric.diagonal())[0].expand_as(v))
    found, expected = free.solve(1e-2), full.solve(1e-2)
    assert torch.allclose(found.move, expected.move, rtol=1e-6, atol=1e-8)
    assert found.predicted == pytest.approx(expected.predicted, rel=1e-9)


def test_with_penalties_masks_and_frozen_parameters():
    network = NETWORKS["kan"]()
    network.layers[0].mask[1, 1] = 0
    network.layers[1].base.requires_grad_(False)
    free, full = systems(network, PROBLEMS["regression"](), Ridge(1e-2) + Roughness(1e-4))
    found, expected = free.solve(1e-3), full.solve(1e-3)
    assert torch.allclose(found.move, expected.move, rtol=1e-6, atol=1e-8)
    coef = found.move[: network.layers[0].coef.numel()].view_as(network.layers[0].coef)
    assert not coef[1, :, 1].any()


def test_a_truncated_solution_predicts_its_own_decrease():
    free, full = systems(NETWORKS["kan"](), PROBLEMS["regression"]())
    free._forcing = 0.3
    move, predicted, _ = free.solve(1e-4)
    symmetric = full.matrix.triu() + full.matrix.triu(1).mT
    assert predicted == pytest.approx(float(-full.gradient @ move - 0.5 * move @ symmetric @ move), rel=1e-9)
    assert predicted > 0


def test_edge_blocks_are_those_of_the_matrix_and_fill_in_any_chunks():
    network, problem = NETWORKS["kan"](), PROBLEMS["regression"]()
    slots = trainable_slots(network, problem)
    source = RowSource(network, problem, slots, 200)
    blocks = EdgeBlocks(network, slots)
    for rows, factor in source.chunks():
        blocks.add(rows.runs, 2 * factor)
    matrix = source.normal_equations().matrix
    matrix = matrix.triu() + matrix.triu(1).mT
    damping = torch.full((len(matrix),), 0.1, dtype=torch.float64)
    expected = torch.zeros_like(matrix)
    for number, layer in enumerate(network.layers):
        coef = torch.arange(len(matrix))[slots.slots[f"layers.{number}.coef"]].view_as(layer.coef)
        base = torch.arange(len(matrix))[slots.slots[f"layers.{number}.base"]].view_as(layer.base)
        for i in range(layer.in_features):
            for o in range(layer.out_features):
                index = torch.cat([coef[i, :, o], base[i, o][None]])
                expected[index[:, None], index] = matrix[index[:, None], index]
    v = torch.linspace(-1, 1, len(matrix), dtype=torch.float64)
    found = blocks.factorised(damping)(v)
    assert torch.allclose(found, torch.linalg.solve(expected + torch.diag(damping), v), rtol=1e-9, atol=1e-11)


def test_after_a_rejected_step_products_are_those_at_its_origin(monkeypatch):
    """Derivatives that are not kept are computed again where the step began, not where the last trial ended."""
    found, points = [], []
    for kept in (2**20, 0):
        monkeypatch.setattr(matrix_free, "MOST_KEPT_NUMBERS", kept)
        network = NETWORKS["kan"]()
        method = LevenbergMarquardt(damping=1e-14, factorised=10)
        objective = Objective(network, Regression(X, 3 * Y + 1), None)
        run = method.start(objective, steps=1)
        run.step(objective.problem.train)
        points.append(torch.cat([p.detach().reshape(-1) for p in network.parameters()]))
        found.append(run.state()["mu"])
    assert found[0] > 1e-14 and found[0] == found[1]
    assert torch.allclose(*points, rtol=1e-9, atol=1e-9)


def test_the_forcing_term_follows_the_gradient():
    assert forcing_term(1.0, None) == 0.1
    assert forcing_term(1e-3, (1.0, 0.1)) == pytest.approx(9e-7)
    assert forcing_term(1e-9, (1.0, 1e-3)) == 1e-8
    assert forcing_term(5.0, (1.0, 0.1)) == 0.1
