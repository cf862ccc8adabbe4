"""Tensor grids without time, or with time as a coordinate: Newton's method, several solutions, and paths."""
