"""The training loop: `fit` trains a model on a problem by a method and returns a `FitReport`.

`fitting` holds the loop and its rules for stopping, `validation` the checks of its arguments, `batches` the order of
the samples, `reports` the event that callbacks receive after each step and the report at the end.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import import_on_demand

if TYPE_CHECKING:
    from edgewise.train.loop.fitting import FitOptions, fit
    from edgewise.train.loop.reports import Callback, FitReport, StepEvent, StepRecord

__all__ = ["Callback", "FitOptions", "FitReport", "StepEvent", "StepRecord", "fit"]

import_on_demand(__name__)
