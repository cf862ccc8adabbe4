"""Linear systems of a structured grid: sparse factors, and preconditioners inside a Krylov method.

A `system` has the rows of all blocks, linearised, and `solver` chooses how it is solved: `diagonal` by eigenvectors of
each coordinate, `waves` by Fourier transforms where coupled fields are periodic. `radau` parts a slab of time into
systems of space, `flows` serves slabs of flows between walls, and `projection` slabs on cut cells.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.pde.algebra.diagonal import FastDiagonalisation
    from edgewise.pde.algebra.projection import CellSums, Projection, solved_nearby
    from edgewise.pde.algebra.radau import DiagonalRadau
    from edgewise.pde.algebra.solver import Krylov, solver_for
    from edgewise.pde.algebra.system import LinearSystem, Preconditioner
    from edgewise.pde.algebra.waves import WaveByWave

__all__ = [
    "CellSums",
    "DiagonalRadau",
    "FastDiagonalisation",
    "Krylov",
    "LinearSystem",
    "Preconditioner",
    "Projection",
    "WaveByWave",
    "solved_nearby",
    "solver_for",
]

import_on_demand(__name__)
