"""Evolution: passes through time on structured grids, in slabs of one polynomial of time each.

`slabs` controls their length and the grid of space by the error, with `starts` for initial values that jump or
contradict the walls. `memory` has delays and integrals up to now, `windows` serves domains that are no box,
`rough` has Galerkin's method for coefficients, starts and walls that no grid resolves, in the `weak` form of one field
or that of systems of `first_order`, and `smoothed` a hyperviscosity for fronts that none resolves.
"""
