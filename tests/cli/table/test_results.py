"""The files of a fit: predictions as CSV, metrics as JSON, the report."""

import csv
import html
import io
import json

import numpy as np
import pytest

from edgewise.cli.shared.model import prediction_columns
from edgewise.cli.shared.source import columns_csv


def test_csv_of_classes_with_awkward_names():
    columns = prediction_columns(
        "kind",
        np.array(['a,"b"', "c"], dtype=object),
        np.array([[0.75, 0.25], [1e-9, 1]]),
        ('a,"b"', "c"),
        None,
    )
    assert list(csv.reader(io.StringIO(columns_csv(np.array([3, 9]), {"name": ["x", "y"], **columns})))) == [
        ["row", "name", "predicted kind", 'p(a,"b")', "p(c)"],
        ["3", "x", 'a,"b"', "0.75", "0.25"],
        ["9", "y", "c", "1e-09", "1"],
    ]
    assert columns_csv(np.array([3]), {"row": ["first"], "y": [1]}) == "row,y\nfirst,1\n"
    two = {"p(a\nb)": [0.5, 0.25]}  # a name of two lines is whole in parts too
    parts = [columns_csv(np.array([k + 1]), {"p(a\nb)": two["p(a\nb)"][k : k + 1]}, has_names=k == 0) for k in (0, 1)]
    assert "".join(parts) == columns_csv(np.array([1, 2]), two) == 'row,"p(a\nb)"\n1,0.5\n2,0.25\n'


def test_csv_of_numbers_has_six_digits_of_the_interval():
    values = np.array([0.1 + 0.2, 1e-300, -1 / 3])
    columns = prediction_columns("y", values, None, (), (values - 1, values + 1))
    lines = columns_csv(np.arange(3), columns).splitlines()
    assert lines[0] == "row,predicted y,low 90 %,high 90 %"
    assert [line.split(",")[1] for line in lines[1:]] == ["0.3", "0.0", "-0.33333"]
    assert prediction_columns("y", 1e9 + values, None, (), None)["predicted y"][0] == 1_000_000_000.3


@pytest.mark.parametrize("name", ["numbers", "kinds"])
def test_metrics_are_plain_json(models, name):
    text = (models / name / "metrics.json").read_text()

    def refuse(constant):
        raise AssertionError(constant)

    stored = json.loads(text, parse_constant=refuse)
    assert stored["score"]["value"] == stored["comparison"][0]["score"]
    assert stored["comparison"][0]["parameters"] == stored["model"]["parameters"]
    scores = [one["score"] for one in stored["inputs"]]
    assert scores == sorted(scores, reverse=True)
    assert stored["inputs"][0]["name"] == "a"  # the only one that matters, by construction
    assert stored["versions"]["edgewise"] == stored["edgewise"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "figures"), [("numbers", 6), ("kinds", 12)])
def test_the_report_shows_what_was_done(reported_models, name, figures):
    stored = json.loads((reported_models / name / "metrics.json").read_text())
    report = html.unescape((reported_models / name / "report.html").read_text())
    assert report.count("<figure") == figures
    for text in (stored["command"], *stored["notes"], stored["training"]["message"]):
        assert text in report
