"""The network: shapes, seeds, what it leaves alone, and what survives copies, pickles and exports."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import InputError
from edgewise.nn.config import KANConfig
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN

MODELS = {"KAN": KAN, "MLP": MLP}


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def kind(request):
    return request.param


def points(*shape, dtype=torch.float32):
    return (2 * torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1).to(dtype)


@pytest.mark.slow
@given(
    width=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    degree=st.integers(0, 5),
    base=st.sampled_from(["silu", "identity", "zero"]),
    data=st.data(),
)
def test_any_config_comes_back_from_its_model(width, degree, base, data):
    grid_size = data.draw(st.lists(st.integers(1, 6), min_size=len(width) - 1, max_size=len(width) - 1))
    config = KANConfig(width, grid_size, degree, base)
    model = KAN.from_config(config, seed=3, dtype=torch.float64)
    assert model.config == config
    direct = KAN(width, grid_size, degree, base=base, seed=3, dtype=torch.float64)
    x = points(5, width[0], dtype=torch.float64)
    assert torch.equal(model(x), direct(x))
    count = sum(
        i * o * (g + degree + (base != "zero")) for i, o, g in zip(width[:-1], width[1:], grid_size, strict=True)
    )
    assert sum(p.numel() for p in model.parameters()) == count


def test_the_seed_alone_decides_the_weights(kind):
    first, again, other = kind([2, 3, 1], seed=5), kind([2, 3, 1], seed=5), kind([2, 3, 1], seed=6)
    x = points(4, 2)
    assert torch.equal(first(x), again(x))
    assert not torch.equal(first(x), other(x))


def test_float32_weights_are_the_rounded_float64_ones(kind):
    single, double = kind([2, 3, 1], dtype=torch.float32), kind([2, 3, 1], dtype=torch.float64)
    for name, value in double.state_dict().items():
        assert torch.equal(single.state_dict()[name], value.to(single.state_dict()[name].dtype)), name
    x = points(50, 2, dtype=torch.float64)
    assert torch.allclose(single(x.float()).double(), double(x), rtol=1e-5, atol=1e-6)


def test_default_dtype_is_torchs(kind):
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        model = kind([2, 1])
    finally:
        torch.set_default_dtype(before)
    assert {p.dtype for p in model.parameters()} == {torch.float64}


def test_building_and_running_moves_no_global_generator_and_writes_no_file(kind, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    model = kind([2, 3, 1])
    model(points(4, 2)).sum().backward()
    model.trace(points(4, 2))
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002
    assert random.getstate() == states[2]
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_state_dict_carries_everything_but_the_shape():
    model = KAN([2, 3, 1], [3, 4], domain=(0, 5), seed=1)
    model.layers[0].mask[1, 2] = 0
    fresh = KAN.from_config(model.config, seed=2)
    fresh.load_state_dict(model.state_dict())
    x = points(9, 2) * 4
    assert torch.equal(fresh(x), model(x))
    assert fresh.layers[0].domain.tolist() == [[0.0, 5.0]] * 2
    assert fresh.layers[0].domain_is_set
    with pytest.raises(RuntimeError, match="size mismatch"):
        KAN([2, 3, 1], [3, 5]).load_state_dict(model.state_dict())


def test_only_the_first_layer_takes_the_domain():
    first, second = KAN([2, 3, 1], domain=(0, 5)).layers
    assert first.domain.tolist() == [[0.0, 5.0]] * 2
    assert second.domain.tolist() == [[-1.0, 1.0]] * 3
    assert first.domain_is_set and not second.domain_is_set


@pytest.mark.slow
def test_exports_with_a_dynamic_batch(kind):
    model = kind([2, 3, 1])
    program = torch.export.export(model, (points(4, 2),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for count in (2, 9):
        x = points(count, 2)
        assert torch.allclose(program.module()(x), model(x), rtol=1e-5, atol=1e-6)


def test_autocast_gives_close_outputs_and_full_precision_gradients(kind):
    model = kind([2, 3, 1])
    x = points(20, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = model(x)
    y.square().sum().backward()
    assert torch.allclose(y.float(), model(x), rtol=0.02, atol=0.02)
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())


@pytest.mark.parametrize(("kind", "shape"), [(KAN, ([2, 1],)), (KANLayer, (2, 1))])
def test_an_unknown_option_is_named_with_the_known_ones(kind, shape):
    with pytest.raises(InputError, match=rf"^{kind.__name__} has no option 'grids'; did you mean 'grid_size'\?$"):
        kind(*shape, grids=3)
    with pytest.raises(InputError, match=rf"^{kind.__name__} has no option 'zzz'; the known ones are .*device$"):
        kind(*shape, zzz=3)
