"""Solver: `solve` finds the solution of a `PDE`, refines it until two stages agree, and estimates its error.

`solving` plans and starts the work; `refinement` trains ever finer networks (`network`, `training`), `time_windows`
passes through time for nonlinear evolution equations, `history` records stages and work, and `solution` is the result.
"""

from edgewise.pde.solver.solution import Errors, Solution, Stage
from edgewise.pde.solver.solving import SolveOptions, solve

__all__ = ["Errors", "Solution", "SolveOptions", "Stage", "solve"]
