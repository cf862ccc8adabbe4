"""Writes the generated tables of docs/measured.md and docs/speed.md from the stored results.

python tools/readme_tables.py

Between `<!-- table:NAME -->` and `<!-- end -->` stand the tables of results/NAME.json, NAME being an experiment, and
the notes of its module about them; "speed" means benchmarks/results. No number there is typed by hand. Everything
else on the pages is written by hand. tests/test_readme.py fails when page and results differ.
"""

import re
import runpy
import textwrap
from pathlib import Path

from edgewise_experiments.pages.marking import markdown_cell
from edgewise_experiments.pages.stored import stored_outcome
from edgewise_experiments.runner.outcome import ResultTable

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "docs" / "measured.md", ROOT / "docs" / "speed.md")
BLOCK = re.compile(r"(<!-- table:([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(page: str) -> str:
    """Return the text of a page with its generated blocks made anew from the results."""
    return BLOCK.sub(lambda block: f"{block[1]}{_tables_and_notes(block[2])}{block[3]}", page)


def _tables_and_notes(name: str) -> str:
    if name == "speed":
        return runpy.run_path(str(ROOT / "benchmarks" / "summary.py"))["markdown"]()
    outcome = stored_outcome(ROOT / "results", name)
    notes = (textwrap.fill(note, 120, break_on_hyphens=False) for note in outcome.notes)
    return "\n\n".join([*map(_markdown, outcome.tables), *notes]) + "\n"


def _markdown(table: ResultTable) -> str:
    rules = ["---:" if number else "---" for number in table.number_columns()]
    lines = [[markdown_cell(cell) for cell in line] for line in (table.columns, rules, *table.rows)]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"**{table.title}**\n\n{text}" if table.title else text


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(rendered(path.read_text(encoding="utf-8")), encoding="utf-8")
