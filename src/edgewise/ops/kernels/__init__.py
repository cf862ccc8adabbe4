"""Kernels: the three contractions of `ops.contract`, once per kind of hardware.

`reference` is plain torch and defines the results; `cpu` calls the compiled library; `dense` is a matrix product for
any device; `triton` is written for CUDA. To add a kernel, write a module with `to_output`, `to_input`, `to_coef` and
`refuses`, and let `ops.backend` choose it.
"""
