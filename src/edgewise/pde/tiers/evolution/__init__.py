"""Evolution: time integration on tensor grids by time elements, each of which is one polynomial of time.

`stepper` controls the length of time elements by their error and ends them at events, with any solver of one time
element: that of `collocation` here, or those of Galerkin's method. What a stepper or a solver is given: `initial` for
initial data that jump or contradict the walls, `jumps` for moments at which the equation jumps, `memory` for delays
and integrals up to now, first `guesses`, `grids` of space that follow the error, and a `hyperviscosity` for fronts that
no grid resolves.

Measured rows in time on boxes need it, more than half of all, as waves, a telegraph, a beam and Fisher's equation.
"""
