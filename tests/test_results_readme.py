"""results/README.md is what the stored results give."""

from tools.results_readme import RESULTS, rendered


def test_it_is_the_stored_results():
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == rendered()
