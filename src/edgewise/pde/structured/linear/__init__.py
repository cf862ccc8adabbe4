"""Linear systems of a structured grid: sparse factors, and preconditioners inside a Krylov method.

A `system` has the rows of all blocks, linearised, and `solver` chooses how it is solved: `diagonal` by eigenvectors of
each coordinate, `waves` by Fourier transforms where coupled fields are periodic. `projection` and `cut_grid`
serve windows, `weak` equations with rough coefficients.
"""

from edgewise.pde.structured.linear.cut_grid import CutGrid
from edgewise.pde.structured.linear.diagonal import FastDiagonalisation
from edgewise.pde.structured.linear.projection import Projection
from edgewise.pde.structured.linear.solver import solver_for
from edgewise.pde.structured.linear.system import LinearSystem
from edgewise.pde.structured.linear.waves import WaveByWave
from edgewise.pde.structured.linear.weak import WeakForm, is_rough

__all__ = [
    "CutGrid",
    "FastDiagonalisation",
    "LinearSystem",
    "Projection",
    "WaveByWave",
    "WeakForm",
    "is_rough",
    "solver_for",
]
