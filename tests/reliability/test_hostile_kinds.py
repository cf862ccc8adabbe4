"""Mutated models, solutions, formulas and tables, and the commands that read them: one sentence or a result."""

import os

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


def test_a_wrong_command_line_is_noticed():
    with pytest.raises(CommandFailed, match="exit code 2"):
        run_command("no-such-command")
