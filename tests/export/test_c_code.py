"""C source: compiled with every warning an error, it gives what the model gives, to rounding."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
import torch
from tests.export.networks import NETWORKS, case, every_function, units

from edgewise.export.c_code import c_source, to_c
from edgewise.export.steps import InUnits

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")


def run(folder, source, x, outputs, function="predict"):
    """Compiles a source as a library and calls it for each row."""
    (folder / "net.c").write_text(source)
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([COMPILER, *flags, "net.c", "-o", "net.so", "-lm"], cwd=folder, check=True)
    call = getattr(ctypes.CDLL(str(folder / "net.so")), function)
    numbers = ctypes.POINTER(ctypes.c_double)
    y = np.zeros((len(x), outputs))
    rows = np.ascontiguousarray(x)
    for one, result in zip(rows, y, strict=True):
        call(one.ctypes.data_as(numbers), result.ctypes.data_as(numbers))
    return y


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_compiled_source_is_the_network(tmp_path, name):
    model, x, expected = case(name)
    value = run(tmp_path, c_source(model), x.numpy(), expected.shape[1])
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


def test_every_elementary_function(tmp_path):
    x = torch.linspace(0.1, 0.9, 40, dtype=torch.float64)[:, None]
    model = every_function()
    value = run(tmp_path, c_source(model), x.numpy(), model.config.width[-1])
    np.testing.assert_allclose(value, model(x).detach(), rtol=1e-12, atol=1e-12)


def test_infinite_and_missing_numbers_are_as_in_the_network(tmp_path):
    model, _, _ = case("masked")
    x = torch.tensor([[torch.nan, 0.0], [torch.inf, 0.0], [0.0, -torch.inf]], dtype=torch.float64)
    np.testing.assert_array_equal(run(tmp_path, c_source(model), x.numpy(), 1), model(x).detach())


@pytest.mark.parametrize("kind", [{}, {"probabilities": True}, {"exponent": (2.5, 3.5)}], ids=str)
def test_in_the_units_of_a_table(tmp_path, kind):
    model, x, _ = case("degree 5")
    own = units(2, 2, **kind)
    to_c(model, tmp_path / "own.c", units=own, function="price", names=["*/ a", "é"], outputs=["p", "q"])
    source = (tmp_path / "own.c").read_text()
    value = run(tmp_path, source, x.numpy(), 2, "price")
    np.testing.assert_allclose(value, InUnits(model, own)(x).detach().numpy(), rtol=1e-11, atol=1e-12)
