"""Classical methods of the tables: those that take no time reach many digits."""

import numpy as np
import pytest

from edgewise_experiments.pde.equations import BY_NAME
from edgewise_experiments.pde.pde_table import BY_NAME as TARGETS
from edgewise_experiments.problems import classical
from edgewise_experiments.problems.classical import CLASSICAL, classical_row
from edgewise_experiments.problems.further_classical import FURTHER, METHODS, coarser
from edgewise_experiments.problems.plane_cases import holes_reference, long_waves_plane_reference, patches_reference

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
    "minimal surface",
    "Monge-Ampere",
    "two layers",
    "four circles",
    "orbit",
    "heat in a ball (HNd)",
    "four dimensions and time",
    "cubic in five dimensions",
    "patches (Poisson2d-MS)",
)


@pytest.mark.parametrize("name", QUICK)
def test_error(name):
    assert classical_row(name, METHODS)["classical_error"] < 1e-7


def test_names():
    assert set(METHODS) <= {*BY_NAME, *TARGETS} and set(BY_NAME) <= set(METHODS)
    assert not set(CLASSICAL) & set(FURTHER)
    assert classical_row("no such equation") == {}


def test_references_converge():
    assert coarser(long_waves_plane_reference, terms=5000)() < 1e-10
    assert coarser(patches_reference, degree=8)() < 1e-5 and coarser(patches_reference, degree=16)() < 1e-7


def test_seconds_are_those_of_the_method(monkeypatch):
    """A reference takes 100 seconds of this clock, and the method itself 3."""
    clock = [0.0]
    monkeypatch.setattr(classical.time, "process_time", lambda: clock[0])

    def reference(size=100):
        clock[0] += size
        return np.zeros((1, 1)), np.full((1, 1), 1 + 1 / size)

    row = classical_row("wave", {"wave": ("sines", lambda: coarser(reference, size=3))})
    assert row["classical_seconds"] == 3
    assert row["classical_error"] == pytest.approx((4 / 3 - 1.01) / 1.01)


@pytest.mark.slow
def test_heat_around_holes():
    pytest.importorskip("skfem")
    assert coarser(holes_reference, width=0.8, chords=24, nodes=24)() < 1e-5
