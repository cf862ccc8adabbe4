"""Problems: what a model is trained for, as data with a loss or as blocks of residuals.

Build a `Regression`, a `Classification` or an `OrdinalClassification` from tensors or a DataLoader and hand it to
`edgewise.fit`; `CustomLoss` takes any function of predictions and targets as its loss. A `BlockProblem` is a
least-squares problem over several `ResidualBlock`s, each with its own points, as a differential equation has.
A problem holds its samples as `Data` and computes its loss; a
second-order method gets the loss as `second_order_blocks()`, parts with their derivatives to second order.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.train.problems.base import Problem
    from edgewise.train.problems.block_problem import BlockProblem
    from edgewise.train.problems.blocks import ResidualBlock
    from edgewise.train.problems.classification import Classification
    from edgewise.train.problems.custom import CustomLoss
    from edgewise.train.problems.data import Data
    from edgewise.train.problems.ordinal import OrdinalClassification
    from edgewise.train.problems.regression import Regression

__all__ = [
    "BlockProblem",
    "Classification",
    "CustomLoss",
    "Data",
    "OrdinalClassification",
    "Problem",
    "Regression",
    "ResidualBlock",
]

import_on_demand(__name__)
