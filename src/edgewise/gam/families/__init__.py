"""Families of the additive core: what y is, given the linear predictor.

Wood, Generalized Additive Models (2nd ed.), section 3.1, on the theory of generalised linear models.

`base.Family` is their interface; the others are generalised linear models (`exponential`), losses for outliers
and quantiles (`robust`), classes (`categorical`) and censored times (`cox`). `fit_irls` fits each of them.
"""
