"""Differential equations: domains, conditions, problems that `fit` can train on, and `solve`."""

from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.domains.shapes import Annulus, Disk, LShape, Polygon
from edgewise.pde.library import EQUATIONS, named_equation
from edgewise.pde.problem.conditions import Condition, Dirichlet, Initial, Neumann, Observations, Periodic, Robin
from edgewise.pde.problem.equation import PDE
from edgewise.pde.problem.fields import curl, divergence, gradient, hessian, integral, laplacian
from edgewise.pde.solver.solution import Errors, Solution
from edgewise.pde.solver.solving import solve

__all__ = [
    "EQUATIONS",
    "PDE",
    "Annulus",
    "Box",
    "Condition",
    "Dirichlet",
    "Disk",
    "Errors",
    "Initial",
    "Interval",
    "LShape",
    "Neumann",
    "Observations",
    "Periodic",
    "Polygon",
    "Robin",
    "Solution",
    "Time",
    "curl",
    "divergence",
    "gradient",
    "hessian",
    "integral",
    "laplacian",
    "named_equation",
    "solve",
]
