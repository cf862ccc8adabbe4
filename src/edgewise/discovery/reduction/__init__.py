"""Second stage of the formula search: a law of many inputs becomes smaller problems.

`chain` has the door, `reductions`. It fits a Gaussian process to the rows (`smooth_models`), proposes symmetries of its
gradients (`symmetries`) and pairs of inputs that act through a sum of two curves (`curve_sums`), and keeps those with
which a model of fewer inputs predicts left-out rows as well (`steps`). What is left may be a sum or a product of
functions of separate inputs, or have an inner function (`separations`). Units reduce a law first (`dimensions`).
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.discovery.reduction.chain import reductions

__all__ = ["reductions"]

import_on_demand(__name__)
