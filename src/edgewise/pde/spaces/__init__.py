"""Spline spaces of one and several inputs, networks that hold them, and collocation problems on their grids."""
