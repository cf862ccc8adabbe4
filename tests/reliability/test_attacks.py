"""A short form of the soak: each attack a few times, and nothing fails."""

import os
import signal

import numpy as np
import pytest

from edgewise import KAN, load, save
from edgewise.tables import read_table

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


@pytest.mark.slow
def test_ended_runs_leave_old_or_new_results(tmp_path):
    from .soak import Kills, full_disk

    kills = Kills(tmp_path, seed=1)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        assert kills.attempt(number) is None
    assert kills.litter() is None
    assert full_disk(tmp_path, 100) is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["model", "table"])
def test_hostile_files_are_read_or_refused_in_a_sentence(tmp_path, kind):
    from .soak import hostile_reads, write_table

    if kind == "model":
        path = tmp_path / "m.safetensors"
        save(KAN([2, 3, 1]), path)
        failures = hostile_reads(path.read_bytes(), path, load, 1000, seed=0)
    else:
        write_table(tmp_path)
        path = tmp_path / "table.csv"
        failures = hostile_reads(path.read_bytes(), path, read_table, 1000, seed=0)
    assert [failure for failure in failures if failure is not None] == []


@pytest.mark.slow
def test_the_mutations_reach_a_reader_that_does_not_check(tmp_path):
    """The harness notices a foreign exception: numpy's own reader of numbers raises ValueError."""
    from .soak import hostile_reads, write_table

    write_table(tmp_path)
    path = tmp_path / "table.csv"
    found = hostile_reads(path.read_bytes(), path, lambda p: np.loadtxt(p, delimiter=",", skiprows=1), 5, seed=0)
    assert any(failure is not None and "Error" in failure for failure in found)
