"""results/README.md is made from the stored results, and every figure of theirs exists."""

import pytest
from tools.results_readme import RESULTS, rendered

from edgewise_experiments import experiments
from edgewise_experiments.pages.claims import FEW
from edgewise_experiments.pages.stored import stored_outcome
from edgewise_experiments.runner.store import Store


def test_it_is_made_from_the_stored_results_and_every_claim_has_a_number():
    text = rendered()
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == text and FEW not in text


@pytest.mark.parametrize("name", experiments())
def test_figures_are_there(name):
    figures = stored_outcome(RESULTS, name).figures if (RESULTS / f"{name}.json").exists() else ()
    expected = {f"{name}-{figure}{end}" for figure in figures for end in (".svg", ".pdf")}
    assert expected <= {path.name for path in RESULTS.iterdir()}


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_row_of_an_experiment_or_a_benchmark_says_where_it_is_from(path):
    rows = Store.open(RESULTS, path.stem).rows
    assert rows and all("commit" in row and row["machine"]["processor"] for row in rows)
