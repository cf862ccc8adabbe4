"""The claims: each belongs to an experiment and speaks from its rows."""

from pathlib import Path

import pytest

from edgewise_experiments import experiments
from edgewise_experiments.pages.claims import CLAIMS

RESULTS = Path(__file__).parents[3] / "results"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.experiment)
def test_each_names_an_experiment(claim):
    assert claim.experiment in experiments() and claim.text and claim.paper


def test_every_experiment_with_stored_results_has_a_claim():
    stored = {name for name in experiments() if (RESULTS / f"{name}.json").exists()}
    assert stored and stored <= {claim.experiment for claim in CLAIMS} <= set(experiments())
