"""The README and the pages of numbers are true: code runs, tables are the stored results, links lead to files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tools.readme_tables import PAGES, rendered

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_code_runs(number, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKS[number]], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_tour_gains_from_second_order():
    """What the tour is there to show: after refinement, Levenberg-Marquardt is far below the first fit."""
    scope: dict = {}
    first, second = BLOCKS[0].split("model = refine(")
    exec(first, scope)
    before = scope["report"].metric[1]
    exec("model = refine(" + second, scope)
    assert scope["report"].metric[1] < before / 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_measured_parts_are_the_stored_results(page):
    text = page.read_text(encoding="utf-8")
    assert rendered(text) == text


LINKED = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if not (page.parent / target).exists()] == []


MARKDOWN = [*LINKED, *sorted((ROOT / "docs").glob("*.md")), ROOT / "results" / "README.md"]


@pytest.mark.parametrize("page", sorted(set(MARKDOWN)), ids=lambda page: f"{page.parent.name}/{page.name}")
def test_no_asterisk_of_a_formula_is_lost(page):
    """An asterisk between two characters is a product or a power, which Markdown takes for emphasis outside code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    bare = re.sub(r"(`+).+?\1", "", text)
    assert re.findall(r".{0,20}[\w)\]]\*+[\w(].{0,20}", bare) == []


def test_measured_results_begin_with_contents_and_each_section_with_its_point():
    text = (ROOT / "docs" / "measured.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    links = re.findall(r"^- \[(.+)\]\(#(.+)\)$", text, re.MULTILINE)
    assert [name for name, _ in links] == headings
    assert all(re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") == anchor for name, anchor in links)
    assert len(re.findall(r"^## .+\n\n\*\*In short:\*\* \S", text, re.MULTILINE)) == len(headings)


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150
