"""The experiment of five tables: data, folds, means, resuming."""

import numpy as np
import pytest

from edgewise.experiments import experiments, load_experiment, tables
from edgewise.experiments.store import Store
from tests.experiments.small import one_small_table

REAL = tables.tables(quick=False)


def test_it_is_listed():
    assert experiments()["tables"].startswith("Five real tables")
    assert load_experiment("tables") is tables


@pytest.mark.parametrize(
    ("name", "shape", "task"),
    [
        ("diabetes", (442, 10), "regression"),
        ("breast cancer", (569, 30), "classification"),
        ("wine", (178, 13), "classification"),
        ("digits", (1797, 64), "classification"),
        ("knots", (8000, 17), "classification"),
    ],
)
def test_the_tables_and_their_folds(name, shape, task):
    table = REAL[name]()
    assert (table.X.shape, table.task) == (shape, task)
    folds = list(table.folds(5, 0))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(table.X)))
    for train, test in folds:
        assert not set(train) & set(test)
        if name == "knots":
            assert not set(table.group[train]) & set(table.group[test])
        elif task == "classification":
            assert np.bincount(table.y[test]) == pytest.approx(np.bincount(table.y) / 5, abs=1)


def test_all_tables_are_there():
    assert list(REAL) == ["diabetes", "breast cancer", "wine", "digits", "knots"]
    assert set(tables.tables(quick=True)) == set(tables.QUICK)


def test_run_and_resume(monkeypatch):
    one_small_table(monkeypatch)
    store, seen = Store(None), []

    def watch(update):
        seen.append(update.done)

    outcome = tables.run(quick=True, store=store, seeds=None, progress=watch)
    assert [(row["fold"], row["model"]) for row in store.rows] == [(f, m) for f in (0, 1) for m in tables.MODELS]
    assert min(seen) >= 0 and max(seen) <= 1
    before = list(store.rows)
    store.rows.remove(before[3])
    again = tables.run(quick=True, store=store, seeds=None, progress=watch)
    assert len(store.rows) == 8 and store.rows[:7] == [row for row in before if row is not before[3]]
    assert again.tables == outcome.tables  # seconds shown are those of the KAN, which was kept
    assert tables.run(quick=True, store=store, seeds=(1,), progress=watch).tables != outcome.tables
    assert len(store.rows) == 16
    both = tables.run(quick=True, store=store, seeds=(0, 1), progress=watch)
    assert len(store.rows) == 16 and "means of 4 folds" in both.sentences[0]


def test_summary():
    rows = []
    for model, scores in {"KAN": (0.9, 0.8), "linear": (0.7, 0.9), "MLP": (0.5, 0.5), "boosting": (0.88, 0.8)}.items():
        for fold, score in enumerate(scores):
            row = {"table": "t", "task": "classification", "seed": 0, "fold": fold, "model": model, "score": score}
            rows.append({**row, "parameters": 100 * (fold + 1), "seconds": 1.0 + fold, "rows": [800, 200]})
    rows.append({**rows[0], "model": "slope rule", "score": 0.5})
    outcome = tables.summary(rows)
    (table,) = outcome.tables
    assert table.rows == (("t", "1,000", "85.0", "80.0", "50.0", "84.0", "+1.0", "150", "1.5 (max 2.0)"),)
    assert outcome.sentences[1] == "The slope rule, two numbers, gives 50.0 % for t."


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
    assert tables.summary(rows).tables[0].rows[0][2:7] == ("50.0", "40.0", "nan", "10.0", "+10.0")
