"""Figures of solutions of differential equations: `solution_figure` on a page, `animate` as a film over time.

`modes_figure` shows eigenfunctions.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.plot.pde.animation import animate
    from edgewise.plot.pde.fields import solution_figure
    from edgewise.plot.pde.modes import modes_figure

__all__ = ["animate", "modes_figure", "solution_figure"]

import_on_demand(__name__)
