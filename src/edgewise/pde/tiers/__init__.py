"""Tiers: methods for equations, each of which says which problems it fits and makes ever sharper solutions of them.

`collocation` has tensor grids of B-splines on boxes, `evolution` the same grids, one time element after the other;
`galerkin` has weak forms and cut cells for rough coefficients and other domains, `least_squares` even splines with
singular functions, `tensor_train` many coordinates, and `unknown_fields` fields that are sought from measurements.
"""
