"""The page "From pykan" has a row for each tutorial of the tool, and the quick ones give what it shows."""

from pathlib import Path

import pytest
from tools.pykan import tutorials

PAGE = (Path(__file__).parents[2] / "docs" / "from-pykan.md").read_text(encoding="utf-8")


def test_every_tutorial_has_its_row():
    table = PAGE.partition(tutorials.BEGIN)[2].partition(tutorials.END)[0]
    names = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:]
    assert names == [one.name for one in tutorials.TUTORIALS]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Interp 5", "Example 12", "Physics 4C"])
def test_quick_tutorials_give_what_the_page_shows(name):
    tutorial = next(one for one in tutorials.TUTORIALS if one.name == name)
    assert f"| {tutorial.work()} |" in PAGE
