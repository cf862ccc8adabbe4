"""Eigenvalues: those of a linear homogeneous problem, stated as a `PDE` whose unknown coefficient is the eigenvalue.

`search` goes from grid to grid (`grids`) and finds the pairs nearest to a value in a Krylov space; `matrices` makes
what it needs by Galerkin's method.
"""

from edgewise.pde.spectrum.search import Eigenvalues, eigenvalues

__all__ = ["Eigenvalues", "eigenvalues"]
