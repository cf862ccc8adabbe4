"""Families of the additive core: what y is, given the linear predictor.

Wood, Generalized Additive Models (2nd ed.), section 3.1, on the theory of generalised linear models.

`base.Family` is their interface; the others are generalised linear models (`exponential`), losses for outliers
and quantiles (`robust`), classes (`categorical`) and censored times (`cox`). `fit_irls` fits each of them.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.gam.families.base import Family
    from edgewise.gam.families.categorical import Multinomial
    from edgewise.gam.families.cox import Cox
    from edgewise.gam.families.exponential import (
        Bernoulli,
        Gamma,
        Gaussian,
        LogNormal,
        NegativeBinomial,
        Poisson,
        Tweedie,
    )
    from edgewise.gam.families.robust import Huber, Quantile

__all__ = [
    "Bernoulli",
    "Cox",
    "Family",
    "Gamma",
    "Gaussian",
    "Huber",
    "LogNormal",
    "Multinomial",
    "NegativeBinomial",
    "Poisson",
    "Quantile",
    "Tweedie",
]

import_on_demand(__name__)
