"""The experiment of five tables: data, folds, means, resuming."""

import pytest
from experiments.tests.small import one_small_table

from edgewise_experiments import experiments, load_experiment
from edgewise_experiments.runner.store import Store
from edgewise_experiments.tables import tables


def test_it_is_listed():
    assert experiments()["tables"].startswith("Fifteen real tables")
    assert load_experiment("tables") is tables


def test_a_quick_run_takes_a_few():
    assert set(tables.chosen_tables(quick=True)) == set(tables.QUICK)
    assert set(tables.chosen_tables(quick=False)) > set(tables.QUICK)
    assert tables.models(quick=True) == ("KAN", "linear", "MLP", "boosting")


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


def test_summary():
    rows = []
    for model, scores in {"KAN": (0.9, 0.8), "linear": (0.7, 0.9), "MLP": (0.5, 0.5), "boosting": (0.88, 0.8)}.items():
        for fold, score in enumerate(scores):
            row = {"table": "t", "task": "classification", "seed": 0, "fold": fold, "model": model, "score": score}
            rows.append({**row, "parameters": 100 * (fold + 1), "seconds": 1.0 + fold, "rows": [800, 200]})
    rows.append({**rows[0], "model": "slope rule", "score": 0.5})
    outcome = tables.summary(rows)
    table, _ = outcome.tables
    assert table.rows == (("t", "1,000", "85.0", "80.0", "50.0", "84.0", "-", "-", "+1.0", "150", "1.5 (max 2.0)"),)
    assert outcome.key_figures["accuracy of the slope rule, two parameters, for t"] == "50.0 %"


def test_a_fit_that_failed_is_no_zero():
    rows = [
        {
            "table": "t",
            "task": "regression",
            "seed": 0,
            "fold": 0,
            "model": m,
            "score": s,
            "parameters": 1,
            "seconds": 1.0,
            "rows": [8, 2],
        }
        for m, s in (("KAN", 0.5), ("linear", 0.4), ("MLP", None), ("boosting", 0.1))
    ]
    assert tables.summary(rows).tables[0].rows[0][2:9] == ("50.0", "40.0", "-", "10.0", "-", "-", "+10.0")


def score_row(table, model, score):
    key = {"table": table, "task": "regression", "seed": 0, "fold": 0, "model": model, "score": score}
    return {**key, "parameters": 1, "seconds": 1.0, "rows": [8, 2]}


def test_ranks_are_means_over_tables_and_equals_share():
    one = {"KAN": 0.9, "linear": 0.9, "MLP": 0.95, "boosting": 0.5, "EBM": 0.8, "pyGAM": 0.7}
    two = {"KAN": 0.7, "linear": 0.1, "MLP": 0.75, "boosting": 0.8, "EBM": 0.3}
    rows = [score_row(table, *each) for table, scores in (("a", one), ("b", two)) for each in scores.items()]
    outcome = tables.summary(rows)
    ranks = {row[0]: row[1:] for row in outcome.tables[1].rows}
    assert list(ranks)[:2] == ["MLP", "KAN"] and ranks["MLP"] == ("1.50", "-", "2")
    assert (ranks["KAN"], ranks["linear"][1], ranks["EBM"][1]) == (("2.75", "1.25", "2"), "2.25", "2.50")
    assert ranks["pyGAM"][1:] == ("4.00", "1")
    figures = outcome.key_figures
    assert figures["tables on which the KAN is within a point of the best"] == "0 of 2"
    assert figures["best average rank of another model"] == "1.50 (MLP)"
