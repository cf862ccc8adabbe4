"""Model files: bit-equal after a round trip, equal bytes for equal contents, one sentence for what cannot be saved."""

import copy
import hashlib
import os
import subprocess
import sys

import pytest
import safetensors
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.checkpoint import Checkpoint, container, from_bytes, network, read, to_bytes, write
from edgewise.errors import InputError
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN

DTYPES = [torch.float32, torch.float64]


def bits(tensor):
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def assert_same_network(a, b):
    assert type(a) is type(b)
    assert a.config == b.config
    assert [(n, p.requires_grad) for n, p in a.named_parameters()] == [
        (n, p.requires_grad) for n, p in b.named_parameters()
    ]
    ours, theirs = a.state_dict(), b.state_dict()
    assert list(ours) == list(theirs)
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype
        assert ours[name].shape == theirs[name].shape
        assert torch.equal(bits(ours[name]), bits(theirs[name])), name


def uneven(model, seed=0):
    """Moves every knot, masks an edge, marks the domains as set, freezes a parameter: all that init does not do."""
    generator = torch.Generator().manual_seed(seed)
    for layer in model.layers:
        steps = torch.rand(layer.knots.shape, generator=generator, dtype=torch.float64) + 0.1
        layer.knots.copy_((steps.cumsum(1) - 1).to(layer.knots.dtype))
        layer.mask[0, 0] = 0
        layer.domain_is_set.fill_(True)
    model.layers[0].coef.requires_grad_(False)
    return model


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    width=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    grid_size=st.integers(1, 5),
    degree=st.integers(0, 5),
    base=st.sampled_from(["silu", "identity", "zero"]),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 1000),
)
def test_a_kan_comes_back_bit_for_bit(width, grid_size, degree, base, dtype, seed):
    model = uneven(KAN(width, grid_size, degree, base=base, seed=seed, dtype=dtype), seed)
    restored = from_bytes(to_bytes(model)).model
    assert_same_network(restored, model)
    x = torch.randn(5, width[0], generator=torch.Generator().manual_seed(seed), dtype=dtype)
    assert torch.equal(restored(x), model(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["silu", "tanh", "relu"])
def test_an_mlp_comes_back_bit_for_bit(dtype, activation):
    model = MLP([3, 4, 2], activation=activation, dtype=dtype, seed=3)
    model.layers[1].bias.requires_grad_(False)
    assert_same_network(from_bytes(to_bytes(model)).model, model)


def test_extra_and_state_come_back(tmp_path):
    extra = {"features": ["a", "ü", "\ud800"], "shift": float("nan"), "classes": ("x", 1), "n": {1: None}}
    moments = {0: {"step": torch.tensor(2.0), "exp_avg": torch.randn(3, 2, dtype=torch.float64)}}
    state = {"optimiser": moments, "rng": torch.Generator().manual_seed(3).get_state(), "empty": torch.empty(0, 2)}
    write(KAN([2, 1]), tmp_path / "m", extra=extra, state=state)
    checkpoint = read(str(tmp_path / "m"))
    assert isinstance(checkpoint, Checkpoint)
    assert repr(checkpoint.extra) == repr(extra)  # nan differs from itself
    assert checkpoint.state.keys() == state.keys()
    assert torch.equal(checkpoint.state["optimiser"][0]["exp_avg"], moments[0]["exp_avg"])
    assert torch.equal(checkpoint.state["rng"], state["rng"])
    assert checkpoint.state["empty"].shape == (0, 2)
    assert read(tmp_path / "m").state["optimiser"][0]["step"].item() == 2.0


@pytest.mark.parametrize("dtype", container.DTYPES.values())
def test_a_state_may_hold_tensors_of_every_dtype(dtype):
    tensor = torch.tensor([[0, 1], [1, 0]]).to(dtype)
    state = from_bytes(to_bytes(KAN([1, 1]), state={"a": tensor, "b": tensor[0, 1], "c": tensor[:0]})).state
    for name, expected in {"a": tensor, "b": tensor[0, 1], "c": tensor[:0]}.items():
        assert state[name].dtype == dtype
        assert torch.equal(state[name], expected)


def test_views_and_repeated_tensors_in_a_state_come_back_apart():
    base = torch.arange(6.0).reshape(2, 3)
    state = from_bytes(to_bytes(KAN([1, 1]), state={"a": base.T, "b": base, "c": base[:, 1]})).state
    assert torch.equal(state["a"], base.T)
    assert torch.equal(state["c"], base[:, 1])
    state["b"].zero_()
    assert torch.equal(state["a"], base.T)


def test_any_safetensors_reader_opens_a_file(tmp_path):
    model = KAN([2, 3, 1])
    write(model, tmp_path / "m.safetensors")
    with safetensors.safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        assert file.metadata()["format"] == "edgewise"
        assert torch.equal(file.get_tensor("model.layers.1.coef"), model.layers[1].coef)


@pytest.mark.slow
def test_equal_contents_give_equal_bytes_in_every_process():
    program = (
        "import hashlib; from edgewise.nn.model import KAN; from edgewise.checkpoint import to_bytes;"
        "print(hashlib.sha256(to_bytes(KAN([2, 3, 1]), extra={'b': 1, 'a': 2})).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}  # of this process it is another
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment)
    here = hashlib.sha256(to_bytes(KAN([2, 3, 1]), extra={"b": 1, "a": 2})).hexdigest()
    assert done.stdout.strip() == here


class Derived(KAN):
    """A user's own kind of KAN."""


@pytest.mark.parametrize(
    "model", [torch.nn.Linear(2, 1), torch.nn.DataParallel(KAN([2, 1])), Derived([2, 1]), "KAN", None]
)
def test_other_modules_are_refused(model, tmp_path):
    with pytest.raises(InputError, match=r"^model must be a KAN or MLP itself"):
        write(model, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_networks_that_a_file_cannot_describe_are_refused():
    mixed = KAN([2, 3, 1])
    mixed.layers[1].double()
    with pytest.raises(InputError, match="all of one dtype"):
        to_bytes(mixed)
    with pytest.raises(InputError, match=r"^model must have dtype float64 or float32, got torch.float16$"):
        to_bytes(KAN([2, 1]).half())
    grown = KAN([2, 1])
    grown.register_buffer("more", torch.zeros(2))
    with pytest.raises(InputError, match="that its config implies"):
        to_bytes(grown)
    broken = KAN([2, 1])
    broken.layers[0].knots[0, 3] = 7.0
    with pytest.raises(InputError, match="increasing knots"):
        to_bytes(broken)
    half = KAN([2, 1])
    half.layers[0].mask[0, 0] = 0.5
    with pytest.raises(InputError, match="masks of 0 and 1"):
        to_bytes(half)


OF_ALL_KINDS = KAN(
    [2, 3, 2, 1],
    [0, 4, 3],
    products=[(2, 3), (), ()],
    functions=[[["sin", "x", "x^2", "0", "exp", "J0"]] * 2, None, [[""], ["log"]]],
)


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_and_functions_round_trip(dtype):
    model = copy.deepcopy(OF_ALL_KINDS).to(dtype)
    model.layers[0].affine.requires_grad_(False)
    loaded = from_bytes(to_bytes(model)).model
    assert_same_network(model, loaded)
    assert loaded.config.products == ((2, 3), (), ())
    assert to_bytes(loaded) == to_bytes(model)


MODELS = [KAN([2, 3, 1], [2, 4], 1, base="zero"), KAN([4, 1], degree=0), MLP([2, 5, 3]), OF_ALL_KINDS]


@pytest.mark.parametrize("model", MODELS)
def test_the_layout_is_that_of_a_fresh_network(model):
    expected = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in model.state_dict().items()}
    assert network.description_of(model).layout() == expected
