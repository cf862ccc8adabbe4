"""Jets of layers and networks, against nested autograd: every order, kernel, layer; mixed ones by polarisation."""

import pytest
import torch
from tests.nn.test_layer_contract import LAYERS, points
from tests.ops.test_jet import KERNELS, line_derivatives, numbers

from edgewise.errors import InputError
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.ops.backend import use_kernel
from edgewise.ops.jet import along, seed_jet

NETWORKS = {
    "kan": lambda: KAN([2, 4, 3, 2], grid_size=4, degree=5, dtype=torch.float64, domain=(-1.5, 1.5)),
    "cubic kan": lambda: KAN([2, 3, 1], grid_size=(3, 5), degree=3, base="zero", init="paper", dtype=torch.float64),
    "mlp, tanh": lambda: MLP([2, 6, 5, 2], activation="tanh", dtype=torch.float64),
    "mlp, silu": lambda: MLP([2, 6, 1], activation="silu", dtype=torch.float64),
}


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS.keys())
def network(request):
    model = request.param()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter += 0.3 * numbers(*parameter.shape, seed=number)
    return model


@pytest.fixture(params=KERNELS)
def kernel(request):
    with use_kernel(request.param):
        yield request.param


def assert_close(found, expected):
    assert (found - expected).abs().max() <= 1e-10 * (expected.abs().max() + 1)


@pytest.mark.slow
@pytest.mark.parametrize("order", range(1, 6))
def test_along_directions(network, kernel, order):
    x, directions = points(5, 2).tanh(), numbers(3, 2, seed=8)
    found = network.jet(x, directions, order)
    assert torch.allclose(found[0], network(x), rtol=1e-12, atol=1e-13)
    for d, direction in enumerate(directions):
        assert_close(along(found, order)[d], line_derivatives(network, x, direction, order))


@pytest.mark.parametrize("order", [1, 2, 4])
def test_layers(kernel, order):
    for name, make in LAYERS.items():
        layer, x, directions = make(3, 2), points(9, 3), numbers(2, 3, seed=8)
        found = layer.jet(seed_jet(x, directions, order), order)
        for d, direction in enumerate(directions):
            expected = line_derivatives(layer, x, direction, order)
            assert (along(found, order)[d] - expected).abs().max() <= 1e-10 * (expected.abs().max() + 1), name


def test_gradients_by_parameters_and_points(network, kernel):
    x, directions = points(3, 2).tanh().requires_grad_(), numbers(2, 2, seed=8)
    weights = numbers(5, 3, network.config.width[-1], seed=9)
    inputs = (x, *network.parameters())
    expected = torch.autograd.grad(
        sum(
            (weights[1 + 2 * d : 3 + 2 * d] * lines).sum()
            for d, lines in enumerate(_differentiable(network, x, direction) for direction in directions)
        )
        + (weights[0] * network(x)).sum(),
        inputs,
    )
    found = torch.autograd.grad((weights * network.jet(x, directions, 2)).sum(), inputs)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)


def _differentiable(network, x, direction):
    """First and second derivative along a direction, (2, batch, out), with a graph."""
    s = torch.zeros(len(x), dtype=x.dtype, requires_grad=True)
    columns = []
    for column in network(x + s[:, None] * direction).unbind(-1):
        first = torch.autograd.grad(column.sum(), s, create_graph=True)[0]
        columns.append(torch.stack([first, torch.autograd.grad(first.sum(), s, create_graph=True)[0]]))
    return torch.stack(columns, -1)


def test_wrong_shapes_get_one_sentence(network):
    with pytest.raises(InputError, match=r"^directions must be a tensor of shape \(D, 2\), got \(1, 3\)$"):
        network.jet(points(4, 2), torch.ones(1, 3, dtype=torch.float64), 1)
    with pytest.raises(InputError, match=r"^x must be a jet of shape"):
        network.jet(points(4, 3), torch.ones(1, 3, dtype=torch.float64), 1)
