"""Writes results/README.md, the table of claims and the figures, from results/: python tools/results_readme.py"""

import json
from pathlib import Path

from edgewise_experiments.pages.claims import claims_markdown

RESULTS = Path(__file__).resolve().parents[1] / "results"


def rendered(folder: Path = RESULTS) -> str:
    """Return the text of the file from the stored rows."""
    stored = {path.stem: json.loads(path.read_text(encoding="utf-8"))["rows"] for path in sorted(folder.glob("*.json"))}
    return claims_markdown(stored, [path.name for path in sorted(folder.glob("*.svg"))])


if __name__ == "__main__":
    (RESULTS / "README.md").write_text(rendered(), encoding="utf-8")
