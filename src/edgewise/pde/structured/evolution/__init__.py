"""Evolution: passes through time on structured grids, in slabs of one polynomial of time each.

`slabs` controls their length and the grid of space by the error, with `starts` for initial values that jump or
contradict the walls. `delays` ends slabs where a history sends its jumps, `windows` serves domains that are no box,
`weak` has Galerkin's method for coefficients and starts that no grid resolves, and `smoothed` a hyperviscosity for
fronts that none resolves.
"""
