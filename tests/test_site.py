"""The pages of the site: each public name has its place in the reference, links lead to files, and code runs."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import edgewise

DOCS = Path(__file__).resolve().parents[1] / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted(DOCS.rglob("*.md"))


def test_the_reference_names_every_public_name_at_the_place_that_defines_it():
    listed = re.findall(r"^   ~(edgewise\.\w+)\.(\w+)$", (REFERENCE / "index.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(name for _, name in listed) == sorted(edgewise.__all__)
    for room, name in listed:
        assert getattr(import_module(room), name) is getattr(edgewise, name)


def test_every_sub_package_has_its_page():
    pages = {page.stem for page in REFERENCE.glob("*.md")} - {"index"}
    assert pages == {*edgewise._ROOMS, "storage"}  # save and load stand in a module of their own
    for name in pages:
        assert f".. automodule:: edgewise.{name}\n   :members:" in (REFERENCE / f"{name}.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_to_files_and_pictures_have_words(page):
    text = re.sub(r"^```\w*\n.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)#\s]+)", text)
    links += [("!", alt, name) for name, alt in re.findall(r"\{image\} (\S+)\n:alt: (.*)", text)]
    for picture, words, name in links:
        assert (page.parent / name).exists(), name
        assert words.strip() or not picture, name
