"""Problems, methods and penalties, and `fit`, which trains a network on a problem.

Call `fit(model, problem, method)` with a problem (`Regression`, `Classification`, `OrdinalClassification` or a
`BlockProblem` of your own) and optionally a method (`Adam`, `LBFGS`, `SSBroyden`, `LevenbergMarquardt`); it returns a
`FitReport`. `refine` gives a trained network finer grids without changing the function that it computes.
"""

from edgewise.train.grids import RefineReport, adapt_domain_, enclose, move_hidden_domains_, normal_form, refine
from edgewise.train.loop.fitting import fit
from edgewise.train.loop.reports import FitReport, StepEvent, StepRecord
from edgewise.train.methods.base import Adam
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.methods.quasi_newton import LBFGS, SSBroyden
from edgewise.train.penalties import Ridge, Roughness, Sparsity
from edgewise.train.problems import (
    BlockProblem,
    Classification,
    Data,
    OrdinalClassification,
    Regression,
    ResidualBlock,
)

__all__ = [
    "LBFGS",
    "Adam",
    "BlockProblem",
    "Classification",
    "Data",
    "FitReport",
    "LevenbergMarquardt",
    "OrdinalClassification",
    "RefineReport",
    "Regression",
    "ResidualBlock",
    "Ridge",
    "Roughness",
    "SSBroyden",
    "Sparsity",
    "StepEvent",
    "StepRecord",
    "adapt_domain_",
    "enclose",
    "fit",
    "move_hidden_domains_",
    "normal_form",
    "refine",
]
