"""Galerkin's method with splines: weak forms on boxes, and cut cells on domains that are no box.

A `cut_grid` has the splines that reach into a domain, and points in its cells and on its boundary. `cut_galerkin` makes
the matrix of a linear equation of second order, for eigenvalues and for the grids of `cut_stages`; `cut_slabs` pass
through time on such domains. `rough` recognises coefficients, starts and walls that no grid resolves, which the `weak`
form of one field or that of systems of `first_order` serve.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.pde.tiers.galerkin.cut_galerkin import CutGalerkin
    from edgewise.pde.tiers.galerkin.cut_grid import CutGrid

__all__ = ["CutGalerkin", "CutGrid"]

import_on_demand(__name__)
