"""Laws that need no search: sums, ratios and products of powers by linear least squares, under links of the target."""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.discovery.least_squares.laws import least_squares_laws
    from edgewise.discovery.least_squares.links import Link, possible_links

__all__ = ["Link", "least_squares_laws", "possible_links"]

import_on_demand(__name__)
