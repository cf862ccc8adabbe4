"""Linear systems of a structured grid: sparse factors, and preconditioners inside a Krylov method.

A `system` has the rows of all blocks, linearised, and `solver` chooses how it is solved: by `factors`, by eigenvectors
of each coordinate (`diagonal`), or by Fourier transforms where coupled fields are periodic (`waves`). `radau` parts a
time element into systems of space, `flows` serves elements of flows between walls, and `factors` Galerkin's method,
too.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.pde.algebra.diagonal import FastDiagonalisation
    from edgewise.pde.algebra.factors import Factors, cell_factors, solved_nearby
    from edgewise.pde.algebra.radau import DiagonalRadau, ShiftedSystems
    from edgewise.pde.algebra.solver import Krylov, solver_for
    from edgewise.pde.algebra.system import LinearSystem, Preconditioner
    from edgewise.pde.algebra.waves import WaveByWave

__all__ = [
    "DiagonalRadau",
    "Factors",
    "FastDiagonalisation",
    "Krylov",
    "LinearSystem",
    "Preconditioner",
    "ShiftedSystems",
    "WaveByWave",
    "cell_factors",
    "solved_nearby",
    "solver_for",
]

import_on_demand(__name__)
