"""Laws by their curves: models of splines under links are fitted, and their curves recognised as elementary functions.

`stage` has the two doors. Data with noise need this stage: splines smooth it, where exact methods see no law.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.discovery.curves.assembly import candidate_formulas, pruned
    from edgewise.discovery.curves.curve_models import CurveModel, CurveModelFitter
    from edgewise.discovery.curves.features import Feature, candidate_features, relevant_inputs
    from edgewise.discovery.curves.simple_forms import simple_products, stepwise_sums

__all__ = [
    "CurveModel",
    "CurveModelFitter",
    "Feature",
    "candidate_features",
    "candidate_formulas",
    "pruned",
    "relevant_inputs",
    "simple_products",
    "stepwise_sums",
]

import_on_demand(__name__)
