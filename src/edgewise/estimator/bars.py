"""Error bars of a fitted estimator, or the reason why it has none."""

from __future__ import annotations

from edgewise.errors import InputError
from edgewise.model_selection.automatic import AutoResult
from edgewise.train.problems.data import Data
from edgewise.train.uncertainty import ErrorBars, prediction_uncertainty


def fitted_bars(data: Data, result: AutoResult, samples: float) -> tuple[ErrorBars | None, str]:
    """Error bars of result.model and a sentence on their calibration; or None and the reason why there are none.

    Parameters
    ----------
    data : Data
        Samples that the model was trained on.
    result : AutoResult
        Model with the penalty of its fit, and residuals of held-out samples if there are any.
    samples : float
        Sum of the weights of the samples, as repeats.
    """
    try:
        bars = prediction_uncertainty(result.model, data, result.penalty, samples=samples, held_out=result.held_out)
    except InputError as error:
        return None, f"There are no error bars: {error}."
    return bars, bars.message
