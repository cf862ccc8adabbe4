"""Kernels: the three contractions of the form, once per kind of hardware. `reference` is the truth."""
