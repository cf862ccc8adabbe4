"""Differential equations whose solutions are known, by formulas or by independent methods; the room `pde` uses them.

`cases` and `new_cases` state equations, `reference_solutions` solves those that have no formula, and `classical` solves
them by the methods of textbooks.
"""
