"""Product layers: values by hand, jets by autograd, arities, and KANs with product nodes from construction to trace."""

import math

import pytest
import torch

from edgewise.errors import InputError
from edgewise.interpret.attribution.scores import edge_scores, node_scores
from edgewise.nn.config import KANConfig
from edgewise.nn.layers.product import ProductLayer
from edgewise.nn.model import KAN
from edgewise.train.grids import adapt_domain_, refine
from edgewise.train.penalties import Sparsity


def points(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("groups", [[[0], [1, 2], [0, 1, 2]], [[2, 2]], [[0, 1], [2]], [[1]]])
@pytest.mark.parametrize("batch", [(), (5,), (2, 3), (0,)])
def test_values_written_out(groups, batch):
    layer, x = ProductLayer(3, groups), points(*batch, 3)
    y = layer(x)
    assert y.shape == (*batch, len(groups))
    for o, group in enumerate(groups):
        assert torch.allclose(y[..., o], math.prod(x[..., i] for i in group), rtol=1e-15)


@pytest.mark.parametrize("order", [0, 1, 4])
def test_the_jet_is_the_derivative_along_a_line(order):
    layer, x, direction = ProductLayer(3, [[0, 1, 2], [2, 2], [1]]), points(5, 3), points(3)
    seed = torch.cat([x[None], torch.zeros(order, 5, 3, dtype=torch.float64)])
    if order:
        seed[1] = direction
    jet = layer.jet(seed, order)
    line = torch.zeros(5, 1, dtype=torch.float64, requires_grad=True)
    for o in range(3):
        value = layer(x + line * direction)[:, o]
        for k in range(order + 1):
            assert torch.allclose(jet[k, :, o], value, rtol=1e-12, atol=1e-12)
            if k < order:
                if value.requires_grad:
                    (value,) = torch.autograd.grad(value.sum(), line, create_graph=True, materialize_grads=True)
                    value = value[:, 0]
                else:
                    value = torch.zeros_like(value)


@pytest.mark.parametrize("groups", [[], [[]], [[2]], [[-1]], [[True]], "01", [0, 1]])
def test_bad_groups(groups):
    with pytest.raises(InputError, match=r"^groups must"):
        ProductLayer(2, groups)


def test_a_kan_with_products_from_pairs_or_arities():
    pairs = KAN([2, (1, 2), 1], seed=0, dtype=torch.float64)
    assert pairs.config == KANConfig((2, 3, 1), products=((2, 2), ()))
    twin = KAN([2, 3, 1], products=[(2, 2), ()], seed=0, dtype=torch.float64)
    x = points(20, 2)
    assert torch.equal(pairs(x), twin(x))
    h = pairs.layers[0](x)
    assert h.shape == (20, 5)
    products = torch.stack([h[:, 0], h[:, 1] * h[:, 2], h[:, 3] * h[:, 4]], 1)
    assert torch.allclose(pairs.layers[2](products), pairs(x), rtol=1e-14)
    jet = pairs.jet(x, torch.eye(2, dtype=torch.float64), 1)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: pairs(row[None])[0]))(x)
    assert torch.allclose(jet[1:].permute(1, 2, 0), jacobian, rtol=1e-10, atol=1e-12)


def test_grids_adapt_and_refine_around_products():
    model, x = KAN([2, (1, 1), 1], seed=1, dtype=torch.float64), points(50, 2)
    adapt_domain_(model, x)
    assert bool(model.layers[2].domain_is_set)
    finer = refine(model, 10)
    assert finer.config.grid_size == (10, 10)
    assert torch.allclose(finer(x), model(x), rtol=1e-10, atol=1e-12)


def test_traces_scores_and_penalties_know_products():
    model, x = KAN([2, (1, 1), 1], seed=1, dtype=torch.float64), points(50, 2)
    trace = model.trace(x)
    assert trace.groups == (None, ((0,), (1, 2)), None)
    assert torch.equal(trace.output, model(x))
    nodes = node_scores(trace)
    one, other = trace.inputs[1][:, 1], trace.inputs[1][:, 2]
    varying = one.std(correction=0) * other.square().mean().sqrt() / (one * other).std(correction=0)
    assert torch.allclose(nodes[1][:2], nodes[2] * torch.stack([torch.ones_like(varying), varying]), rtol=1e-12)
    assert edge_scores(trace)[1].count_nonzero() == 0
    assert float(nodes[0].sum()) > 0
    assert bool(Sparsity(1.0).value(model, trace).isfinite())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": [2, 3, 1], "products": [(1,), ()]}, "products must give arities of at least 2"),
        ({"width": [2, 1, 1], "products": [(2, 2), ()]}, "products must give arities of at least 2"),
        ({"width": [2, 3, 1], "products": [(2,)]}, "products must give arities of at least 2"),
        ({"width": [2, 3, 1], "products": [2, 0]}, "products must give the arities"),
        ({"width": [2, (1,), 1]}, "width must give pairs"),
        ({"width": [(1, 1), 1]}, "width must"),
        ({"width": [2, (0, 0), 1]}, "width must give pairs"),
        ({"width": [2, 1], "functions": [[["sin"]]]}, "functions must be 2 rows of 1 names in layer 0"),
        ({"width": [2, 1], "functions": [None, None]}, "functions must be given for each of the 1 layers"),
        ({"width": [1, 1], "grid_size": 0, "functions": [[[""]]]}, "grid_size must be a positive integer"),
    ],
)
def test_bad_configs(arguments, message):
    with pytest.raises(InputError, match=f"^{message}"):
        KANConfig(**arguments)
