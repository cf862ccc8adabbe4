"""Formulas and relations of the knot table: the summary of stored rows, and a quick run of both parts."""

import numpy as np
import pytest

from edgewise_experiments.knots import knot_relations
from edgewise_experiments.runner.store import Store


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


def test_the_summary_compares_means_and_lists_known_relations():
    rows = [formula_row(0, 0.86), formula_row(1, 0.84), relation_row("injectivity_radius", "short_geodesic_real_part")]
    outcome = knot_relations.summary(rows)
    numbers = outcome.key_figures
    assert numbers["formula from the translations, mean accuracy of the folds"] == "85.0 %"
    assert numbers["folds"] == "2"
    assert numbers["injectivity radius = half the short geodesic"] == "found, p < 1e-300"
    assert numbers["signature with the cusp translations"] == "not found"
    assert numbers["adjoint and plain torsion degree"] == "not found"
    assert outcome.tables[2].rows[0][4] == "3/4"


def test_the_signature_with_each_translation_and_with_all():
    row = relation_row("meridinal_translation_real", "signature")
    row["together"] = {"looseness": 0.08, "z": 45.0}
    numbers = knot_relations.summary([formula_row(0, 0.86), row]).key_figures
    assert numbers["signature with the cusp translations"] == "found as mu_re, signature"
    assert numbers["a sum of functions of the signature and all translations"] == "looseness 0.08, z 45"
    row["relations"].append(
        {**row["relations"][0], "columns": ["volume", "cusp_volume"], "looseness": 0.2, "found_by": 0}
    )
    figure = knot_relations.summary([formula_row(0, 0.86), row]).figures["looseness"]()
    assert figure.axes[0].get_yticklabels()[0].get_text() == "mu_re, signature"


def test_the_accuracy_is_that_of_a_line_rounded_to_even():
    values = np.linspace(0, 10, 200)
    y = 2 * np.round(values / 2)
    rows = np.arange(200)
    assert knot_relations.line_accuracy(3 * values - 7, y, rows[:150], rows) > 0.9
    assert knot_relations.line_accuracy(np.full(200, np.nan), y, rows[:150], rows) is None


@pytest.mark.slow
def test_a_quick_run_measures_both_parts():
    store = Store(None)
    outcome = knot_relations.run(quick=True, store=store, seeds=None, progress=lambda update: None)
    assert [row["part"] for row in store.rows] == ["formula", "relations"]
    assert 0 < store.rows[0]["slope_rule"] < 1
    assert store.rows[1]["volume_imag"] < 1e-3 < store.rows[1]["volume_real"]
    assert 0 < store.rows[1]["together"]["looseness"] < 1
    assert len(outcome.tables) == 3 and "looseness" in outcome.figures
