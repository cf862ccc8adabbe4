"""Evolution: time integration on tensor grids, slab by slab; a slab is a time element, one polynomial of time.

`stepper` controls the length of slabs by their error and ends them at events, with any solver of one slab: that of
`collocation` here, or those of Galerkin's method. What a stepper or a solver is given: `starts` for initial values that
jump or contradict the walls, `jumps` for moments at which the equation jumps, `memory` for delays and integrals up to
now, first `guesses`, `grids` of space that follow the error, and a `hyperviscosity` for fronts that no
grid resolves.
"""
