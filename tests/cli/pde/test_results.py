"""The files of a solution, and the command that would make them again."""

from functools import partial
from pathlib import Path

import pytest
from tests.plot.solutions import heat, heat_solution, oscillation, untrained

from edgewise.cli.pde import results as command
from edgewise.cli.pde.equation import Equation
from edgewise.cli.pde.results import ALL, SolveJob, SolveResults


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Animations of two frames."""
    monkeypatch.setattr(command, "animate", partial(command.animate, frames=2))


def results_of(problem, **settings):
    solution = untrained(problem)
    return SolveResults.from_solution(
        SolveJob("mine.py", **settings), Equation("mine.py", "A statement.", problem, Path("mine.py")), solution, 1.25
    )


@pytest.mark.parametrize(
    ("settings", "words"), [({}, ""), ({"time_limit": 60.0, "tolerance": 1e-6}, " --time-limit 60 --tolerance 1e-06")]
)
def test_the_command(settings, words):
    assert SolveJob("mine.py", **settings).command == f"edgewise solve mine.py{words}"


def test_errors_by_field_and_together():
    errors = results_of(oscillation()).errors
    assert list(errors) == ["u", "v", ALL]
    assert errors[ALL].l2 ** 2 == pytest.approx(errors["u"].l2 ** 2 + errors["v"].l2 ** 2)
    assert list(results_of(heat(heat_solution)).errors) == [ALL]
    assert results_of(heat()).errors == {}
