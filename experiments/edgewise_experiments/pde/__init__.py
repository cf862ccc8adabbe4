"""The experiments on differential equations: `solve` against exact and independent solutions, and against other
networks.

`pde_table` is the experiment on every equation of the library, `poisson` the one on the Poisson problem of the KAN
paper. `networks` trains KANs and MLPs with hidden layers for both, and `reference_solutions` has independent solvers.
"""
