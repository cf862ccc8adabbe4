"""Writes the tables of the README from the stored results: python tools/readme_tables.py

A table stands between `<!-- table:NAME -->` and `<!-- end -->` and comes from results/NAME.json, NAME being an
experiment, or from benchmarks/results if it is "speed", so no number in it is typed by hand; tests/test_readme.py fails
when the two differ.
"""

import json
import re
import runpy
from pathlib import Path

from edgewise.experiments import load_experiment
from edgewise.experiments.outcome import ResultTable

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- table:([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(readme: str) -> str:
    """The README's text with every table as the results have it."""
    return BLOCK.sub(lambda found: f"{found[1]}{_measured(found[2])}{found[3]}", readme)


def _measured(name: str) -> str:
    if name != "speed":
        return _experiment(name)
    return runpy.run_path(str(ROOT / "benchmarks" / "summary.py"))["markdown"]()


def _experiment(name: str) -> str:
    module = load_experiment(name)
    paths = [ROOT / "results" / f"{file}.json" for file in (name, *getattr(module, "ALSO", ()))]
    # Its own file must be there, the others may be.
    texts = [path.read_text(encoding="utf-8") for path in paths if path == paths[0] or path.exists()]
    outcome = module.summary([row for text in texts for row in json.loads(text)["rows"]])
    parts = [_markdown(table) for table in outcome.tables]
    return "\n\n".join([*parts, " ".join(outcome.sentences)]) + "\n"


def _markdown(table: ResultTable) -> str:
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    # A bar within a cell would end it.
    text = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
    return f"**{table.title}**\n\n{text}" if table.title else text


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(rendered(path.read_text(encoding="utf-8")), encoding="utf-8")
