"""Domains of differential equations: boxes, disks, polygons and their combinations, with points on them.

Users make a domain with `Box`, `Interval`, `Time`, `Parameter`, `Disk`, `Annulus`, `Polygon` or `LShape` and combine
domains by `|`, `-` and `*`. A new shape is a subclass of `Domain` with `level`, `bounds`, `volume` and `pieces`, see
`shapes`. `Mesh` places quadrature points in the cells of a spline grid, and `mesh` decides where a grid needs more
intervals.
"""

from edgewise.pde.domains.domain import (
    TIME,
    Box,
    Difference,
    Domain,
    Interval,
    Parameter,
    Piece,
    Time,
    Union,
)
from edgewise.pde.domains.mesh import Mesh
from edgewise.pde.domains.products import OverTime
from edgewise.pde.domains.shapes import Annulus, Disk, LShape, Polygon

__all__ = [
    "TIME",
    "Annulus",
    "Box",
    "Difference",
    "Disk",
    "Domain",
    "Interval",
    "LShape",
    "Mesh",
    "OverTime",
    "Parameter",
    "Piece",
    "Polygon",
    "Time",
    "Union",
]
