"""Figures of results: predictions, explanations, fronts of formulas and training histories.

`parity` and `confusion` compare predictions with observations; `share_dots` and `share_bars` draw explanations;
`formula_front` draws formulas, and `training_history` the course of a fit.
"""
