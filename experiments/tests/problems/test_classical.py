"""Classical methods of the table of equations, and references that converge."""

import numpy as np
import pytest

from edgewise_experiments.pde.pde_table import BY_NAME as TARGETS
from edgewise_experiments.problems import classical
from edgewise_experiments.problems.classical import CLASSICAL, classical_row
from edgewise_experiments.problems.plane_cases import holes_reference, patches_reference
from edgewise_experiments.problems.reference_solutions import distance


@pytest.mark.parametrize("name", ["poisson-disk", "heat"])
def test_error(name):
    assert classical_row(name)["error"] < 1e-7


def test_names():
    assert set(CLASSICAL) <= set(TARGETS)


def gap(reference, **sizes):
    """Distance between a reference and the same with other sizes, at their common points."""
    tables = [dict(zip(map(tuple, np.round(x, 9)), u, strict=True)) for x, u in (reference(**sizes), reference())]
    both = sorted(set(tables[0]) & set(tables[1]))
    return distance(*(np.array([table[point] for point in both]) for table in tables))


def test_references_converge():
    assert gap(patches_reference, degree=8) < 1e-5 and gap(patches_reference, degree=16) < 1e-7


def test_seconds_are_those_of_the_method(monkeypatch):
    """The reference takes 100 seconds of this clock, and the method itself 3."""
    clock = [0.0]
    monkeypatch.setattr(classical.time, "process_time", lambda: clock[0])

    def method():
        clock[0] += 3

        def error():
            clock[0] += 100
            return 0.5

        return error

    monkeypatch.setitem(CLASSICAL, "wave", ("sines", method))
    row = classical_row("wave")
    assert (row["cpu_seconds"], row["error"], row["method"]) == (3, 0.5, "sines")


@pytest.mark.slow
def test_heat_around_holes():
    pytest.importorskip("skfem")
    assert gap(holes_reference, width=0.8, chords=24, nodes=24) < 1e-5
