"""Draws the figures of results/ anew from the stored rows: python tools/redraw_figures.py [NAME ...]"""

import sys
from pathlib import Path

from edgewise.plot import save
from edgewise_experiments import experiments, load_experiment
from edgewise_experiments.runner.outcome import Outcome
from edgewise_experiments.runner.store import Store

RESULTS = Path(__file__).resolve().parents[1] / "results"


def stored(name: str) -> Outcome | None:
    """What an experiment says of its stored rows and of those that it compares with; None without rows of its own."""
    module = load_experiment(name)
    store = Store(RESULTS / f"{name}.json")
    return module.summary(store.beside(name, *getattr(module, "ALSO", ()))) if store.path.exists() else None


def redraw(name: str) -> None:
    outcome = stored(name)
    for figure, draw in outcome.figures.items() if outcome else ():
        drawn = draw()
        for end in (".svg", ".pdf"):
            save(drawn, RESULTS / f"{name}-{figure}{end}")


if __name__ == "__main__":
    for name in sys.argv[1:] or experiments():
        redraw(name)
