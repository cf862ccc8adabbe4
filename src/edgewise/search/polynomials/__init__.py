"""Polynomials of several inputs inside a link function: y = g(sum of products of Legendre polynomials).

`basis` holds the products and their order, `links` the functions g. `exact` fits samples without noise by least
squares, `smooth` noisy ones by restricted likelihood, whose strengths follow the decay of the coefficients. `network`
writes either as a KAN with product nodes, exactly up to a stated error.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.search.polynomials.basis import Basis, lower_set
    from edgewise.search.polynomials.exact import ExactFit, fit_exact
    from edgewise.search.polynomials.links import LINK_FUNCTIONS
    from edgewise.search.polynomials.network import Polynomial
    from edgewise.search.polynomials.smooth import SmoothFit, fit_smooth

__all__ = ["LINK_FUNCTIONS", "Basis", "ExactFit", "Polynomial", "SmoothFit", "fit_exact", "fit_smooth", "lower_set"]

import_on_demand(__name__)
