"""Inference from an additive model: tests of its terms, and the noise of each row.

Wood, Generalized Additive Models (2nd ed.), section 6.12, on hypothesis tests and p-values.

`summaries` tests every term (`wald`) and measures the fit as R's mgcv does; `variance` learns the noise of each row
from held-out residuals.
"""
