"""The files of a solution, and the command that would make them again."""

import pytest

from edgewise.cli.pde.results import SolveJob


@pytest.mark.parametrize(
    ("settings", "words"), [({}, ""), ({"time_limit": 60.0, "tolerance": 1e-6}, " --time-limit 60 --tolerance 1e-06")]
)
def test_the_command(settings, words):
    assert SolveJob("mine.py", **settings).command == f"edgewise solve mine.py{words}"
