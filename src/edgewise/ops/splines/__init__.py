"""B-splines on the real line: basis functions, knot vectors, exact integrals and best approximation.

`bspline.basis` gives all basis functions at some points, `active_basis` only the functions that can differ from zero.
`knots` makes and refines knot vectors, `lstsq` integrates products of splines and projects splines onto other knots.
"""
