"""Normal equations summed over chunks against dense Jacobians."""

import pytest
import torch
from tests.train.jacobian.test_rows import WEIGHT, X, Y, equation, residuals_of

from edgewise.nn.model import KAN
from edgewise.train.jacobian import RowSource
from edgewise.train.objective import Objective
from edgewise.train.parameters import trainable_slots
from edgewise.train.problems import Classification, Regression

PROBLEMS = {
    "regression": lambda: Regression(X, Y),
    "weighted": lambda: Regression(X, Y, weight=WEIGHT),
    "equation": equation,
    "classes": lambda: Classification(X, torch.arange(9) % 2, weight=WEIGHT),
}


def model():
    return KAN([2, 3, 2], 20, dtype=torch.float64)


@pytest.mark.parametrize("what", PROBLEMS)
@pytest.mark.parametrize("numbers", [300, 10**6])
def test_gradient_and_matrix(what, numbers):
    problem, network = PROBLEMS[what](), model()
    slots = trainable_slots(network, problem)
    found = RowSource(network, problem, slots, numbers).normal_equations()
    objective = Objective(network, problem)
    objective.backward(problem.train)
    gradient = torch.cat([p.grad.reshape(-1) for p in objective.parameters.values()])
    assert torch.allclose(found.gradient, gradient, rtol=1e-9, atol=1e-12)
    if problem.blocks():
        named = {**dict(network.named_parameters()), **{f"unknowns.{n}": v for n, v in problem.unknowns.items()}}
        jacobian = torch.func.jacrev(residuals_of(network, problem))({n: p.detach() for n, p in named.items()})
        count = 27 if what == "equation" else 18
        rows = torch.cat([jacobian[name].flatten(0, 1).reshape(count, -1) for name in slots.slots], 1)
        assert torch.allclose(found.matrix.triu(), (2 / 9 * rows.mT @ rows).triu(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("what", ["regression", "equation"])
def test_rows_in_full(what):
    problem, network = PROBLEMS[what](), model()
    source = RowSource(network, problem, trainable_slots(network, problem), 300)
    rows, residuals = source.in_full()
    assert source.count() == len(rows) == len(residuals)
    normal = source.normal_equations()
    assert torch.allclose(rows.mT @ residuals, normal.gradient, rtol=1e-10, atol=1e-13)
    assert torch.allclose((rows.mT @ rows).triu(), normal.matrix.triu(), rtol=1e-10, atol=1e-13)
    for found in (source.residuals(), normal.residuals):
        assert torch.allclose(found, residuals, rtol=1e-12, atol=1e-14)
    w = torch.linspace(-1, 1, len(rows), dtype=torch.float64)
    for one in (source, RowSource(network, problem, trainable_slots(network, problem))):  # in chunks, and kept
        expected = rows if one is source else one.in_full()[0]
        assert torch.allclose(one.normal_equations().pull(w), expected.mT @ w, rtol=1e-10, atol=1e-13)


def test_cross_entropy_has_no_count():
    problem, network = PROBLEMS["classes"](), model()
    source = RowSource(network, problem, trainable_slots(network, problem))
    assert source.count() is None
    assert source.normal_equations().pull is None


def test_a_sample_of_rows_is_spread_evenly_also_over_processes():
    """Three of nine rows, as a mean; two processes with four and five of them take the same ones together."""

    def sampled(rows, place=None):
        problem, network = Regression(X[rows], Y[rows]), model()
        source = RowSource(network, problem, trainable_slots(network, problem))
        parts = list(source.chunks(3, place))
        assert all(factor == pytest.approx(1 / 3) for _, factor in parts)
        return torch.cat([part.residuals for part, _ in parts])

    problem, network = Regression(X, Y), model()
    all_rows = RowSource(network, problem, trainable_slots(network, problem))
    every = next(all_rows.chunks())[0].residuals.reshape(-1, 9)
    assert torch.equal(sampled(slice(None)).reshape(-1, 3), every[:, [0, 4, 8]])
    both = [sampled(slice(4), (0, 9)).reshape(-1, 1), sampled(slice(4, 9), (4, 9)).reshape(-1, 2)]
    torch.testing.assert_close(torch.cat(both, 1), every[:, [0, 4, 8]])
    kept = list(all_rows.chunks(9))
    assert kept[0][1] == pytest.approx(1 / 9)
    assert torch.equal(kept[0][0].residuals.reshape(-1, 9), every)
