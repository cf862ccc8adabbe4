"""Result tables of the knot experiment from stored rows."""

import numpy as np
import pytest

from edgewise_experiments.knots import knots, reporting
from edgewise_experiments.knots.networks import INPUTS, our_plans, stated_plans


def network_row(plan, seed, accuracy, parameters, **changes):
    return {
        **{"table": knots.WHOLE, "quick": False, "part": "network", **plan.key(), "seed": seed},
        **{"accuracy": accuracy, "error": 0.001, "validation": accuracy, "parameters": parameters},
        **{"seconds": 2.0, "cpu_seconds": 1.0},
        **({"scores": dict.fromkeys(INPUTS[plan.inputs], 1.0)} if plan.kind == "KAN" else {}),
        **changes,
    }


def test_within_a_size_validation_decides():
    kan, mlp = our_plans()[:2]
    other = our_plans()[2]
    rows = [network_row(kan, seed, 0.85 + 0.01 * seed, 44) for seed in (0, 1)]
    rows += [network_row(mlp, 0, 0.80, 45), network_row(other, 0, 0.99, 46, validation=0.5)]
    found = reporting.models_of(rows)
    table = reporting.size_table(found, "")
    assert len(table.rows) == 1  # no network is larger
    assert table.rows[-1][1] == str(kan) and table.rows[-1][-1] == "+5.5"
    half = 1.96 * np.sqrt(0.001**2 + np.var([0.85, 0.86], ddof=1) / 2)
    assert found[0].accuracy_text == f"85.5 ± {100 * half:.1f}"
    numbers = reporting.main_numbers(found, rows)
    assert numbers["17 inputs: sizes with the KAN at or above the MLP"] == "1 of 1"
    assert numbers["networks measured"] == "3 of 49"


def test_an_mlp_that_stays_ahead_is_a_key_figure():
    kan, mlp = our_plans()[:2]
    found = reporting.models_of([network_row(kan, 0, 0.80, 100), network_row(mlp, 0, 0.85, 100)])
    numbers = reporting.main_numbers(found, [])
    assert numbers["17 inputs: sizes with the KAN at or above the MLP"] == "0 of 1"
    assert numbers["17 inputs: sizes with the MLP ahead, parameters up to"] == "120"


def test_the_accuracies_of_the_sources_are_shown_with_ours():
    paper, deepmind = stated_plans()[0], stated_plans()[2]
    rows = [network_row(paper, 0, 0.82, 203), network_row(deepmind, 0, 0.9, 190_000)]
    linear = {**rows[1], "part": "baseline", "model": "logistic", "accuracy": 0.88, "inputs": "17"}
    found = reporting.models_of([*rows, linear])
    numbers = reporting.main_numbers(found, [])
    assert numbers["KAN [17,1,14] of the paper"] == "82.0 ± 0.2 % (the source: 81.6 %)"
    assert numbers["logistic regression, 17 inputs"].startswith("88.0")
    assert reporting.model_table(found, "").rows[0][5] == "78.0"


def test_attribution_is_in_shares():
    plan = next(plan for plan in our_plans() if (plan.kind, plan.inputs) == ("KAN", "17"))
    scores = dict.fromkeys(INPUTS["17"], 0.0) | {"volume": 1.0, "chern_simons": 3.0}
    rows = [network_row(plan, 0, 0.9, 300, scores=scores)]
    table = reporting.attribution_table(reporting.models_of(rows), "")
    assert [line[1:] for line in table.rows[:2]] == [("chern_simons", "75 %"), ("volume", "25 %")]


@pytest.mark.parametrize("plan", [*our_plans(), *stated_plans()], ids=str)
def test_a_row_identifies_its_plan(plan):
    assert reporting.Model([network_row(plan, 0, 0.5, 1)]).plan.key() == plan.key()
