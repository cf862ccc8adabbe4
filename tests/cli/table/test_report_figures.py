"""The figures of a report, by kind."""

import pytest

from edgewise.cli.shared.preparation import FitJob, prepare_table
from edgewise.cli.table.results import FIGURE_ROWS, FitResults, explain_rows, report_figures
from edgewise.cli.table.training import train_model

SETTINGS = {"effort": "low", "formulas": 0}


def results(*words, **settings):
    job = FitJob(*words, **SETTINGS, **settings)
    prepared = prepare_table(job)
    return FitResults(job, prepared, train_model(job, prepared), [])


@pytest.mark.slow
def test_kinds_of_figures(numbers, kinds):
    fit = results(str(numbers), "y", drop=("group",))
    explanation = explain_rows(fit)
    figures = [one.kind for one in report_figures(fit, explanation)]
    assert figures == ["parity", "effects", "shares", "network"]  # the edges of a sum of curves are the effects
    assert explanation.outputs == ("y",) and len(fit.figure_rows()) == min(FIGURE_ROWS, len(fit.prepared.train))
    figures = [one.kind for one in report_figures(results(str(kinds), "kind"), None)]
    assert figures[:2] == ["confusion", "effects"]
