"""Problems, methods and penalties, and `fit`, which trains a network on a problem.

Call `fit(model, problem, method)` with a problem (`Regression`, `Classification`, `OrdinalClassification` or a
`BlockProblem` of your own) and optionally a method (`Adam`, `LBFGS`, `SSBroyden`, `LevenbergMarquardt`); it returns a
`FitReport`. `refine` gives a trained network finer grids without changing the function that it computes. `cost` counts
the work of a step, for budgets.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.train.blocks import Data, ResidualBlock
    from edgewise.train.grids import adapt_domain_, data_domain, move_hidden_domains_, refine
    from edgewise.train.loop import FitOptions, FitReport, StepEvent, StepRecord, fit
    from edgewise.train.methods import LBFGS, Adam, LevenbergMarquardt, Method, SSBroyden, default_method
    from edgewise.train.penalties import Bending, Penalty, Ridge, Roughness, Sparsity
    from edgewise.train.problems import (
        BlockProblem,
        Classification,
        CustomLoss,
        OrdinalClassification,
        Problem,
        Regression,
    )
    from edgewise.train.uncertainty import ErrorBars, prediction_uncertainty

__all__ = [
    "LBFGS",
    "Adam",
    "Bending",
    "BlockProblem",
    "Classification",
    "CustomLoss",
    "Data",
    "ErrorBars",
    "FitOptions",
    "FitReport",
    "LevenbergMarquardt",
    "Method",
    "OrdinalClassification",
    "Penalty",
    "Problem",
    "Regression",
    "ResidualBlock",
    "Ridge",
    "Roughness",
    "SSBroyden",
    "Sparsity",
    "StepEvent",
    "StepRecord",
    "adapt_domain_",
    "data_domain",
    "default_method",
    "fit",
    "move_hidden_domains_",
    "prediction_uncertainty",
    "refine",
]

import_on_demand(__name__)
