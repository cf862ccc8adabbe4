"""The knot experiments: the signature of a knot predicted from its geometry, and relations between its invariants.

`knots` is the experiment that compares KANs, MLPs, formulas and rules by accuracy and size, `knot_relations` the one
that searches formulas and relations in the packaged sample. `table` reads and splits the tables, `networks`,
`baselines` and `signature_rules` hold the models, and `reporting` turns stored rows into result tables and figures.
"""
