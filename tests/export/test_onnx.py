"""ONNX files: onnxruntime gives what the model gives, to rounding, everywhere and without Edgewise."""

import sys

import onnx
import onnxruntime
import pytest
import torch
from tests.night import at_night

from edgewise.errors import MissingExtraError
from edgewise.export.onnx import to_onnx
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN

EPS = {torch.float32: 2.0**-23, torch.float64: 2.0**-52}


def run(path, x):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"x": x.numpy()})[0])


def points(inputs, dtype):
    """Inside, on the ends and on inner knots, next to them, outside, far outside."""
    special = [-1.0, 1.0, -0.2, 0.2, 0.6, 0.0, -0.0, 1.5, -3.0, 1e3, -1e6]
    x = torch.tensor(special, dtype=dtype)
    x = torch.cat([x, x.nextafter(torch.full_like(x, torch.inf)), x.nextafter(torch.full_like(x, -torch.inf))])
    generator = torch.Generator().manual_seed(0)
    inside = 2 * torch.rand(200, inputs, dtype=dtype, generator=generator) - 1
    mixed = x[torch.randint(len(x), (200, inputs), generator=generator)]
    return torch.cat([x[:, None].expand(-1, inputs), inside, mixed])


def assert_equal_to_rounding(path, model, x):
    expected = model(x).detach()
    assert (run(path, x) - expected).abs().max() <= 100 * EPS[x.dtype] * expected.abs().max()
    small = expected.abs().max(1).values < 10  # the largest, far outside, would hide an error in the others
    assert (run(path, x) - expected)[small].abs().max() <= 1000 * EPS[x.dtype]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "grid_size", "degree", "base", "dtype"),
    [
        ([2, 3], 5, 0, "silu", torch.float64),
        *at_night(([2, 3, 1], 60, 3, "identity", torch.float64)),
        ([2, 3], 5, 5, "zero", torch.float32),
    ],
)
def test_a_kan_in_onnxruntime(tmp_path, width, grid_size, degree, base, dtype):
    model = KAN(width, grid_size, degree, base=base, dtype=dtype, seed=degree)
    model.layers[0].mask[1, 2] = 0
    path = tmp_path / "m.onnx"
    to_onnx(model, path)
    x = points(2, dtype)
    assert_equal_to_rounding(path, model, x)
    for rows in (0, 1, 2):  # any number of rows, and those that torch.export likes to take for constants
        assert run(path, x[:rows]).shape == (rows, width[-1])
    onnx.checker.check_model(onnx.load(path), full_check=True)


@pytest.mark.slow
def test_an_mlp_in_onnxruntime(tmp_path):
    model = MLP([3, 5, 2], activation="tanh", dtype=torch.float64)
    to_onnx(model, str(tmp_path / "m.onnx"))
    assert_equal_to_rounding(tmp_path / "m.onnx", model, points(3, torch.float64))


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_answered_with_the_pip_line(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)  # importing it now fails
    message = rf"^Exporting to ONNX needs {package}, which is not installed: pip install 'edgewise\[onnx\]'$"
    with pytest.raises(MissingExtraError, match=message):
        to_onnx(MLP([1, 1]), tmp_path / "m")


@pytest.mark.nightly
def test_products_and_elementary_functions(tmp_path):
    names = [["x^2", "sin", "log", ""], ["", "1/x", "", "tanh"]]
    model = KAN([2, 3, 1], products=[(2,), ()], functions=[names, None], seed=1, dtype=torch.float64)
    to_onnx(model, tmp_path / "m.onnx")
    x = 0.5 + torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert_equal_to_rounding(tmp_path / "m.onnx", model, x)
