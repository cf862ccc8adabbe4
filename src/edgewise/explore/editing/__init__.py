"""Edits of a network: their fields, what they do to curves and edges, and what they cost; no web in them.

`edits` lists the kinds, `shapes` computes coefficients, `reshaping` gives edges other curves, `actions` makes any edit.
"""
