"""The commands for tables and the models that were fitted to them, one file a command.

The longest chain is `edgewise fit`: `fit` shows each step, `training` trains and compares the models, and `results`
writes the model, its metrics, predictions and report.
"""
