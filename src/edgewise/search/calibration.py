"""What the rows that a model did not see say about its predictions: error bars, or intervals of any model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from edgewise.errors import InputError, memory_errors
from edgewise.gam.inference.variance import cross_fitted_noise, fit_noise_curves
from edgewise.gam.policy import InferencePolicy
from edgewise.nn.model import KAN
from edgewise.outcomes import Budget
from edgewise.search.candidates import Fitted, Samples
from edgewise.search.inference import parameter_factor
from edgewise.search.nested import Search
from edgewise.search.results import data_of, network_error_bars
from edgewise.search.validation import paired_gain, random_parts
from edgewise.settings import ABOVE_ZERO
from edgewise.train.blocks import Data
from edgewise.train.conformal import ResidualIntervals, residual_intervals
from edgewise.train.jacobian.linearised import evenly_spaced
from edgewise.train.noise_curves import NoiseCurves
from edgewise.train.uncertainty import FEWEST_ROWS, ErrorBars, additive_error_bars


@dataclass(frozen=True, eq=False)
class HeldOutRows:
    """Rows of a search with the predictions of models that did not see them.

    Predictions and residuals are on the scale of the linear predictor, or of the target where a loss that is not
    normal has a logarithmic link: the logarithm of a count of 0 is none.
    """

    samples: Samples
    predicted: np.ndarray  # (n, m)
    residuals: np.ndarray  # (n, m), the targets less these
    by_folds: bool  # whether they are those of cross-validation

    @classmethod
    def of(cls, samples: Samples, search: Search, fitted: Fitted) -> HeldOutRows | None:
        """Return the rows of a search that has ended; None for few rows, and for classes and survival times."""
        # Predictions of rows whose own value no model had seen.
        known = search.held_out()
        family = fitted.family
        if known is None or len(known[0]) < FEWEST_ROWS or samples.y.ndim == 1:
            return None
        rows, links, by_folds = known
        seen = samples.select(rows)
        # Residuals on the scale on which their spread is even: of logarithms for a log-normal target, else of values.
        y = seen.y
        predicted = links
        if family.log_link and family.is_normal:
            y = np.log(seen.y + seen.offset)
        elif family.log_link:
            y = seen.y + seen.offset
            predicted = family.predicted(links, fitted.range)
            if seen.exposure is not None:
                predicted = predicted * seen.exposure[:, None]
        return cls(seen, predicted, y - predicted, by_folds)

    def of_inputs(self, count: int) -> HeldOutRows:
        """Return the rows with the first `count` inputs alone."""
        return replace(self, samples=replace(self.samples, x=self.samples.x[:, :count]))

    @property
    def data(self) -> Data:
        """The inputs with the residuals as targets."""
        return data_of(self.samples, self.residuals)

    @cached_property
    def curves(self) -> NoiseCurves | None:
        """Standard deviation of the noise, where it follows the rows by the evidence of rows that it did not see."""
        samples = self.samples
        curves = fit_noise_curves(samples.x, self.predicted, self.residuals, samples.weight)
        if curves is None:
            return None
        # Minus the log likelihood of normal residuals, of one size, and of the size that others say, as for candidates.
        some = self._calibrating
        weight = some.samples.weight
        one_size = np.sqrt(np.average(some.residuals**2, axis=0, weights=weight))
        losses = [normal_losses(some.residuals, size) for size in (one_size, some._deviation)]
        gain, error = paired_gain(losses[0], losses[1], weight, some.samples.blocks)
        if gain <= error:
            return None
        return curves

    @cached_property
    def cross_fitted_deviation(self) -> Tensor | None:
        """Standard deviation of the noise of each row by curves that did not see it, (n, m); None for many rows."""
        # With more rows a curve of the noise follows no single residual.
        if self.curves is None or self._calibrating is not self:
            return None
        return torch.from_numpy(self._deviation)

    @cached_property
    def _calibrating(self) -> HeldOutRows:
        """All rows, or of many rows some at evenly spaced places."""
        most = InferencePolicy().most_cross_fitted
        count = len(self.samples)
        if count <= most:
            return self
        rows = np.linspace(0, count - 1, most).astype(int)
        return HeldOutRows(self.samples.select(rows), self.predicted[rows], self.residuals[rows], self.by_folds)

    @cached_property
    def _deviation(self) -> np.ndarray:
        """Standard deviation of the noise of each row by curves that did not see it, (n, m)."""
        # Each part has the noise of curves of the others: five parts, as the folds of a search, or two of many rows.
        samples = self.samples
        count = 5
        if len(samples) >= InferencePolicy().most_cross_fitted:
            count = 2
        parts = random_parts(len(samples), count, 0, samples.blocks)
        return cross_fitted_noise(samples.x, self.predicted, self.residuals, samples.weight, parts)

    def intervals(self) -> ResidualIntervals:
        """Return intervals of new targets, for models without error bars."""
        residuals = torch.from_numpy(self.residuals)
        weight = torch.from_numpy(self.samples.weight)
        deviation = self.cross_fitted_deviation
        if deviation is None and self.curves is not None:
            deviation = self.curves.std(torch.from_numpy(self.samples.x), torch.from_numpy(self.predicted))
        return residual_intervals(residuals, weight, deviation, self.curves)


def normal_losses(residuals: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Minus the log likelihood of normal residuals (n, m) of a standard deviation, up to a constant, (n,)."""
    return np.asarray((np.log(deviation) + (residuals / deviation) ** 2 / 2).sum(axis=1))


def error_bars(
    samples: Samples, budget: Budget, fitted: Fitted, model: KAN, held_out: HeldOutRows | None
) -> tuple[ErrorBars | None, str]:
    """Error bars of squared errors, calibrated on the residuals of models that did not see the row, and a sentence."""
    if not fitted.family.is_normal:
        return None, f"There are no error bars for the loss {fitted.family.spelling!r}."
    if fitted.network is not None:
        residuals = None
        if held_out is not None:
            residuals = held_out.data
        return network_error_bars(model, samples, fitted.network.shape.penalty(), residuals)
    if held_out is None or not fitted.candidate.additive:
        return None, "There are no error bars: the model is a constant, or too few rows were held out."
    try:
        with memory_errors():
            bars = _additive_bars(budget, fitted, model, held_out)
            return bars, bars.message
    except InputError as error:
        return None, f"There are no error bars: {error}."
    except MemoryError:
        return None, "There are no error bars: memory ran out."


def _additive_bars(budget: Budget, fitted: Fitted, model: KAN, held_out: HeldOutRows) -> ErrorBars:
    """Error bars of a sum of curves, or of a polynomial, that are calibrated on its held-out rows."""
    # Variance of the noise, and the covariance of the parameters.
    variances = [fit.dispersion for fit in fitted.model.fits]
    if fitted.smooth is not None:
        variances = [fitted.smooth.dispersion]
    noise = torch.tensor(variances, dtype=torch.float64).sqrt()
    curves = held_out.curves
    factor = parameter_factor(fitted, model)
    # Calibration on the held-out residuals: on few of them first where time is limited.
    data = held_out.data
    by_folds = held_out.by_folds
    began = budget.seconds
    first = 100  # rows: 95 % intervals need 20
    if budget.time_limit is not None and len(data) > first:
        part = evenly_spaced(data, first)
        bars = additive_error_bars(model, factor, noise, part, folds=by_folds, curves=curves)
        affordable = first * max(budget.seconds_left, 0.0) / max(budget.seconds - began, ABOVE_ZERO)
        if affordable < 2 * first:
            return bars
        data = evenly_spaced(data, int(min(affordable / 2, len(data))))
    deviation = None
    if budget.time_limit is None:
        deviation = held_out.cross_fitted_deviation
    return additive_error_bars(model, factor, noise, data, folds=by_folds, curves=curves, held_out_noise=deviation)
