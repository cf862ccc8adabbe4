"""Inference from an additive model: tests of its terms, and the noise of each row.

`summaries` tests every term (`wald`) and measures the fit as R's mgcv does; `variance` learns the noise of each row
from held-out residuals.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.gam.inference.summaries import AdditiveSummary, TermTest, summarise
    from edgewise.gam.inference.variance import cross_fitted_noise, fit_noise_curves
    from edgewise.gam.inference.wald import smooth_test

__all__ = ["AdditiveSummary", "TermTest", "cross_fitted_noise", "fit_noise_curves", "smooth_test", "summarise"]

import_on_demand(__name__)
