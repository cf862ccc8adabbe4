"""Tensor grids without time, or with time as a coordinate: Newton's method, several solutions, and paths.

Measured rows on boxes without time need it, a fifth of all, as Airy's equation, a clamped plate, a minimal surface and
patches (Poisson2d-MS); `deflation` the upper solution of Bratu's equation.
"""
