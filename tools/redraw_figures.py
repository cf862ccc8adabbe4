"""Draws the figures of results/ anew from the stored rows: python tools/redraw_figures.py [NAME ...]"""

import json
import sys
from pathlib import Path

from edgewise.experiments import experiments, load_experiment
from edgewise.experiments.outcome import Outcome
from edgewise.plot import save

RESULTS = Path(__file__).resolve().parents[1] / "results"


def stored(name: str) -> Outcome | None:
    """What an experiment says of its stored rows and of those that it compares with; None without rows of its own."""
    module = load_experiment(name)
    paths = [RESULTS / f"{file}.json" for file in (name, *getattr(module, "ALSO", ()))]
    if not paths[0].exists():
        return None
    rows = [row for path in paths if path.exists() for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    return module.summary(rows)


def redraw(name: str) -> None:
    outcome = stored(name)
    for figure, draw in outcome.figures.items() if outcome else ():
        drawn = draw()
        for end in (".svg", ".pdf"):
            save(drawn, RESULTS / f"{name}-{figure}{end}")


if __name__ == "__main__":
    for name in sys.argv[1:] or experiments():
        redraw(name)
