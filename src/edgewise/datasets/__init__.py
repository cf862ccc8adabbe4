"""Packaged data, ready to fit: the knot table.

Call `load_knots` for arrays, or `knots_path` for the file.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.datasets.knots import KNOT_FEATURES, KNOTS_ABOUT, Knots, knots_path, load_knots

__all__ = [
    "KNOTS_ABOUT",
    "KNOT_FEATURES",
    "Knots",
    "knots_path",
    "load_knots",
]

import_on_demand(__name__)
