"""Draws the figures of results/ anew from the stored rows: python tools/redraw_figures.py [NAME ...]"""

import sys
from pathlib import Path

from edgewise.plot import save
from edgewise_experiments import experiments
from edgewise_experiments.pages.stored import stored_outcome

RESULTS = Path(__file__).resolve().parents[1] / "results"


def redraw(name: str) -> None:
    """Draw the figures of one experiment as SVG and PDF; without rows of its own it has none."""
    if not (RESULTS / f"{name}.json").exists():
        return
    for figure, draw in stored_outcome(RESULTS, name).figures.items():
        drawn = draw()
        save(drawn, RESULTS / f"{name}-{figure}.svg", theme="auto")
        save(drawn, RESULTS / f"{name}-{figure}.pdf")


if __name__ == "__main__":
    for name in sys.argv[1:] or experiments():
        redraw(name)
