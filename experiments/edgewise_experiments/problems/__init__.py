"""Differential equations whose solutions are known, by formulas or by independent methods; the room `pde` uses them.

`named_equations` are those that solvers are compared on, `cases` those that `solve` was not developed on, and
`references` has values of solutions that have no formula.
"""
