"""Inference from an additive model: tests of its terms, and the noise of each row.

Wood, Generalized Additive Models (2nd ed.), section 6.12, on hypothesis tests and p-values.

`summaries` tests every term (`wald`) and measures the fit as R's mgcv does; `variance` learns the noise of each row
from held-out residuals.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.gam.inference.summaries import AdditiveSummary, TermTest, summarise

__all__ = ["AdditiveSummary", "TermTest", "summarise"]

import_on_demand(__name__)
