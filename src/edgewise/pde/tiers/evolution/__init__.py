"""Evolution: time integration on tensor grids, in time elements of one polynomial of time each.

`slabs` controls their length and the grid of space by the error, with `starts` for initial values that jump or
contradict the walls. `memory` has delays and integrals up to now, and `smoothed` a hyperviscosity for fronts that no
grid resolves.
"""
