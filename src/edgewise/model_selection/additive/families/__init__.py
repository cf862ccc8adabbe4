"""Families of the additive core: what y is, given the linear predictor.

`base.Family` is their interface; the others are generalised linear models (`exponential`), losses for outliers
and quantiles (`robust`), classes (`categorical`) and censored times (`cox`). `irls` fits each of them.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.model_selection.additive.families.base import Family
    from edgewise.model_selection.additive.families.categorical import Multinomial
    from edgewise.model_selection.additive.families.cox import Cox
    from edgewise.model_selection.additive.families.exponential import (
        Bernoulli,
        Gamma,
        Gaussian,
        LogNormal,
        NegativeBinomial,
        Poisson,
        Tweedie,
    )
    from edgewise.model_selection.additive.families.robust import Huber, Quantile

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
