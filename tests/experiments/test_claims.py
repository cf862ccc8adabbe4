"""The claims: each belongs to an experiment and speaks from its rows."""

import pytest

from edgewise.experiments import experiments
from edgewise.experiments.claims import CLAIMS, seconds_said
from tests.experiments.test_continual_learning import CASES


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.experiment)
def test_each_names_an_experiment(claim):
    assert claim.experiment in experiments() and claim.text and claim.paper


def test_the_worst_phase_speaks_for_continual_learning():
    claim = next(claim for claim in CLAIMS if claim.experiment == "continual-learning")
    rows = [
        {
            **{"case": case, "kind": "KAN", "hidden": [], "detail": 200, "method": "L-BFGS", "seed": 0},
            **{"errors": [[1e-6, 1.0], [2e-6, 5e-6]], "final": 4e-6, "joint": 1e-6},
        }
        for case in CASES
    ]
    assert claim.ours(rows) == "RMSE of each phase 5.0e-06 at most"
    assert claim.ours(rows[1:]) == "too few rows"


def test_seconds():
    assert seconds_said([]) == "-"
    assert seconds_said([{"seconds": 900.0, "cpu_seconds": 1500.4}, {"seconds": 2.0}]) == "1,502"
