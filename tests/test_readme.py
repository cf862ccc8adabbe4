"""The README and the pages of numbers are true: code runs, tables are the stored results, links lead to files."""

import re
import shlex
import warnings
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from tools.readme_tables import PAGES, rendered
from tools.run_snippets import SNIPPET
from typer.testing import CliRunner

from edgewise.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "howto" / "command-line.md").read_text(encoding="utf-8")
TABLES = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
LAWS = (ROOT / "docs" / "formulas-found.md").read_text(encoding="utf-8")
BLOCKS = [match["code"] for match in SNIPPET.finditer(README)]


def printed_by(code: str, folder: Path) -> str:
    """What a program prints that is run in a folder of its own, with warnings as errors."""
    with chdir(folder), redirect_stdout(StringIO()) as printed, warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(code, "page", "exec"), {"__name__": "page"})
    return printed.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_code_runs(number, tmp_path):
    assert printed_by(BLOCKS[number], tmp_path).strip()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_lecture_on_tables(tmp_path):
    printed = printed_by("".join(match["code"] for match in SNIPPET.finditer(TABLES)), tmp_path)
    assert "as a KAN: (3, 1)" in printed


@pytest.mark.nightly
def test_the_page_for_users_of_pykan(tmp_path):
    page = (ROOT / "docs" / "from-pykan.md").read_text(encoding="utf-8")
    printed = printed_by("".join(match["code"] for match in SNIPPET.finditer(page)), tmp_path).splitlines()
    assert printed[0] == "[1.0, 1.0]" and printed[2].startswith("sin")
    assert float(printed[-3]) < 1e-20 and all("exp(sin(pi*x1) + x2**2)" in line for line in printed[-2:])


@pytest.mark.nightly
def test_the_page_on_laws(tmp_path):
    """Its snippets in order, as one program, print the laws that the page shows."""
    printed = printed_by("".join(match["code"] for match in SNIPPET.finditer(LAWS)), tmp_path)
    for match in SNIPPET.finditer(LAWS):
        for line in match["output"].splitlines():
            # The scale of the log-odds of separated classes, and errors in per cent, follow the time of the search.
            shown = line.partition("*(")[2] if line.startswith("-") else line.partition(" leaves an error")[0]
            assert shown in printed


@pytest.mark.nightly
def test_the_page_of_commands(tmp_path):
    """Its snippets in order, as one program, then its commands, which write what the page says."""
    pytest.importorskip("pandas")
    printed = printed_by("".join(match["code"] for match in SNIPPET.finditer(COMMANDS)), tmp_path)
    assert "The held-out rows fit: True" in printed
    (commands,) = re.findall(r"```sh\n(.*?)```", COMMANDS, re.DOTALL)
    for command in commands.splitlines():
        arguments = shlex.split(command)[1:]
        if arguments[0] == "fit":  # other models and a long search for formulas have tests of their own
            arguments += ["--compare", "none", "--formulas", "2"]
        if arguments[0] == "formula":
            arguments[-1] = "2"
        with chdir(tmp_path):
            done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, f"{command}\n{done.output}"
    assert {path.name for path in tmp_path.iterdir()} == {
        "houses.csv",
        "houses",
        "predicted.csv",
        "houses.py",
        "area.svg",
    }
    assert (tmp_path / "houses" / "report.html").stat().st_size > 1000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_measured_parts_are_the_stored_results(page):
    text = page.read_text(encoding="utf-8")
    assert rendered(text) == text


LINKED = [*PAGES, ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


MARKDOWN = [*LINKED, *sorted((ROOT / "docs").glob("*.md")), ROOT / "results" / "README.md"]


@pytest.mark.parametrize("page", sorted(set(MARKDOWN)), ids=lambda page: f"{page.parent.name}/{page.name}")
def test_no_asterisk_of_a_formula_is_lost(page):
    """An asterisk between two characters is a product or a power, which Markdown takes for emphasis outside code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    bare = re.sub(r"(`+).+?\1", "", text)
    assert re.findall(r".{0,20}[\w)\]]\*+[\w(].{0,20}", bare) == []


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 100
