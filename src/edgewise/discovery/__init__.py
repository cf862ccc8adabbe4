"""Discovery: the search for a formula that explains data or a trained model.

`find_formula` is the function to use: it takes a table of inputs and a target, and returns a `Front` of formulas by
complexity and error. The parts of the search are public for other searches: curve models of links, sums, ratios and
products (`CurveModelFitter`, `product_models`), formulas of their curves (`candidate_formulas`), fast searches for
simple forms (`simple_products`, `stepwise_sums`), and the removal of what the data do not require: terms (`pruned`),
functions and digits (`decided`).
"""

from edgewise.discovery.curves.assembly import candidate_formulas, pruned, with_taylor_polynomials
from edgewise.discovery.curves.curve_models import CurveModel, CurveModelFitter, product_models
from edgewise.discovery.curves.features import Feature, candidate_features, relevant_inputs
from edgewise.discovery.curves.simple_forms import simple_products, stepwise_sums
from edgewise.discovery.evidence import decided
from edgewise.discovery.finder import find_formula
from edgewise.discovery.least_squares.links import Link, possible_links

__all__ = [
    "CurveModel",
    "CurveModelFitter",
    "Feature",
    "Link",
    "candidate_features",
    "candidate_formulas",
    "decided",
    "find_formula",
    "possible_links",
    "product_models",
    "pruned",
    "relevant_inputs",
    "simple_products",
    "stepwise_sums",
    "with_taylor_polynomials",
]
