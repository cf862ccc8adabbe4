"""Differential equations: domains, conditions, problems that `fit` can train on, and `solve`."""

from edgewise.pde.calculus import curl, divergence, gradient, hessian, laplacian
from edgewise.pde.conditions import Condition, Dirichlet, Initial, Neumann, Observations, Periodic, Robin
from edgewise.pde.domain import Box, Interval, Time
from edgewise.pde.equation import PDE
from edgewise.pde.integrals import integral
from edgewise.pde.library import EQUATIONS, named_equation
from edgewise.pde.shapes import Annulus, Disk, LShape, Polygon
from edgewise.pde.solution import Errors, Solution
from edgewise.pde.solve import solve

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
