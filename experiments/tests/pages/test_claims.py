"""The claims: each belongs to an experiment and speaks from its rows."""

from pathlib import Path

import pytest
from experiments.tests.images.test_reporting import row_of as picture_row
from experiments.tests.language.test_reporting import row_of as language_row
from experiments.tests.made_rows import accuracy_row, phase
from experiments.tests.theory.test_continual_learning import CASES

from edgewise_experiments import experiments
from edgewise_experiments.pages.claims import CLAIMS, HEADS, claim_lines, claims_markdown, total_seconds

RESULTS = Path(__file__).parents[3] / "results"


def claim_of(experiment):
    return next(claim for claim in CLAIMS if claim.experiment == experiment)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.experiment)
def test_each_names_an_experiment(claim):
    assert claim.experiment in experiments() and claim.text and claim.paper


def test_every_experiment_with_stored_results_has_a_claim():
    stored = {name for name in experiments() if (RESULTS / f"{name}.json").exists()}
    assert stored and stored <= {claim.experiment for claim in CLAIMS} <= set(experiments())


def test_the_worst_phase_speaks_for_continual_learning():
    claim = claim_of("continual-learning")
    rows = [
        {
            **{"case": case, "kind": "KAN", "hidden": [], "detail": 200, "method": "L-BFGS", "seed": 0},
            **{"errors": [[1e-6, 1.0], [2e-6, 5e-6]], "final": 4e-6, "joint": 1e-6, "parameters": 203},
        }
        for case in CASES
    ]
    assert claim.ours(rows) == "1-D: largest RMSE of a phase, KAN that keeps most: 5.0e-06"
    assert claim.ours(rows[1:]) == "too few rows"


def test_slopes_speak_for_the_toy_functions():
    grids = [phase(grid, 1e-2 * (10 / grid) ** 4, 1.0) for grid in (10, 20, 40)]
    rows = [accuracy_row("toy 2", degree=3, phases=grids), accuracy_row("toy 2", rmse=1e-9), accuracy_row("toy 3")]
    claim = claim_of("toy-functions")
    assert claim.ours(rows) == (
        "slopes of cubic splines in the grid size: -4.0; lowest RMSE, degree and grids chosen: 1.0e-09; largest RMSE, "
        "degree and grids chosen: 1.0e-06"
    )
    assert claim.ours(rows[:1]) == "too few rows"


def test_claims_quote_key_figures():
    text = claim_of("special-functions").ours([accuracy_row("kv", rmse=1.0)])
    assert text.startswith("functions whose median is below the paper's best KAN: 0 of 1; median of times lower: ")


def test_leads_speak_for_pictures_and_losses_for_language():
    claim = claim_of("imaging")
    qualities = (("product KAN", 29.0), ("KAN", 27.0), ("SIREN", 28.0))
    rows = [picture_row("fit", kind, quality) for kind, quality in qualities]
    assert claim.ours(rows) == (
        "fits with the product KAN above every other network: 1 of 1; fits with the KAN above SIREN: 0 of 1"
    )
    assert claim.ours(rows[:1]) == "too few rows"
    claim = claim_of("language")
    rows = [language_row("equal time", kind, loss) for kind, loss in (("KAN", 1.9), ("MLP", 1.8))]
    assert claim.ours(rows) == "equal time, cpu: loss of the KAN: 1.900; equal time, cpu: loss of the MLP: 1.800"
    assert claim.ours(rows[1:]) == "too few rows"


def test_claims_without_rows_say_so():
    lines = claim_lines({})
    assert len(lines) == len(CLAIMS) and all(len(line) == len(HEADS) for line in lines)
    assert {line[3] for line in lines} == {"not run yet"} and {line[4] for line in lines} == {"-"}
    text = claims_markdown({})
    assert text.startswith("# Results\n") and text.count("\n| ") == 2 + len(CLAIMS) and "## Figures" not in text
    assert claims_markdown({}, ["a-b.svg"]).endswith("\n## Figures\n\n![a-b](a-b.svg)\n")


def test_seconds():
    assert total_seconds([]) == "-"
    assert total_seconds([{"seconds": 900.0, "cpu_seconds": 1500.4}, {"seconds": 2.0}]) == "1,502"
