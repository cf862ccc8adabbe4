"""The knot table read: what a summary says of stored rows, and a quick run that measures both parts."""

import numpy as np

from edgewise.experiments import knot_relations
from edgewise.experiments.store import Store


def formula_row(fold, accuracy):
    return {
        "part": "formula",
        "columns": "translations",
        "fold": fold,
        "seed": 0,
        "quick": False,
        "formula": "lambda*mu_re",
        "symbols": 3,
        "accuracy": accuracy,
        "slope_rule": 0.85,
        "seconds": 2.0,
        "cpu_seconds": 1.0,
    }


def relation_row(*columns):
    one = {"columns": list(columns), "looseness": 1e-4, "z": 50.0, "p": 0.0, "networks": 4, "found_by": 3}
    return {
        "part": "relations",
        "seed": 0,
        "quick": False,
        "relations": [{**one, "p_networks": 1e-3}],
        "tests": 10,
        "volume_imag": 1e-9,
        "volume_real": 2.0,
        "geodesic": 1e-9,
    }


def test_the_summary_compares_means_and_says_what_was_found():
    rows = [formula_row(0, 0.86), formula_row(1, 0.84), relation_row("injectivity_radius", "short_geodesic_real_part")]
    outcome = knot_relations.summary(rows)
    assert outcome.sentences[0].startswith("From the three translations: 85.0 % in the mean of 2 folds")
    said = " ".join(outcome.sentences)
    assert "injectivity radius = half the short geodesic: found" in said
    assert "adjoint and plain torsion degree: not found." in said
    assert outcome.tables[1].rows[0][4] == "3/4"


def test_the_accuracy_is_that_of_a_line_rounded_to_even():
    values = np.linspace(0, 10, 200)
    y = 2 * np.round(values / 2)
    rows = np.arange(200)
    assert knot_relations._accuracy(3 * values - 7, y, rows[:150], rows) > 0.9
    assert knot_relations._accuracy(np.full(200, np.nan), y, rows[:150], rows) is None


def test_a_quick_run_measures_both_parts():
    store = Store(None)
    outcome = knot_relations.run(quick=True, store=store, seeds=None, progress=lambda update: None)
    assert [row["part"] for row in store.rows] == ["formula", "relations"]
    assert 0 < store.rows[0]["slope_rule"] < 1
    assert store.rows[1]["volume_imag"] < 1e-3 < store.rows[1]["volume_real"]
    assert len(outcome.tables) == 2
