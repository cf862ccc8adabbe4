"""Mutated solutions, formulas, Parquet tables, and the commands that read them: one sentence or a result."""

import pytest

from .hostile import CommandFailed, hostile_kinds, run_command
from .soak import hostile_reads

TRIES = 100


@pytest.mark.slow
def test_mutated_files_are_read_or_refused_in_a_sentence(tmp_path):
    for name, (original, path, read) in hostile_kinds(tmp_path).items():
        read_or_refused = hostile_reads(original, path, read, TRIES, seed=3)
        assert [failure for failure in read_or_refused if failure is not None] == [], name


@pytest.mark.slow
def test_the_originals_are_read(tmp_path):
    for original, path, read in hostile_kinds(tmp_path).values():
        path.write_bytes(original)
        read(path)


def test_a_wrong_command_line_is_noticed():
    with pytest.raises(CommandFailed, match="exit code 2"):
        run_command("no-such-command")
