"""Eigenvalues: those of a linear homogeneous problem, stated as a `PDE` whose unknown coefficient is the eigenvalue.

`search` goes from grid to grid (`grids`) and finds the pairs nearest to a value in a Krylov space; `matrices` makes
what it needs by Galerkin's method.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.pde.spectrum.search import Eigenvalues, eigenvalues

__all__ = ["Eigenvalues", "eigenvalues"]

import_on_demand(__name__)
