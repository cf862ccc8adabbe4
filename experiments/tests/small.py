"""A small table in place of the real ones, and little tuning, so that an experiment takes a second."""

import numpy as np

from edgewise_experiments.tables import tables


def one_small_table(monkeypatch):
    """Replaces the tables of the experiment by one of 60 rows."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 2))
    table = tables.Table(X, X[:, 0] + 0.1 * generator.normal(size=60), "regression")
    monkeypatch.setattr(tables, "chosen_tables", lambda quick: {"small": lambda: table})
    monkeypatch.setattr(tables, "QUICK_MODELS", tables.MODELS)
    monkeypatch.setattr(tables, "is_installed", lambda name: True)
    monkeypatch.setattr(tables, "additive_model", lambda *_: ({"r2": 0.5}, 3, 0.1))
    monkeypatch.setattr("edgewise_experiments.tables.tuned_baselines.EPOCHS", 10)
    monkeypatch.setattr("edgewise_experiments.tables.tuned_baselines.BOOSTING_ROUNDS", 10)
