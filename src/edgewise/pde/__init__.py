"""Differential equations: domains, conditions, problems that `fit` can train on, and `solve`."""
