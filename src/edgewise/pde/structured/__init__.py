"""Structured grids: equations on boxes to the last digits, by collocation with tensor products of B-splines.

Where a `statement` fits (a box, pointwise equations, as many conditions as their orders), its residuals at points of a
grid determine the coefficients one for one. Every coordinate is an `axis` with B-splines of degree up to 11, and the
Jacobian is a sum of diagonal matrices times Kronecker products of banded tables, which `linear` solves. `nonlinear` has
Newton's method, `paths` names folds beyond which it has no solution, `stationary` has grids that follow the residual,
`evolution` passes through time. Domains that are no box have functions that are singular at corners, see `enriched`,
and Galerkin's method on `cut` cells. The result is an ordinary network, see `networks`.
"""
