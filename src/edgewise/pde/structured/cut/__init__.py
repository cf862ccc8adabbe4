"""Splines on domains that are no box: cut cells, Galerkin's method on them, and problems of space.

A `cut_grid` has the splines that reach into a domain, and points in its cells and on its boundary. `galerkin` makes the
matrix of a linear equation of second order, for eigenvalues and for the grids of `stages`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.pde.structured.cut.cut_grid import CutGrid
    from edgewise.pde.structured.cut.galerkin import CutGalerkin

__all__ = ["CutGalerkin", "CutGrid"]

import_on_demand(__name__)
