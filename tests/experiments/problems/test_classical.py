"""Classical methods of the tables: those that take no time reach many digits."""

import pytest

from edgewise_experiments.pde.equations import BY_NAME
from edgewise_experiments.pde.pde_table import BY_NAME as TARGETS
from edgewise_experiments.problems.classical import CLASSICAL, classical_row

QUICK = (
    "two scales (Heat2d-MS)",
    "charge",
    "Bratu",
    "Airy",
    "memory",
    "long waves",
    "elasticity",
    "poisson-disk",
    "heat",
)


@pytest.mark.parametrize("name", QUICK)
def test_error(name):
    assert classical_row(name)["classical_error"] < 1e-9


def test_names():
    assert set(CLASSICAL) <= {*BY_NAME, *TARGETS}
    assert classical_row("no such equation") == {}
