"""Galerkin's method with splines: weak forms on boxes, and cut cells on domains that are no box.

A `cut_grid` has the splines that reach into a domain, and points in its cells and on its boundary. `assembly` makes
matrices of linearised equations with their conditions, for eigenvalues, for the grids of `cut_stationary`, and for
`cut_evolution`, which integrates in time on such domains. `rough` recognises coefficients, starts and walls that no
grid resolves, which the `weak` form of one field or that of systems of `first_order` serve.

Measured rows need weak forms for waves in two layers and from a wall, cut cells in time for heat on a disk and around
holes (Heat2d-CG); eigenvalues need its matrices. Cut cells without time have a smaller error than networks around four
balls; networks alone solve a shell, a cube beside a hole and layers as well.
"""
