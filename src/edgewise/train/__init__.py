"""Problems, methods and penalties, and `fit`, which trains a network on a problem.

Call `fit(model, problem, method)` with a problem (`Regression`, `Classification`, `OrdinalClassification` or a
`BlockProblem` of your own) and optionally a method (`Adam`, `LBFGS`, `SSBroyden`, `LevenbergMarquardt`); it returns a
`FitReport`. `refine` gives a trained network finer grids without changing the function that it computes. `cost` counts
the work of a step, for budgets.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.train.cost import StepCost, active_parameters
    from edgewise.train.grids import (
        MoveReport,
        adapt_domain_,
        data_domain,
        enclose,
        move_hidden_domains_,
        normal_form,
        refine,
    )
    from edgewise.train.loop import FitOptions, FitReport, StepEvent, StepRecord, fit
    from edgewise.train.methods import LBFGS, Adam, LevenbergMarquardt, Method, SSBroyden, default_method
    from edgewise.train.penalties import Bending, Penalty, Ridge, Roughness, Sparsity
    from edgewise.train.problems import (
        BlockProblem,
        BlockRole,
        Classification,
        CustomLoss,
        Data,
        OrdinalClassification,
        Problem,
        Regression,
        ResidualBlock,
        SobolevRegression,
    )
    from edgewise.train.remembering import Remembered, remember
    from edgewise.train.uncertainty import ErrorBars, prediction_uncertainty

__all__ = [
    "LBFGS",
    "Adam",
    "Bending",
    "BlockProblem",
    "BlockRole",
    "Classification",
    "CustomLoss",
    "Data",
    "ErrorBars",
    "FitOptions",
    "FitReport",
    "LevenbergMarquardt",
    "Method",
    "MoveReport",
    "OrdinalClassification",
    "Penalty",
    "Problem",
    "Regression",
    "Remembered",
    "ResidualBlock",
    "Ridge",
    "Roughness",
    "SSBroyden",
    "SobolevRegression",
    "Sparsity",
    "StepCost",
    "StepEvent",
    "StepRecord",
    "active_parameters",
    "adapt_domain_",
    "data_domain",
    "default_method",
    "enclose",
    "fit",
    "move_hidden_domains_",
    "normal_form",
    "prediction_uncertainty",
    "refine",
    "remember",
]

import_on_demand(__name__)
