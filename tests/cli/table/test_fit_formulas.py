"""The formulas of a fit: in the report, in metrics.json, and not for classes or when none are wanted."""

import html
import json

import pytest

from edgewise.cli.shared.preparation import FitJob, prepare_table
from edgewise.cli.table.training import find_formulas, train_model

SETTINGS = {"effort": "low", "drop": ("group",)}


@pytest.mark.slow
def test_metrics_and_report(reported_models):
    found = json.loads((reported_models / "numbers" / "metrics.json").read_text())["formulas"]
    report = html.unescape((reported_models / "numbers" / "report.html").read_text())
    assert "a" in found["formula"] and found["test_r2"] > 0.9
    assert found["front"] and found["domain"] and found["seconds"] > 0
    assert "The formulas" in report and "On the test rows the R² of this formula is" in report
    assert json.loads((reported_models / "kinds" / "metrics.json").read_text())["formulas"] is None
    assert ". A formula<" not in (reported_models / "kinds" / "report.html").read_text()


@pytest.mark.slow
def test_none_are_looked_for_without_time(numbers):
    job = FitJob(str(numbers), "y", formulas=0, **SETTINGS)
    prepared = prepare_table(job)
    assert find_formulas(job, prepared, train_model(job, prepared)) is None


def test_the_command_names_the_time(numbers, refused):
    assert FitJob("a.csv", "y", formulas=5).command.endswith("--formulas 5")
    assert "--formulas" not in FitJob("a.csv", "y").command
    assert "--formulas must be a number of seconds" in refused("fit", numbers, "-t", "y", "--formulas", "-1")
