"""The pages of the site: each public name has its place in the reference, links lead to files, and code runs."""

import ast
import inspect
import re
import subprocess
import warnings
from importlib import import_module
from pathlib import Path

import pytest
from tools.run_snippets import SNIPPET

import edgewise
from edgewise.errors import SolutionWarning
from edgewise.pde import solve
from tests.test_import import ROOMS

DOCS = Path(__file__).resolve().parents[1] / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted(DOCS.rglob("*.md"))
CELL = re.compile(r"^```\{code-cell\} python\n(?:---\n.*?^---\n)?(.*?)^```", re.MULTILINE | re.DOTALL)
# Pages whose code runs in test_readme.py, each with what it must print.
TESTED_THERE = {"command-line", "tables", "formulas-found", "from-pykan"}


def code_of(page):
    """The blocks of code of a page: those of a tutorial show the value of their last line, the others print."""
    text = page.read_text("utf-8")
    return CELL.findall(text) or [match["code"] for match in SNIPPET.finditer(text)]


WITH_CODE = [page for page in PAGES if page.stem not in TESTED_THERE and code_of(page)]


def test_the_reference_names_every_public_name_at_the_place_that_defines_it():
    listed = re.findall(r"^   ~(edgewise\.\w+)\.(\w+)$", (REFERENCE / "index.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(name for _, name in listed) == sorted(edgewise.__all__)
    for room, name in listed:
        assert getattr(import_module(room), name) is getattr(edgewise, name)


def test_every_sub_package_has_its_page():
    pages = {page.stem for page in REFERENCE.glob("*.md")} - {"index"}
    assert pages == {*ROOMS, "storage"}  # the module of save and load
    for name in pages:
        assert f".. automodule:: edgewise.{name}\n   :members:" in (REFERENCE / f"{name}.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_to_files_and_pictures_have_words(page):
    text = re.sub(r"^```(?!\{image).*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)#\s]+)", text)
    links += [("!", alt, name) for name, alt in re.findall(r"\{image\} (\S+)\n:alt: (.*)", text)]
    for picture, words, name in links:
        assert (page.parent / name).exists(), name
        assert words.strip() or not picture, name


def test_the_list_for_machines_names_pages():
    pages = re.findall(r"\]\((\S+)\.html\)", (DOCS / "llms.txt").read_text("utf-8"))
    assert len(pages) > 20 and all((DOCS / f"{page}.md").exists() for page in pages)


def test_the_first_page_of_the_measurements_lists_all_and_each_begins_with_its_point():
    index = (DOCS / "measured" / "index.md").read_text("utf-8")
    pages = {page.name: page.read_text("utf-8") for page in (DOCS / "measured").glob("*.md") if page.stem != "index"}
    assert sorted(re.findall(r"^- \[[^]]+\]\(([^)]+)\)$", index, re.MULTILINE)) == sorted(pages)
    assert sorted(index.partition(":hidden:")[2].split()[:-1]) == sorted(name[:-3] for name in pages)
    assert all(re.match(r"# .+\n\n\*\*In short:\*\* \S", text) for text in pages.values())


def test_there_are_ten_rules():
    rules = re.findall(r"^## (\d+)\. ", (DOCS / "SKILL.md").read_text("utf-8"), re.MULTILINE)
    assert rules == [str(number) for number in range(1, 11)]


def test_code_that_prints_is_followed_by_what_it_printed():
    for page in [DOCS.parent / "README.md", *PAGES]:
        for match in SNIPPET.finditer(page.read_text("utf-8")):
            assert ("print(" in match["code"]) == bool(match["output"] and match["output"].strip()), page


# Pages whose code takes longer than two CPU seconds.
LONG = {"classes", "equation", "equations", "gallery", "knots", "large", "materials", "motion", "table", "torch"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.nightly if page.stem in LONG else ()) for page in WITH_CODE],
    ids=lambda page: str(page.relative_to(DOCS)),
)
def test_code_runs(page, monkeypatch, tmp_path, capsys):
    """All blocks of a page in order, with warnings as errors; searches for formulas and solves are short.

    In full length the tutorials run when `make docs` builds the site.
    """
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(inspect.unwrap(solve).__kwdefaults__, "budget", 0.02)
    names = {"__name__": "page"}
    for code in code_of(page):
        *first, last = ast.parse(re.sub(r"(time_limit=)\d+\)", r"\g<1>1)", code)).body
        shown = isinstance(last, ast.Expr) and CELL.search(page.read_text("utf-8"))
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", SolutionWarning)  # a page may show a solution that is doubted
            exec(compile(ast.Module([*first, *([] if shown else [last])], []), page.name, "exec"), names)
            value = eval(compile(ast.Expression(last.value), page.name, "eval"), names) if shown else None
        assert "print(" not in code or capsys.readouterr().out.strip(), code
        assert value is None or any(hasattr(value, way) for way in ("_repr_svg_", "_repr_html_", "shape", "__len__"))
    assert list(tmp_path.iterdir()) == []


def test_files_to_copy_are_well_formed():
    """Scripts for Slurm and descriptions for Kubernetes: their shells and YAML, not what a cluster makes of them."""
    page = (DOCS / "howto" / "many-machines.md").read_text("utf-8")
    (script,) = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert script.startswith("#!/bin/bash\n#SBATCH ")
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    (text,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    yaml = pytest.importorskip("yaml", reason="PyYAML, which `make docs` brings, is not installed")
    service, job = yaml.safe_load_all(text)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    nodes = re.search(r"--nnodes (\d+) --nproc-per-node (\d+)", container["command"][-1])
    assert int(nodes[1]) == job["spec"]["completions"] == job["spec"]["parallelism"]
    assert nodes[2] == container["resources"]["requests"]["cpu"]
    assert (
        service["metadata"]["name"] == pod["subdomain"] and f"{job['metadata']['name']}-0." in container["command"][-1]
    )
