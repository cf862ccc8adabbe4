"""Penalised iteratively reweighted least squares: any loss on the columns of a design, with strengths by REML.

`iteration` runs it, `state` holds coefficients and strengths of one predictor, `several` those of several classes,
`working` sums the quadratic approximation, `needed` keeps the columns that curves need, and `policy` has all numbers.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.gam.reweighting.iteration import FamilySolver, irls, separate_fits
    from edgewise.gam.reweighting.policy import IrlsFit, IrlsPolicy
    from edgewise.gam.reweighting.state import null_deviance
    from edgewise.gam.reweighting.working import working_normal

__all__ = ["FamilySolver", "IrlsFit", "IrlsPolicy", "irls", "null_deviance", "separate_fits", "working_normal"]

import_on_demand(__name__)
