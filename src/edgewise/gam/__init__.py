"""Additive models with pairs, estimated from a normal matrix: the statistical core for tables.

y = b0 + sum_j f_j(x_j) + sum_(j,k) f_jk(x_j, x_k) on the scale of a link, each f_j a cubic B-spline and each f_jk a
tensor product of low rank, so that the model is a KAN (`AdditiveModel.to_kan`). The journey: `fitting` takes columns
whose penalties are ridges from `basis`, `building` and `design`, `normal` sums over the rows, `reml` finds the
strengths, `pairs` decides which pairs of inputs act together. Every choice stands in `policy`. Losses other than
squared errors are `families`, fitted by iteratively reweighted least squares in `irls` over `rows` in memory or, in
`all_rows`, over sums of tables larger than memory; `inference` tests the terms. It reads beside S. N. Wood,
Generalized Additive Models, 2nd ed., CRC Press, 2017, whose sections the modules name, and beside its papers: S. N.
Wood, J. R. Statist. Soc. B 73 (2011) 3, and S. N. Wood, N. Pya and B. Saefken, J. Am. Statist. Assoc. 111 (2016) 1548.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.gam.constraints import Constraints
    from edgewise.gam.fitting import fit_additive
    from edgewise.gam.inference.summaries import AdditiveSummary, summarise
    from edgewise.gam.model import AdditiveModel
    from edgewise.gam.policy import AdditivePolicy

__all__ = [
    "AdditiveModel",
    "AdditivePolicy",
    "AdditiveSummary",
    "Constraints",
    "fit_additive",
    "summarise",
]

import_on_demand(__name__)
