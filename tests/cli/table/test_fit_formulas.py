"""The formulas of a fit: in the report, in metrics.json, and not for classes or when none are wanted."""

import html
import json

import pytest


@pytest.mark.slow
def test_metrics_and_report(reported_models):
    found = json.loads((reported_models / "numbers" / "metrics.json").read_text())["formulas"]
    report = html.unescape((reported_models / "numbers" / "report.html").read_text())
    assert "a" in found["formula"] and found["test_r2"] > 0.9
    assert found["front"] and found["domain"] and found["seconds"] > 0
    assert "The formulas" in report and "On the test rows the R² of this formula is" in report
    assert json.loads((reported_models / "kinds" / "metrics.json").read_text())["formulas"] is None
    assert ". A formula<" not in (reported_models / "kinds" / "report.html").read_text()
