"""Packaged data, ready to fit: the knot table and the rule that it is compared with.

Call `load_knots` for arrays, or `knots_path` for the file; `SlopeRule` predicts signatures by the classical rule.
"""

from edgewise.datasets.knots import KNOT_FEATURES, KNOTS_ABOUT, Knots, knots_path, load_knots
from edgewise.datasets.slope_rule import SLOPE_COLUMNS, SlopeRule, natural_slope

__all__ = [
    "KNOTS_ABOUT",
    "KNOT_FEATURES",
    "SLOPE_COLUMNS",
    "Knots",
    "SlopeRule",
    "knots_path",
    "load_knots",
    "natural_slope",
]
