"""What the summary of the knot experiment says of stored rows."""

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
    found = reporting.models(rows)
    table = reporting.sizes(found, "")
    assert len(table.rows) == 1  # no network is larger
    assert table.rows[-1][1] == str(kan) and table.rows[-1][-1] == "+5.5"
    half = 1.96 * np.sqrt(0.001**2 + np.var([0.85, 0.86], ddof=1) / 2)
    assert found[0].said == f"85.5 ± {100 * half:.1f}"
    assert "at or above the MLP in 1 of 1 sizes" in reporting.who_is_ahead(found, "17")[0]


def test_a_mlp_that_stays_ahead_is_said():
    kan, mlp = our_plans()[:2]
    found = reporting.models([network_row(kan, 0, 0.80, 100), network_row(mlp, 0, 0.85, 100)])
    said = reporting.who_is_ahead(found, "17")[0]
    assert "in 0 of 1 sizes, the MLP is ahead up to 120 parameters" in said


def test_what_is_stated_stands_beside_what_is_measured():
    paper, deepmind = stated_plans()[0], stated_plans()[2]
    rows = [network_row(paper, 0, 0.82, 203), network_row(deepmind, 0, 0.9, 190_000)]
    linear = {**rows[1], "part": "baseline", "model": "logistic", "accuracy": 0.88, "inputs": "17"}
    found = reporting.models([*rows, linear])
    said = reporting.stated(found)[0]
    assert "81.6 % against 78.0 %" in said and "KAN 82.0" in said and "logistic 88.0" in said
    assert reporting.everything(found, "").rows[0][5] == "78.0"


def test_attribution_is_told_in_shares():
    plan = next(plan for plan in our_plans() if (plan.kind, plan.inputs) == ("KAN", "17"))
    scores = dict.fromkeys(INPUTS["17"], 0.0) | {"volume": 1.0, "chern_simons": 3.0}
    rows = [network_row(plan, 0, 0.9, 300, scores=scores)]
    assert "chern_simons 75 %, volume 25 %" in reporting.read(rows, reporting.models(rows))[0]


@pytest.mark.parametrize("plan", [*our_plans(), *stated_plans()], ids=str)
def test_a_row_tells_which_plan_it_was(plan):
    assert reporting.Model([network_row(plan, 0, 0.5, 1)]).plan.key() == plan.key()
