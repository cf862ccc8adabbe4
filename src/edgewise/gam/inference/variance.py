"""The noise of each row: an additive model of the squared held-out residuals (`fit_noise_curves`).

M. Davidian and R. J. Carroll, "Variance function estimation", JASA 82 (1987), 1079-1091; G. K. Smyth, "Generalized
linear models with varying dispersion", JRSS B 51 (1989), 47-60: squared residuals as responses of a gamma model.
"""

from __future__ import annotations

import numpy as np
import torch

from edgewise.gam.families.exponential import Gamma
from edgewise.gam.fitting import fit_additive
from edgewise.gam.policy import AdditivePolicy, InferencePolicy
from edgewise.train.noise_curves import NoiseCurves

SETTINGS = InferencePolicy()


def fit_noise_curves(
    x: np.ndarray,
    prediction: np.ndarray,
    residuals: np.ndarray,
    weight: np.ndarray,
) -> NoiseCurves | None:
    """Estimate the standard deviation of the noise as a function of the inputs and of the prediction.

    Rows x are (N, in), predictions of models that did not see the row and the targets less these (N, m), weights (N,)
    count repeats. None where nothing is to be learned: few rows, no residuals, or the same noise everywhere.
    """
    # The squared residuals have a gamma likelihood with a logarithmic link: for normal noise they are its variance
    # times a chi-square variable with one degree of freedom, which is a gamma variable. Curves that REML removes have
    # no influence, so noise of one size stays of one size.
    mean = np.average(residuals**2, axis=0, weights=weight)
    if len(x) < SETTINGS.fewest_residuals or not (mean > 0).all():
        return None
    if len(x) > SETTINGS.most_residuals:
        pick = np.linspace(0, len(x) - 1, SETTINGS.most_residuals).astype(int)
        x = x[pick]
        prediction = prediction[pick]
        residuals = residuals[pick]
        weight = weight[pick]
    # A gamma model of the squares of each output, on the inputs that rank first and the prediction.
    squares = np.maximum(residuals**2, SETTINGS.smallest_square * mean)
    inputs = _ranked(x, np.log(squares / mean).mean(axis=1), weight)
    of_noise = AdditivePolicy(most_intervals=SETTINGS.intervals, first_wiggly=SETTINGS.first_wiggly)
    models = []
    for output in range(residuals.shape[1]):
        rows = np.column_stack([x[:, inputs], prediction[:, output]])
        model = fit_additive(rows, squares[:, output] / mean[output], weight, family=Gamma(), pairs=(), policy=of_noise)
        models.append((model, model.predict_link(rows)[:, 0]))
    if all(np.ptp(log) == 0 for _, log in models):
        return None
    # Its curves as B-splines of the log of the deviation.
    knots = []
    coef = []
    limits = []
    ends = []
    for (model, log), scale in zip(models, mean, strict=True):
        curves, constant = model.design.spline_coef(model.coef)
        half = curves[:, :, 0] / 2  # the deviation is the root of the variance
        half[-1] += (constant[0] + np.log(scale)) / 2  # B-splines sum to 1, so a constant is a constant coefficient
        knots.append(model.design.knots)
        coef.append(half)
        limits.append(model.limits)
        ends.append((np.array([log.min(), log.max()]) + np.log(scale)) / 2)
    tensors = (torch.from_numpy(np.ascontiguousarray(np.stack(part))) for part in (knots, coef, limits, ends))
    return NoiseCurves(torch.from_numpy(inputs), *tensors)


def cross_fitted_noise(
    x: np.ndarray,
    prediction: np.ndarray,
    residuals: np.ndarray,
    weight: np.ndarray,
    part: np.ndarray,
) -> np.ndarray:
    """Return the standard deviation of the noise of every row by curves that did not see its residual, (N, m).

    `part` (N,) is the number of the part of each row; the other arguments are those of `fit_noise_curves`.
    """
    # Curves that saw a residual follow it a little, so that its share of the deviation is too small to calibrate
    # intervals. So each part has the curves of the others, as in cross-fitting: V. Chernozhukov et al.,
    # "Double/debiased machine learning", Econometrics Journal 21 (2018) C1.
    deviation = np.empty_like(residuals)
    for number in np.unique(part):
        held = part == number
        rest = part != number
        curves = fit_noise_curves(x[rest], prediction[rest], residuals[rest], weight[rest])
        if curves is None:
            deviation[held] = np.sqrt(np.average(residuals[rest] ** 2, axis=0, weights=weight[rest]))
        else:
            deviation[held] = curves.std(torch.from_numpy(x[held]), torch.from_numpy(prediction[held])).numpy()
    return deviation


def _ranked(x: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Positions, ascending, of the inputs whose bins differ most in the mean of a target; all if they are few."""
    if x.shape[1] <= SETTINGS.most_inputs:
        return np.arange(x.shape[1])
    spread = np.zeros(x.shape[1])
    centred = target - np.average(target, weights=weight)
    for j, column in enumerate(x.T):
        cuts = np.unique(np.quantile(column, np.arange(1, SETTINGS.ranking_bins) / SETTINGS.ranking_bins))
        place = np.searchsorted(cuts, column)
        mass = np.bincount(place, weight, len(cuts) + 1)
        total = np.bincount(place, weight * centred, len(cuts) + 1)
        seen = mass > 0
        spread[j] = np.sum(total[seen] ** 2 / mass[seen]) / max(seen.sum() - 1, 1)
    return np.sort(np.argsort(-spread, kind="stable")[: SETTINGS.most_inputs])
