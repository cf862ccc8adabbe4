"""results/README.md is what the stored results give, and every figure of theirs is there."""

import pytest

from edgewise.experiments import experiments
from tools.redraw_figures import stored
from tools.results_readme import RESULTS, rendered


def test_it_is_the_stored_results():
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == rendered()


@pytest.mark.parametrize("name", experiments())
def test_figures_are_there(name):
    outcome = stored(name)
    expected = {f"{name}-{figure}{end}" for figure in (outcome.figures if outcome else ()) for end in (".svg", ".pdf")}
    assert expected <= {path.name for path in RESULTS.iterdir()}
