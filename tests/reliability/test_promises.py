"""The page of promises names tests that exist, and the exit codes that the command line uses."""

import inspect
import re
from pathlib import Path

import pytest

from edgewise.cli.terminal import exit_codes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"\b(tests/[\w/]*test_\w+\.py)", PAGE)))


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists(name):
    assert (ROOT / name).is_file()
    assert "def test_" in (ROOT / name).read_text(encoding="utf-8")


def test_every_file_of_this_folder_is_named():
    here = {f"tests/reliability/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert here - {"tests/reliability/test_promises.py"} <= set(NAMED)


def test_each_promise_names_its_tries_and_its_command():
    tables = PAGE.split("\n| promise | tries | command |\n")[1:]
    assert len(tables) == 6
    for table in tables:
        for row in table.split("\n\n")[0].splitlines()[1:]:
            promise, tries, command = (cell.strip() for cell in row.strip("|").split("|"))
            assert promise and re.search(r"\d|same|every", tries) and re.search(r"pytest tests/", command), row


def test_the_exit_codes_are_those_of_the_command_line():
    raised = {int(code) for code in re.findall(r"typer\.Exit\((\d+)\)", inspect.getsource(exit_codes))}
    known = {int(code) for codes in re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE) for code in codes.split(",")}
    # Typer ends a wrong command line with 2; the others are signals.
    assert known == raised | {2, 129, 143}
