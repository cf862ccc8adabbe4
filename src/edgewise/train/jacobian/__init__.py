"""Derivatives of a loss by all parameters at once: Jacobian rows, normal equations, and the linearised model.

`rows` computes the rows of the Jacobian of one block of a problem, `RowSource` sums them over all blocks and samples to
the normal equations of a Gauss-Newton method, and `linearise` gives the effective degrees of freedom and the
generalised cross-validation of a fitted network. Users of the library call `edgewise.fit`; optimisation methods and
error estimates start here.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.train.jacobian.normal_equations import RowSource

__all__ = ["RowSource"]

import_on_demand(__name__)
