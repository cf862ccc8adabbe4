"""Optimisation methods that `fit` can use.

A method (`Adam`, `LBFGS`, `SSBroyden`, `LevenbergMarquardt`) is a frozen dataclass of settings. Its `start` gives a
`Run`, which makes one step at a time and whose state can be saved. `default_method` chooses the method of a fit for
which none was given. A new method derives from `Method`, see `base`.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.train.methods.base import Adam, Method, Run, StepResult
    from edgewise.train.methods.choice import default_method
    from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
    from edgewise.train.methods.quasi_newton import LBFGS, SSBroyden

__all__ = [
    "LBFGS",
    "Adam",
    "LevenbergMarquardt",
    "Method",
    "Run",
    "SSBroyden",
    "StepResult",
    "default_method",
]

import_on_demand(__name__)
