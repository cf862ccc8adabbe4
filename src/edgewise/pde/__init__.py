"""Differential equations: domains, conditions, and problems that `fit` can train on."""

from edgewise.pde.calculus import curl, divergence, gradient, hessian, laplacian
from edgewise.pde.conditions import Condition, Dirichlet, Initial, Neumann, Observations, Periodic, Robin
from edgewise.pde.domain import Box, Interval, Time
from edgewise.pde.equation import PDE
from edgewise.pde.shapes import Annulus, Disk, LShape, Polygon

__all__ = [
    "PDE",
    "Annulus",
    "Box",
    "Condition",
    "Dirichlet",
    "Disk",
    "Initial",
    "Interval",
    "LShape",
    "Neumann",
    "Observations",
    "Periodic",
    "Polygon",
    "Robin",
    "Time",
    "curl",
    "divergence",
    "gradient",
    "hessian",
    "laplacian",
]
