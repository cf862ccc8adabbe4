"""Domains of differential equations: boxes, disks, polygons and their combinations, with points on them.

Users make a domain with `Box`, `Interval`, `Time`, `Parameter`, `Disk`, `Annulus`, `Polygon`, `LShape`, `Ball`,
`Cylinder`, `LevelSet` or `Triangulation` and combine domains by `|`, `&`, `-` and `*`. A new shape is a subclass of
`Domain` with `level`, `bounds`, `volume` and `pieces`, see `shapes`. `Mesh` places quadrature points in the cells of a
spline grid, and `mesh` decides where a grid needs more intervals.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.pde.domains.combined import Difference, Intersection, Union
    from edgewise.pde.domains.domain import TIME, Box, Domain, Interval, Parameter, Piece, Time
    from edgewise.pde.domains.implicit import LevelSet
    from edgewise.pde.domains.mesh import Mesh
    from edgewise.pde.domains.products import OverTime
    from edgewise.pde.domains.shapes import Annulus, Disk, LShape, Polygon
    from edgewise.pde.domains.solids import Ball, Cylinder
    from edgewise.pde.domains.triangulation import Triangulation

__all__ = [
    "TIME",
    "Annulus",
    "Ball",
    "Box",
    "Cylinder",
    "Difference",
    "Disk",
    "Domain",
    "Intersection",
    "Interval",
    "LShape",
    "LevelSet",
    "Mesh",
    "OverTime",
    "Parameter",
    "Piece",
    "Polygon",
    "Time",
    "Triangulation",
    "Union",
]

import_on_demand(__name__)
