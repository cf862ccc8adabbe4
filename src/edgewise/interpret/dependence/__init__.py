"""Interactions between the inputs of a function, and dependence between the columns of a table.

`structure` and `interactions` take any function or model; `relations` and `bound_together` take a table without a
target.
"""
