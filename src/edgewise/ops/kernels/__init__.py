"""Kernels: the three contractions of `ops.contract`, once per kind of hardware.

`reference` is plain torch and defines the results; `cpu` calls the compiled library. To add a kernel, write a module
with `to_output`, `to_input` and `to_coef`, and let `ops.backend` choose it.
"""
