"""The tool of pykan's tutorials has stored a row of each, and the quick ones give what the rows say."""

import pytest
from tools.pykan.tutorials import TUTORIALS

from edgewise_experiments.runner.store import RESULTS, Store

ROWS = Store.open(RESULTS, "pykan-tutorials")


def test_every_tutorial_has_its_row():
    assert [row["tutorial"] for row in ROWS.rows] == [tutorial.name for tutorial in TUTORIALS]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Interp 5", "Example 12", "Physics 4C"])
def test_quick_tutorials_give_what_the_page_shows(name):
    tutorial = next(one for one in TUTORIALS if one.name == name)
    assert tutorial.work() == ROWS.find(tutorial=name)["Edgewise"]
