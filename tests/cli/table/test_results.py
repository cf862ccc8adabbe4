"""The files of a fit: predictions as CSV, metrics as JSON, the report."""

import csv
import io
import json

import numpy as np
import pytest

from edgewise.cli.shared.model import prediction_columns
from edgewise.cli.shared.source import columns_csv


def test_csv_of_classes_with_awkward_names():
    columns = prediction_columns(
        "kind", np.array(['a,"b"', "c"], dtype=object), np.array([[0.75, 0.25], [1e-9, 1]]), ('a,"b"', "c"), None
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


@pytest.mark.parametrize("name", ["numbers", "kinds"])
def test_metrics_are_plain_json(models, name):
    text = (models / name / "metrics.json").read_text()

    def refuse(constant):
        raise AssertionError(constant)

    stored = json.loads(text, parse_constant=refuse)
    assert stored["score"]["value"] == stored["comparison"][0]["score"]
    assert stored["comparison"][0]["coefficients"] == stored["model"]["coefficients"]
    scores = [one["score"] for one in stored["inputs"]]
    assert scores == sorted(scores, reverse=True)
    assert stored["inputs"][0]["name"] == "a"  # the only one that matters, by construction
    assert stored["versions"]["edgewise"] == stored["edgewise"]
