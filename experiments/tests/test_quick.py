"""Experiments in their quick form: rows of plain values, what they show, and a second run that measures nothing."""

import json
import os

import pytest

from edgewise_experiments import experiments, load_experiment
from edgewise_experiments.runner.store import Store

# Their quick forms take longer than four CPU seconds each: they run at night.
LONG = {"ablation", "anderson", "approximation-theory", "attractors", "coverage", "equations", "feynman"}
LONG |= {"formula-stages", "formulas", "imaging", "mlp-comparison", "noise", "special-functions", "srbench", "tables"}
LONG |= {"toy-functions", "unseen"}
NAMES = [name for name in experiments() if name not in LONG or "EDGEWISE_EXPERIMENTS" in os.environ]


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
