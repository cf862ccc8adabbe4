"""Removal costs against models changed by hand."""

import pytest
import torch

from edgewise.interpret.attribution.removal import removal_costs
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.problems import Classification, Regression


def problem(rows=60, seed=0, **settings):
    x = torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Regression(x, x[:, 0] * x[:, 1], **settings)


@torch.no_grad()
@pytest.mark.parametrize("weight", [None, torch.linspace(0.1, 2, 60, dtype=torch.float64)])
def test_costs_are_those_of_a_network_without_the_edge(weight):
    data = problem(weight=weight)
    model = KAN([3, 4, 1], seed=1, dtype=torch.float64)
    costs = removal_costs(model, data)
    layer = model.layers[0]
    edges = layer.edges(data.train.x)
    for i, o in ((0, 0), (2, 3)):
        hidden = layer(data.train.x)
        hidden[:, o] += edges[:, i, o].mean() - edges[:, i, o]
        loss = data.loss(model.layers[1](hidden), data.train)
        assert float(costs.edges[0][i, o]) == pytest.approx(float(loss) - costs.loss, rel=1e-9)
    hidden = layer(data.train.x) + edges[:, 1].mean(0) - edges[:, 1]
    loss = data.loss(model.layers[1](hidden), data.train)
    assert float(costs.inputs[1]) == pytest.approx(float(loss) - costs.loss, rel=1e-9)
    assert costs.loss == pytest.approx(float(data.loss(model(data.train.x), data.train)))
    assert [tuple(n.shape) for n in costs.nodes] == [(3,), (4,)]


@torch.no_grad()
def test_parts_without_effect_cost_nothing_and_validation_data_decide():
    data = problem(validation=0.5)
    model = KAN([3, 2, 1], seed=1, dtype=torch.float64)
    with torch.no_grad():
        model.layers[0].mask[2] = 0
    costs = removal_costs(model, data)
    assert float(costs.inputs[2].abs()) < 1e-15
    assert costs.loss == pytest.approx(float(data.loss(model(data.validation.x), data.validation)))


def test_factors_of_products_have_costs():
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    data = Regression(x, x[:, 0] * x[:, 1])
    model = KAN([2, [1, 1], 1], seed=0, dtype=torch.float64)
    costs = removal_costs(model, data)
    assert [tuple(n.shape) for n in costs.nodes] == [(2,), (3,), (2,)]
    assert not costs.edges[1].any()
    with torch.no_grad():
        h = model.layers[0](x)
        h[:, 2] = h[:, 2].mean()
        loss = data.loss(model.layers[2](model.layers[1](h)), data.train)
    assert float(costs.nodes[1][2]) == pytest.approx(float(loss) - costs.loss, rel=1e-9)


def test_an_mlp_and_a_classification_have_costs_too():
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    data = Classification(x, (x[:, 0] > 0).long())
    model = MLP([2, 3, 2], seed=0, dtype=torch.float64)
    costs = removal_costs(model, data)
    assert costs.edges[0].shape == (2, 3) and costs.edges[1].shape == (3, 2)
    losses = data.sample_losses(model, data.train)
    assert float(losses.mean()) == pytest.approx(costs.loss)
