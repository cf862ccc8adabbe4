"""Pruning keeps the parts that the data need, reports the removals, and leaves the given model unchanged."""

import pytest
import torch

from edgewise.interpret.pruning.pruning import prune
from edgewise.interpret.transform.subnetworks import live_edges
from edgewise.nn.model import KAN
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.quasi_newton import LBFGS
from edgewise.train.penalties import Sparsity
from edgewise.train.problems import Regression


def sample(rows, columns, seed=0):
    return 2 * torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def trained(function, inputs, *, hidden=4, rows=250, noise=0.0, steps=30):
    x = sample(rows, inputs)
    y = function(x)
    y = y + noise * torch.randn(rows, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    data = Regression(x, y, validation=0.25)
    model = KAN([inputs, hidden, 1], grid_size=4, seed=1, dtype=torch.float64)
    fit(model, data, LBFGS(), steps=steps, penalty=Sparsity(1e-3))
    return model, data


@pytest.mark.slow
def test_a_product_keeps_two_nodes_and_its_inputs():
    model, data = trained(lambda x: x[:, 0] * x[:, 2], 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pruned, report = prune(model, data)
    assert pruned.config.width == (4, 2, 1)
    assert report.kept_inputs == (0, 2)
    assert report.loss < 1e-6 and report.loss <= report.allowed
    assert report.edges[1] == sum(int(mask.sum()) for mask in live_edges(pruned)) == 6
    assert report.judged_on == "validation"
    with torch.no_grad():
        loss = float(data.loss(pruned(data.validation.x), data.validation))
    assert loss == pytest.approx(report.loss, rel=1e-6)
    x = sample(50, 4, seed=5)
    moved = x.clone()
    moved[:, [1, 3]] = 0.123
    assert torch.equal(pruned(x), pruned(moved))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(sentence.endswith(".") for sentence in report.sentences)


@pytest.mark.slow
def test_dropped_inputs_are_left_out_of_the_model():
    model, data = trained(lambda x: torch.exp(x[:, 1]), 3, noise=0.05)
    pruned, report = prune(model, data, drop_inputs=True)
    assert report.kept_inputs == (1,)
    assert pruned.config.width[0] == 1
    whole, _ = prune(model, data)
    x = sample(20, 3, seed=2)
    torch.testing.assert_close(whole(x), pruned(x[:, [1]]), rtol=1e-12, atol=1e-12)


def test_parts_without_effect_are_removed_first_without_a_change():
    model, data = trained(lambda x: x[:, 0] * x[:, 1], 3, steps=20)
    with torch.no_grad():
        model.layers[0].mask[2] = 0  # an unused input
        model.layers[1].mask[1] = 0  # a node that leads nowhere
        model.layers[0].coef[0, :, 2], model.layers[0].base[0, 2] = 0.3, 0.0  # a constant edge
    _, report = prune(model, data, tolerance=0, precision=0, refit=0)
    first = report.removals[0]
    assert (first.kind, first.score) == ("edges", 0)
    assert set(first.where) == {(0, 0, 1), (0, 1, 1), (0, 0, 2)}
    assert first.loss == pytest.approx(report.loss_given, rel=1e-12)
    assert report.loss <= report.allowed


@pytest.mark.parametrize(("precision", "kept"), [(0.05, (0,)), (0.005, (0, 1))])
def test_parts_smaller_than_the_precision_are_removed(precision, kept):
    """The second input has a fiftieth of the standard deviation."""
    x = sample(200, 2)
    data = Regression(x, x[:, 0] + 0.02 * x[:, 1])
    model = KAN([2, 1], grid_size=3, seed=1, dtype=torch.float64)
    fit(model, data, LBFGS(), steps=60)
    assert prune(model, data, precision=precision)[1].kept_inputs == kept
