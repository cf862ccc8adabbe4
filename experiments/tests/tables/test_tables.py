"""The experiment of five tables: data, folds, means, resuming."""

import pytest
from experiments.tests.small import one_small_table

from edgewise_experiments.runner.store import Store
from edgewise_experiments.tables import tables


@pytest.mark.slow
def test_run_and_resume(monkeypatch):
    one_small_table(monkeypatch)
    store, seen = Store(None), []

    def watch(update):
        seen.append(update.share)

    outcome = tables.run(quick=True, store=store, seeds=None, progress=watch)
    assert [(row["fold"], row["model"]) for row in store.rows] == [(f, m) for f in (0, 1) for m in tables.models()]
    assert min(seen) >= 0 and max(seen) <= 1
    before = list(store.rows)
    store.rows.remove(before[3])
    again = tables.run(quick=True, store=store, seeds=None, progress=watch)
    assert len(store.rows) == len(before) and store.rows[:-1] == [row for row in before if row is not before[3]]
    assert again.tables == outcome.tables  # seconds shown are those of the KAN, which was kept
    assert tables.run(quick=True, store=store, seeds=(1,), progress=watch).tables != outcome.tables
    assert len(store.rows) == 2 * len(before)
    both = tables.run(quick=True, store=store, seeds=(0, 1), progress=watch)
    assert len(store.rows) == 2 * len(before) and both.key_figures["folds"] == "4"
