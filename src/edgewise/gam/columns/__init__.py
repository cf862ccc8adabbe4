"""The columns of an additive model: knots and curves of each input, margins and products of pairs, and all of them.

`splines` chooses the knots of an input and the combinations of its B-splines whose penalties are ridges, `margins` the
few functions that pairs are products of, and `design` puts the columns of a model together. `constraints` are linear
inequalities of them.
"""
