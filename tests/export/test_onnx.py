"""ONNX files: onnxruntime gives what the model gives, to rounding, everywhere and without Edgewise."""

import copy
import logging
import re
import subprocess
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgewise.errors import FileError, InputError, MissingExtraError
from edgewise.export.onnx import to_onnx
from edgewise.nn.elementary import ELEMENTARY
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
        ([2, 3], 60, 1, "zero", torch.float32),
        ([2, 3], 5, 2, "identity", torch.float64),
        ([2, 3, 1], 60, 3, "silu", torch.float64),
        ([2, 3], 5, 5, "silu", torch.float32),
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
@pytest.mark.parametrize("activation", ["silu", "tanh", "relu"])
def test_an_mlp_in_onnxruntime(tmp_path, activation):
    model = MLP([3, 5, 2], activation=activation, dtype=torch.float64)
    to_onnx(model, str(tmp_path / "m.onnx"))
    assert_equal_to_rounding(tmp_path / "m.onnx", model, points(3, torch.float64))


@pytest.mark.slow
def test_uneven_knots_one_input_and_another_dtype(tmp_path):
    model = KAN([1, 2], 4, 3, dtype=torch.float64)
    knots = torch.tensor([[-2, -1.7, -1.2, -1, -0.9, 0.3, 0.5, 1, 1.5, 1.6, 3]], dtype=torch.float64)
    model.layers[0].knots.copy_(knots)
    twin = copy.deepcopy(model)
    to_onnx(model, tmp_path / "m.onnx", dtype=torch.float32)
    assert_equal_to_rounding(tmp_path / "m.onnx", copy.deepcopy(model).float(), points(1, torch.float32))
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True))
    assert model.training


@pytest.mark.slow
def test_files_run_where_neither_edgewise_nor_torch_is_known(tmp_path):
    model = KAN([2, 1], dtype=torch.float64)
    to_onnx(model, tmp_path / "m.onnx")
    x = points(2, torch.float64)
    np.save(tmp_path / "x.npy", x.numpy())
    program = (
        "import sys; sys.modules.update(edgewise=None, torch=None)\n"
        "import numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession('m.onnx', providers=['CPUExecutionProvider'])\n"
        "numpy.save('y.npy', session.run(['y'], {'x': numpy.load('x.npy')})[0])\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    expected = model(x).detach().numpy()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_the_library_stays_quiet_and_leaves_filters_alone(tmp_path, capfd):
    filters, level = list(warnings.filters), logging.getLogger("torch.onnx").level
    to_onnx(MLP([2, 1]), tmp_path / "a.onnx")
    assert capfd.readouterr() == ("", "")
    assert warnings.filters == filters
    assert logging.getLogger("torch.onnx").level == level


@pytest.mark.slow
def test_files_are_equal_and_do_not_tell_where_they_were_made(tmp_path):
    for name in "ab":
        to_onnx(KAN([2, 1], 3, 2), tmp_path / name)
    data = (tmp_path / "a").read_bytes()
    assert data == (tmp_path / "b").read_bytes()
    assert not re.search(rb"/[a-z]+/|\.py|edgewise", data)


@pytest.mark.slow
def test_bad_arguments(tmp_path):
    with pytest.raises(InputError, match=r"^model must be a KAN or MLP, got torch.nn.modules.linear.Linear$"):
        to_onnx(torch.nn.Linear(1, 1), tmp_path / "m")
    with pytest.raises(InputError, match=r"^dtype must be torch.float32 or torch.float64, got torch.float16$"):
        to_onnx(KAN([1, 1]), tmp_path / "m", dtype=torch.float16)
    with pytest.raises(FileError, match="there is no folder"):
        to_onnx(MLP([1, 1]), tmp_path / "absent" / "m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_answered_with_the_pip_line(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)  # importing it now fails
    message = rf"^Exporting to ONNX needs {package}, which is not installed: pip install 'edgewise\[onnx\]'$"
    with pytest.raises(MissingExtraError, match=message):
        to_onnx(MLP([1, 1]), tmp_path / "m")


@pytest.mark.slow
def test_products_and_elementary_functions(tmp_path):
    names = [["x^2", "sin", "log", ""], ["", "1/x", "", "tanh"]]
    model = KAN([2, 3, 1], products=[(2,), ()], functions=[names, None], seed=1, dtype=torch.float64)
    to_onnx(model, tmp_path / "m.onnx")
    x = 0.5 + torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert_equal_to_rounding(tmp_path / "m.onnx", model, x)


@pytest.mark.slow
def test_every_elementary_function_exports(tmp_path):
    model = KAN([1, len(ELEMENTARY)], functions=[[list(ELEMENTARY)]], dtype=torch.float32)
    to_onnx(model, tmp_path / "m.onnx")
    x = torch.linspace(0.1, 0.9, 40)[:, None]
    np.testing.assert_allclose(run(tmp_path / "m.onnx", x), model(x).detach(), rtol=3e-5, atol=3e-6)
