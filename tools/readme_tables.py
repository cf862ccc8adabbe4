"""Writes the measured parts of docs/measured.md and docs/speed.md from the stored results.

python tools/readme_tables.py

A table stands between `<!-- table:NAME -->` and `<!-- end -->` and comes from results/NAME.json, NAME being an
experiment, or from benchmarks/results if it is "speed", so no number in it is typed by hand; between
`<!-- sentences:NAME -->` and `<!-- end -->` stand only the sentences below that table. tests/test_readme.py fails when
text and results differ.
"""

import re
import runpy
import textwrap
from pathlib import Path

from edgewise_experiments import load_experiment
from edgewise_experiments.runner.outcome import ResultTable
from edgewise_experiments.runner.store import Store

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "docs" / "measured.md", ROOT / "docs" / "speed.md")
BLOCK = re.compile(r"(<!-- (table|sentences):([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(page: str) -> str:
    """A page's text with everything measured as the results have it."""
    return BLOCK.sub(lambda found: f"{found[1]}{_measured(found[3], found[2] == 'table')}{found[4]}", page)


def _measured(name: str, tables: bool) -> str:
    if name != "speed":
        return _experiment(name, tables)
    return runpy.run_path(str(ROOT / "benchmarks" / "summary.py"))["markdown"]()


def _experiment(name: str, tables: bool) -> str:
    module = load_experiment(name)
    store = Store(ROOT / "results" / f"{name}.json")
    if not store.path.exists():  # the files beside it may be missing, its own may not
        raise FileNotFoundError(store.path)
    outcome = module.summary(store.beside(name, *getattr(module, "ALSO", ())))
    parts = [_markdown(table) for table in outcome.tables] if tables else []
    return "\n\n".join([*parts, *(textwrap.fill(note, 120, break_on_hyphens=False) for note in outcome.notes)]) + "\n"


def _markdown(table: ResultTable) -> str:
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    # A bar within a cell would end it.
    text = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
    return f"**{table.title}**\n\n{text}" if table.title else text


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(rendered(path.read_text(encoding="utf-8")), encoding="utf-8")
