"""The experiment on Anderson localisation: mobility edges of quasiperiodic chains, learned and read as formulas.

`anderson` is the experiment; `mobility_edges` turns a trained network into a formula for the edge. The chains
themselves, with their Hamiltonians and exact edges, are in `edgewise_experiments.data.anderson`.
"""
