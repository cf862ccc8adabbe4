"""The knot experiment: the rows of a quick run, resuming, and the summary of stored rows."""

import pytest

from edgewise_experiments import experiments
from edgewise_experiments.knots import knots
from edgewise_experiments.runner.store import Store


def test_it_is_listed():
    assert experiments()["knots"].startswith("The knot signature from geometry")


@pytest.mark.slow
def test_a_quick_run_measures_every_kind_of_row_and_resumes():
    store = Store(None)
    outcome = knots.run(quick=True, store=store, seeds=None, progress=lambda update: None)
    parts = [row["part"] for row in store.rows]
    assert set(parts) == set(knots.PARTS)
    accuracy = {(row.get("kind"), row.get("head")): row["accuracy"] for row in store.rows if row["part"] == "network"}
    assert accuracy["MLP", "ordinal"] > 0.6 and accuracy["KAN", "ordinal"] > 0.6
    count = len(store.rows)
    again = knots.run(quick=True, store=store, seeds=None, progress=lambda update: None)
    assert len(store.rows) == count
    assert again.tables == outcome.tables
    assert outcome.key_figures["c of the bound"].startswith("0.")
    assert list(outcome.figures) == ["accuracy-sample"]
    outcome.figures["accuracy-sample"]()


def test_without_rows_there_are_no_tables():
    assert knots.summary([]).tables == ()
