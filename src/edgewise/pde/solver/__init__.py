"""Solver: `solve` finds the solution of a `PDE`, refines it until two stages agree, and estimates its error.

`solving` starts the work; `cascade` lists the tiers, whose methods are in `edgewise.pde.tiers`, `time_integration` and
`refinement`, which makes ever finer graded grids and networks (`network`, `training`). `driver` goes from level to
level and from tier to tier, `record` measures levels, and `solution` is the result. `judging` estimates its error from
evidence that it was not made from.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.pde.solver.solution import Errors, Extreme, Solution, Stage
    from edgewise.pde.solver.solving import SolveOptions, solve

__all__ = ["Errors", "Extreme", "Solution", "SolveOptions", "Stage", "solve"]

import_on_demand(__name__)
