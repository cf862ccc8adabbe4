"""The files of a solution, and the command that would make them again."""

import json
from functools import partial
from pathlib import Path

import pytest
from tests.plot.solutions import heat, heat_solution, oscillation, untrained

from edgewise.cli.pde import results as command
from edgewise.cli.pde.equation import Equation
from edgewise.cli.pde.results import ALL, SolveJob, SolveResults
from edgewise.cli.shared.folder import SOLUTION_NAMES, solution_folder


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
    ("settings", "words"),
    [
        ({}, ""),
        ({"time_limit": 60.0, "tolerance": 1e-6}, " --time-limit 60 --tolerance 1e-06"),
    ],
)
def test_the_command(settings, words):
    assert SolveJob("mine.py", **settings).command == f"edgewise solve mine.py{words}"


def test_errors_by_field_and_together():
    errors = results_of(oscillation()).errors
    assert list(errors) == ["u", "v", ALL]
    assert errors[ALL].l2 ** 2 == pytest.approx(errors["u"].l2 ** 2 + errors["v"].l2 ** 2)
    assert list(results_of(heat(heat_solution)).errors) == [ALL]
    assert results_of(heat()).errors == {}


@pytest.mark.slow
def test_the_files(tmp_path):
    activities = []
    written = results_of(heat(heat_solution), vtk=True).write(
        solution_folder(str(tmp_path / "out"), force=False), activities.append
    )
    assert written == list(SOLUTION_NAMES) == [path.name for path in sorted((tmp_path / "out").iterdir(), key=_place)]
    facts = json.loads((tmp_path / "out" / "solution.json").read_text())
    assert facts["command"] == "edgewise solve mine.py --vtk" and facts["statement"] == "A statement."
    assert facts["domain"]["box"] == {"x": [0.0, 2.0], "t": [0.0, 3.0]}
    assert facts["errors"]["all"]["relative_l2"] > 0
    assert facts["error_estimate"] is None and facts["stages"][0]["change"] is None
    assert activities == ["Drawing the animation"]


def _place(path):
    return SOLUTION_NAMES.index(path.name)
