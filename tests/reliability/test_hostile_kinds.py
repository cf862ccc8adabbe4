"""Mutated models, solutions, formulas and tables, and the commands that read them: one sentence or a result."""

import os

import numpy as np
import pytest

from .hostile import CommandFailed, run_command

MUTATIONS = 500  # of all kinds together; the nightly run reads 100,000


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the soak needs limits of POSIX")
def test_mutated_files_are_read_or_refused_in_a_sentence(tmp_path):
    from .soak import mutations

    attacks = list(mutations(tmp_path, MUTATIONS, seed=3))
    assert sum(attack.tries for attack in attacks) >= MUTATIONS
    assert [failure for attack in attacks for failure in attack.failures] == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the soak needs limits of POSIX")
def test_the_mutations_reach_a_reader_that_does_not_check(tmp_path):
    """The harness notices a foreign exception: numpy's own reader of numbers raises ValueError."""
    from .soak import hostile_reads, write_table

    write_table(tmp_path)
    path = tmp_path / "table.csv"
    found = hostile_reads(path.read_bytes(), path, lambda p: np.loadtxt(p, delimiter=",", skiprows=1), 5, seed=0)
    assert any(failure is not None and "Error" in failure for failure in found)


def test_a_wrong_command_line_is_noticed():
    with pytest.raises(CommandFailed, match="exit code 2"):
        run_command("no-such-command")
