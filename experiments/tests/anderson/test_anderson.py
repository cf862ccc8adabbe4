"""The localisation experiment: a quick run, and its tables with the accuracies of the paper."""

import pytest

from edgewise_experiments import experiments
from edgewise_experiments.anderson import anderson
from edgewise_experiments.anderson.anderson import READINGS
from edgewise_experiments.data.anderson import CHAINS
from edgewise_experiments.runner.store import Store


def test_it_is_listed():
    assert experiments()["anderson"].startswith("Anderson localisation")


@pytest.mark.slow
def test_a_quick_run_learns_an_edge_and_reads_it():
    store = Store(None)
    outcome = anderson.run(quick=True, store=store, seeds=None, progress=lambda update: None)
    assert [row["part"] for row in store.rows].count("theory") == 2 * len(CHAINS)
    (kan,) = (row for row in store.rows if row["part"] == "KAN")
    assert kan["accuracy"] > 0.85 and kan["formula_accuracy"] > 0.85
    exact, learned, _ = outcome.tables
    assert len(exact.rows) == len(CHAINS) and len(learned.rows) == len(CHAINS) + 1
    assert exact.rows[1][-1] == "99.2"
    outcome.figures["sizes"]()
    count = len(store.rows)
    anderson.run(quick=True, store=store, seeds=None, progress=lambda update: None)
    assert len(store.rows) == count


def test_the_accuracies_of_the_paper_are_shown_with_ours():
    key = {"chain": "GAAM", "name": "automatic", "size": 89, "seed": 0, "parameters": 9, "seconds": 1, "cpu_seconds": 1}
    row = {**key, "part": "KAN", "accuracy": 0.98, "extended": "E > 0.5", "formula_accuracy": 0.97}
    (line,) = anderson.summary([row]).tables[1].rows
    assert line == ("GAAM, automatic", "9", "98.0", "97.0", "99.0", "1", "E > 0.5")
    again = {**row, "seed": 1, "accuracy": 0.96, "formula_accuracy": 0.97, "extended": "E > 1"}
    (line,) = anderson.summary([row, again]).tables[1].rows
    assert line == ("GAAM, automatic", "9", "97.0 ± 1.4", "97.0 ± 0.0", "99.0", "1", "E > 0.5")


def test_sizes_and_seeds_of_the_exact_edge():
    rows = [
        {"part": "theory", "chain": "GAAM", "size": size, "seed": seed, "accuracy": [0.9, 0.92 + 0.02 * seed, 0.9]}
        for seed in (0, 1)
        for size in (89, 144)
    ]
    rows.append({**rows[0], "chain": "MAAM"})
    exact = anderson.summary(rows).tables[0]
    assert exact.rows[0][1:3] == ("90.0 · 93.0 · 90.0",) * 2
    assert exact.rows[1][1:3] == ("90.0 · 92.0 · 90.0", "-")


def test_every_reading_makes_a_network():
    for reading in READINGS:
        model = reading.model(0)
        assert model.config.width[0] == len(CHAINS[reading.chain].columns)
        assert model.config.width[-1] == 1


def test_without_rows_there_are_no_tables():
    assert anderson.summary([]).tables == ()
