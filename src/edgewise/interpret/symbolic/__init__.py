"""From networks to formulas and back.

`symbolify` replaces the splines of a trained network by elementary functions and returns formulas; `formula` writes a
network whose edges are all elementary as one formula and `edge_formula` a single edge; `from_formula` builds the
network that computes a formula. `edit` makes the changes that a person wants: a function in the place of an edge, an
edge or node removed or added, each with its cost.
"""
