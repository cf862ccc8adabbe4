"""Writes the tables of the README from the stored results: python tools/readme_tables.py

A table stands between `<!-- table:NAME -->` and `<!-- end -->` and comes from results/NAME.json, so no number in it is
typed by hand; tests/test_readme.py fails when the two differ.
"""

import json
import re
from pathlib import Path

from edgewise.experiments.tables import summary

ROOT = Path(__file__).resolve().parents[1]
SUMMARIES = {"tables": summary}
BLOCK = re.compile(r"(<!-- table:(\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(readme: str) -> str:
    """The README's text with every table as the results have it."""
    return BLOCK.sub(lambda found: f"{found[1]}{_markdown(found[2])}{found[3]}", readme)


def _markdown(name: str) -> str:
    stored = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    outcome = SUMMARIES[name](stored["rows"])
    lines = [outcome.columns, ["---", *["---:"] * (len(outcome.columns) - 1)], *outcome.rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{' '.join(outcome.sentences)}\n"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(rendered(path.read_text(encoding="utf-8")), encoding="utf-8")
