"""Error bars of a fitted estimator, or the sentence why it has none."""

import math

from edgewise.errors import InputError
from edgewise.model_selection.automatic import AutoResult
from edgewise.train.problems.data import Data
from edgewise.train.uncertainty import ErrorBars, error_bars, why_not


def fitted_bars(data: Data, result: AutoResult, samples: float) -> tuple[ErrorBars | None, str]:
    """Error bars of result.model and a sentence on them; None and the reason where it can't have any.

    data: what it was trained on. samples: the sum of the weights as repeats.
    """
    refused = why_not(result.model, data)
    if refused is None and not math.isfinite(result.report.loss):
        refused = "There are no error bars: the training ended without a finite loss."
    if refused is not None:
        return None, refused
    try:
        bars = error_bars(result.model, data, result.penalty, samples=samples, held_out=result.held_out)
    except InputError as error:
        return None, f"There are no error bars: {error}."
    how = "held out in cross-validation" if bars.folds else "each left out of the linearised model"
    stretch = ", ".join(f"{value:.3g}" for value in bars.stretch.tolist()[:5])
    return bars, f"Error bars are calibrated on {bars.rows:,} rows, {how} (standard deviations times {stretch})."
