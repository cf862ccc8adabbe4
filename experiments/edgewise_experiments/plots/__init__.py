"""Figures that only the experiments draw, in the style of `edgewise.plot`: one module for each kind of figure.

Import a figure from its module, for example `from edgewise_experiments.plots.errors import error_dots`.
"""
