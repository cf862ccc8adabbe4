"""Solver: `solve` finds the solution of a `PDE`, refines it until two stages agree, and estimates its error.

`solving` plans and starts the work, on structured grids (`edgewise.pde.tiers`), in `passes` through time, or by
`refinement`, which trains ever finer networks (`network`, `training`); `history` records stages and work, and
`solution` is the result. `judging` estimates its error from evidence that it was not made from.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.pde.solver.solution import Errors, Extreme, Solution, Stage
    from edgewise.pde.solver.solving import SolveOptions, solve

__all__ = ["Errors", "Extreme", "Solution", "SolveOptions", "Stage", "solve"]

import_on_demand(__name__)
