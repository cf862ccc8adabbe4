"""Experiments in their quick form: rows of plain values, what they show, and a second run that measures nothing."""

import json

import pytest

from edgewise_experiments import experiments, load_experiment
from edgewise_experiments.runner.store import Store

# Their quick forms take longer than two CPU seconds each.
LONG = {"ablation", "anderson", "approximation-theory", "attractors", "coverage", "equations", "feynman"}
LONG |= {"formula-stages", "formulas", "imaging", "knot-relations", "mlp-comparison", "motion", "noise"}
LONG |= {"special-functions", "srbench", "tables", "toy-functions", "unknown-fields", "unseen"}
NAMES = [pytest.param(name, marks=pytest.mark.nightly if name in LONG else ()) for name in experiments()]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_quick_run_shows_its_rows_and_resumes(name):
    experiment, store = load_experiment(name), Store(None)
    outcome = experiment.run(quick=True, store=store, seeds=(0,), progress=lambda update: None)
    rows = len(store.rows)
    assert json.loads(json.dumps(store.rows, allow_nan=False)) == store.rows
    assert outcome.tables or not rows
    assert all(draw().axes for draw in outcome.figures.values())
    again = experiment.run(quick=True, store=store, seeds=(0,), progress=lambda update: None)
    assert again.tables == outcome.tables and len(store.rows) == rows
