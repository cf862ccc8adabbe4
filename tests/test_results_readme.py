"""results/README.md is what the stored results give, every figure of theirs is there, and the guide reads them."""

import pytest
from tools.redraw_figures import stored
from tools.results_readme import RESULTS, rendered

from edgewise_experiments import experiments
from edgewise_experiments.runner.store import Store
from edgewise_experiments.theory.guide import LEAVES


def test_it_is_the_stored_results():
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == rendered()


@pytest.mark.parametrize("name", experiments())
def test_figures_are_there(name):
    outcome = stored(name)
    expected = {f"{name}-{figure}{end}" for figure in (outcome.figures if outcome else ()) for end in (".svg", ".pdf")}
    assert expected <= {path.name for path in RESULTS.iterdir()}


def test_the_guide_reads_all_stored_rows():
    store = Store(RESULTS / "guide.json")
    assert all(leaf.judge(rows).measured for leaf in LEAVES if (rows := store.beside(leaf.source)))
