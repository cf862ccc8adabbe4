"""Experiments on formulas: exact recovery from samples (`formulas`), and the parts that it shares.

`symbolified` measures the cost of `symbolify` in a process of its own; `special_fronts` fits KANs of growing size to
four special functions and shows the error against the number of parameters.
"""
