"""Every layer gives forward of any batch shape, edges that sum to it. Join by LAYERS."""

import copy
import pickle

import pytest
import torch

from edgewise.errors import InputError
from edgewise.nn.layers.initial import seeded_generator
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.mlp import DenseLayer


def spline_layer(inputs, outputs, dtype=torch.float64, **settings):
    """A spline layer with one edge masked and with points outside its domain in the tests' data."""
    layer = KANLayer(inputs, outputs, dtype=dtype, generator=seeded_generator(1), domain=(-1.2, 0.9), **settings)
    layer.mask[0, 0] = 0
    return layer


def dense_layer(inputs, outputs, dtype=torch.float64, **settings):
    layer = DenseLayer(inputs, outputs, dtype=dtype, generator=seeded_generator(1), **settings)
    with torch.no_grad():
        layer.bias += 0.3
    return layer


LAYERS = {
    "spline": spline_layer,
    "spline, degree 0": lambda *a, **k: spline_layer(*a, degree=0, **k),
    "spline, degree 5, one interval": lambda *a, **k: spline_layer(*a, degree=5, grid_size=1, **k),
    "spline, identity": lambda *a, **k: spline_layer(*a, base="identity", degree=2, **k),
    "spline, no base": lambda *a, **k: spline_layer(*a, base="zero", **k),
    "dense": dense_layer,
    "dense, silu": lambda *a, **k: dense_layer(*a, activation="silu", **k),
    "dense, tanh": lambda *a, **k: dense_layer(*a, activation="tanh", **k),
    "dense, relu": lambda *a, **k: dense_layer(*a, activation="relu", **k),
}


@pytest.fixture(params=LAYERS.values(), ids=LAYERS.keys())
def make_layer(request):
    return request.param


def points(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=seeded_generator(2), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("inputs", "outputs"), [(3, 2), (1, 1)])
def test_any_batch_shape(make_layer, inputs, outputs, dtype):
    for batch in [(), (1,), (7,), (2, 3), (0,), (2, 0, 3), (1, 1, 1, 2)]:
        layer = make_layer(inputs, outputs, dtype)
        x = points(*batch, inputs, dtype=dtype)
        y = layer(x)
        assert y.shape == (*batch, outputs)
        assert y.dtype == dtype
        one_by_one = [layer(row) for row in x.reshape(-1, inputs)]
        if one_by_one:
            assert torch.allclose(y.reshape(-1, outputs), torch.stack(one_by_one), rtol=1e-5, atol=1e-6)


def test_edges_sum_to_the_output(make_layer):
    layer = make_layer(3, 2)
    x = points(9, 3)
    edges = layer.edges(x)
    assert edges.shape == (9, 3, 2)
    assert torch.allclose(edges.sum(1) + getattr(layer, "bias", 0), layer(x), rtol=1e-13, atol=1e-14)


def test_an_edge_depends_on_its_own_input_only(make_layer):
    layer = make_layer(3, 2)
    x = points(9, 3)
    moved = x.clone()
    moved[:, 1] += 0.1
    change = layer.edges(moved) - layer.edges(x)
    assert change[:, [0, 2]].count_nonzero() == 0
    assert torch.allclose(change[:, 1], layer(moved) - layer(x), rtol=1e-12, atol=1e-14)


def test_gradients_by_input_and_parameters(make_layer):
    layer = make_layer(2, 2)
    x = points(4, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), (x, *layer.parameters()))


def test_copies_are_equal_and_independent(make_layer):
    layer = make_layer(3, 2)
    x = points(5, 3)
    before = layer(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x), before)
        with torch.no_grad():
            next(twin.parameters()).add_(1)
        assert not torch.equal(twin(x), before)
    assert torch.equal(layer(x), before)


def test_state_dict_round_trip(make_layer):
    layer, other = make_layer(3, 2), make_layer(3, 2)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(2)
    other.load_state_dict(layer.state_dict())
    x = points(5, 3)
    assert torch.equal(other(x), layer(x))


def test_forward_edges_and_rows_leave_no_trace(make_layer):
    layer = make_layer(3, 2)
    names, state = set(vars(layer)), copy.deepcopy(layer.state_dict())
    x = points(5, 3)
    before = x.clone()
    layer(x), layer.edges(x), layer.jacobian_segments(x[None], points(1, 5, 2))
    assert set(vars(layer)) == names
    assert torch.equal(x, before)
    assert all(torch.equal(value, state[name]) for name, value in layer.state_dict().items())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(6, 2), r"^x must have shape \(\*batch, 3\), got \(6, 2\)$"),
        (torch.zeros(()), r"^x must have shape \(\*batch, 3\), got \(\)$"),
        (torch.zeros(6, 3, dtype=torch.float32), r"^x must have the model's dtype torch.float64, got torch.float32$"),
    ],
)
def test_bad_input_gets_one_sentence(make_layer, x, message):
    with pytest.raises(InputError, match=message):
        make_layer(3, 2)(x)


def test_a_nan_stays_in_its_sample(make_layer):
    layer = make_layer(3, 2)
    x = points(5, 3)
    spoilt = x.clone()
    spoilt[2, 1] = torch.nan
    y = layer(spoilt)
    assert y[2].isnan().all()
    assert torch.equal(y[[0, 1, 3, 4]], layer(x)[[0, 1, 3, 4]])


def test_default_weights_come_from_the_global_generator_as_in_nn_linear(make_layer):
    kind = type(make_layer(1, 1))
    with torch.random.fork_rng():
        torch.random.manual_seed(3)
        first, second = kind(2, 2), kind(2, 2)
        torch.random.manual_seed(3)
        again = kind(2, 2)
    x = points(3, 2, dtype=torch.float32)
    assert torch.equal(first(x), again(x))
    assert not torch.equal(first(x), second(x))
