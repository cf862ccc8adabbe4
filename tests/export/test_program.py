"""Programs of torch.export: the same numbers, for any number of rows, where Edgewise is unknown."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.export.networks import case, units
from tests.night import at_night

from edgewise.export import to_program
from edgewise.export.steps import InUnits


@pytest.mark.slow
@pytest.mark.parametrize("name", ["degree 0", *at_night("degree 5"), "mixed", "formula", "silu"])
def test_the_program_is_the_network(tmp_path, name):
    model, x, expected = case(name)
    to_program(model, tmp_path / "m.pt2")
    program = torch.export.load(tmp_path / "m.pt2").module()
    np.testing.assert_allclose(program(x).detach(), expected, rtol=1e-12, atol=1e-12)
    for rows in (1, 2):
        assert program(x[:rows]).shape == (rows, expected.shape[1])
    assert model.training


@pytest.mark.nightly
def test_in_the_units_of_a_table_without_edgewise(tmp_path):
    model, x, _ = case("degree 5")
    own = units(2, 2)
    to_program(model, tmp_path / "m.pt2", units=own)
    torch.save(x, tmp_path / "x.pt")
    program = (
        "import sys; sys.modules.update(edgewise=None)\n"
        "import torch\n"
        "torch.save(torch.export.load('m.pt2').module()(torch.load('x.pt')).detach(), 'y.pt')\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True)
    torch.testing.assert_close(torch.load(tmp_path / "y.pt"), InUnits(model, own)(x).detach(), rtol=1e-12, atol=1e-12)
