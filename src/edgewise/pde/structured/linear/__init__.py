"""Linear systems of a structured grid: sparse factors, and preconditioners inside a Krylov method.

A `system` has the rows of all blocks, linearised, and `solver` chooses how it is solved: `diagonal` by eigenvectors of
each coordinate, `waves` by Fourier transforms where coupled fields are periodic. `flows` serves slabs of flows between
walls, `projection` windows, `weak` equations with rough coefficients or starts, and `starts` initial values that jump.
"""

from edgewise.pde.structured.linear.diagonal import FastDiagonalisation
from edgewise.pde.structured.linear.projection import Projection
from edgewise.pde.structured.linear.solver import Krylov, solver_for
from edgewise.pde.structured.linear.starts import RoughStart
from edgewise.pde.structured.linear.system import LinearSystem, Preconditioner
from edgewise.pde.structured.linear.waves import WaveByWave
from edgewise.pde.structured.linear.weak import WeakForm, even_axes, has_rough_coefficient, has_weak_form

__all__ = [
    "FastDiagonalisation",
    "Krylov",
    "LinearSystem",
    "Preconditioner",
    "Projection",
    "RoughStart",
    "WaveByWave",
    "WeakForm",
    "even_axes",
    "has_rough_coefficient",
    "has_weak_form",
    "solver_for",
]
