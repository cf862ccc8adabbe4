"""Figures of solutions of differential equations: `solution_figure` on a page, `animate` as a film over time."""

from edgewise.plot.pde.animation import animate
from edgewise.plot.pde.fields import solution_figure

__all__ = ["animate", "solution_figure"]
