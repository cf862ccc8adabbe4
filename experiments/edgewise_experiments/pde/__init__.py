"""The experiments on differential equations: `solve` against exact and independent solutions, and against other
networks.

`pde_table` is the experiment on every equation of the library, `poisson` the one on the Poisson problem of the KAN
paper; `networks` trains KANs and MLPs with hidden layers for both. `equations` has further equations, `estimates`
compares estimated errors with true ones, `reach` measures how far `solve` comes, and `unknown_fields` finds
coefficients that vary. Equations and their references stand in the room `problems`.
"""
