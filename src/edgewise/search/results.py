"""The result of `auto_fit`, and the pieces that all its ways share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.search.candidates import Fitted, Samples
from edgewise.search.records import SearchReport
from edgewise.train.blocks import Data
from edgewise.train.conformal import ResidualIntervals
from edgewise.train.loop.reports import FitReport
from edgewise.train.problems import Regression
from edgewise.train.uncertainty import ErrorBars, prediction_uncertainty

if TYPE_CHECKING:
    from edgewise.search.calibration import HeldOutRows


@dataclass(frozen=True, eq=False)
class AutoResult:
    """Result of `auto_fit`."""

    model: KAN  # from inputs within `limits` to the linear predictor: the target, its logarithm, or logits
    report: FitReport  # report of the final fit
    search: SearchReport  # the candidates that were tried and the reasons for the choice
    # interval to which each input is clipped before the model sees it; None for a network of a given shape
    limits: np.ndarray | None = None
    # interval to which the output is clipped where predictions are its exponential; None where they are the output
    exponent: tuple[float, float] | None = None
    error_bars: ErrorBars | None = None  # uncertainty of the output
    message: str = ""  # Sentences on the calibration of error bars or intervals, with the reason where there are none
    intervals: ResidualIntervals | None = None  # of new targets, where there are no error bars
    fitted: Fitted | None = None  # the additive model, if the network is one
    fitted_rows: Samples | None = None  # its rows; of a sample each counts for as many as it stands for
    # interval to which each output is clipped, see `SearchPolicy.beyond`; None for classes and for exponentials, which
    # have `exponent`
    output_limits: np.ndarray | None = None
    has_noise: bool = True  # whether the samples have noise, as far as the search knows
    held_out_losses: np.ndarray | None = None  # (N,) of the samples, by models that did not see them; None if unknown
    held_out: HeldOutRows | None = None  # the rows of these losses; None if unknown


def loss_of(report: SearchReport) -> float:
    """Return the held-out loss of the chosen candidate."""
    return next((trial.loss for trial in report.trials if trial.name == report.chosen), math.nan)


def data_of(samples: Samples, y: np.ndarray) -> Data:
    """Return samples with other targets, as tensors."""
    x = np.ascontiguousarray(samples.x)
    weight = np.ascontiguousarray(samples.weight)
    return Data(torch.from_numpy(x), torch.from_numpy(np.ascontiguousarray(y)), torch.from_numpy(weight))


def network_error_bars(
    model: KAN, samples: Samples, penalty: object, held_out: Data | None
) -> tuple[ErrorBars | None, str]:
    """Return error bars of a network that was trained by least squares, and a sentence."""
    x, y, weight = samples.tensors()
    data = Regression(x, y, weight=weight).train
    try:
        bars = prediction_uncertainty(model, data, penalty, samples=samples.total, held_out=held_out)  # type: ignore[arg-type]
        return bars, bars.message
    except InputError as error:  # too many parameters or too few rows, a loss or derivatives that are not finite
        return None, f"There are no error bars: {error}."
