"""Domains of differential equations: boxes, disks, polygons and their combinations, with points on them.

Users make a domain with `Box`, `Interval`, `Time`, `Parameter`, `Disk`, `Annulus`, `Polygon`, `LShape`, `Ball`,
`Cylinder`, `LevelSet` or `Triangulation` and combine domains by `|`, `&`, `-` and `*`. A new shape is a subclass of
`Domain` with `level`, `bounds`, `volume` and `pieces`, see `shapes`. `Mesh` places quadrature points in the cells of a
spline grid, and `mesh` decides where a grid needs more intervals.
"""
