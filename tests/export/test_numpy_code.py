"""Python source: equal to the model to rounding, with NumPy alone."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.export.networks import NETWORKS, case, every_function, units

from edgewise.export.numpy_code import python_source, to_python
from edgewise.export.steps import InUnits


def run(source, x):
    """predict(x) of a source; the text is ours."""
    space = {}
    exec(compile(source, "made", "exec"), space)
    with np.errstate(all="ignore"):
        return space["predict"](x)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_source_is_the_network(name):
    model, x, expected = case(name)
    value = run(python_source(model), x.numpy())
    assert value.shape == expected.shape
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    assert run(python_source(model), x.numpy()[:1]).shape == (1, expected.shape[1])


def test_every_elementary_function():
    x = torch.linspace(0.1, 0.9, 40, dtype=torch.float64)[:, None]
    model = every_function()
    np.testing.assert_allclose(run(python_source(model), x.numpy()), model(x).detach(), rtol=1e-12, atol=1e-12)


def test_infinite_and_missing_numbers_are_as_in_the_network():
    model, _, _ = case("masked")
    x = torch.tensor([[torch.nan, 0.0], [torch.inf, 0.0], [0.0, -torch.inf]], dtype=torch.float64)
    np.testing.assert_array_equal(run(python_source(model), x.numpy()), model(x).detach())


@pytest.mark.parametrize("kind", [{}, {"probabilities": True}, {"exponent": (2.5, 3.5)}], ids=str)
def test_in_the_units_of_a_table(kind):
    model, x, _ = case("degree 5")
    own = units(2, 2, **kind)
    expected = InUnits(model, own)(x).detach().numpy()
    np.testing.assert_allclose(run(python_source(model, units=own), x.numpy()), expected, rtol=1e-11, atol=1e-12)


def test_the_file_needs_numpy_only(tmp_path):
    model, x, expected = case("masked")
    to_python(model, tmp_path / "net.py", names=["länge", 'a"b'], outputs=["y"])
    np.save(tmp_path / "x.npy", x.numpy())
    program = (
        "import sys; sys.modules.update(edgewise=None, torch=None, scipy=None)\n"
        "import numpy, net\n"
        "assert net.COLUMNS == ['l\\xe4nge', 'a\"b'] and net.OUTPUTS == ['y']\n"
        "numpy.save('y.npy', net.predict(numpy.load('x.npy')))\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1e-12, atol=1e-12)
