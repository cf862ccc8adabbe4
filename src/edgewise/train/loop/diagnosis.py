"""Diagnosis of a finished fit from its residuals: whether the network has learned all that the inputs determine."""

from __future__ import annotations

import torch
from torch import nn

from edgewise.nn.model import KAN
from edgewise.nn.prediction import evaluation_mode
from edgewise.presentation import number_text, percent_text
from edgewise.train.problems import Regression


def neighbour_correlation(x: torch.Tensor, residuals: torch.Tensor) -> float:
    """Correlation of residuals (N, out) with those of the nearest neighbours of their rows; 0 where all are zero.

    It is near 0 for independent noise and near 1 for a smooth function of the inputs that was not learned; Moran's I
    with the weight 1 for the nearest neighbour (P. Moran, Biometrika 37 (1950) 17). Inputs x (N, in) are scaled by the
    standard deviation of each column.
    """
    spread = x.std(0, correction=0)
    scaled = x / torch.where(spread > 0, spread, torch.ones_like(spread))
    distances = torch.cdist(scaled, scaled)
    distances.fill_diagonal_(torch.inf)
    centred = residuals - residuals.mean(0)
    square = float(centred.square().sum())
    if square > 0:
        return float((centred * centred[distances.argmin(1)]).sum()) / square
    return 0.0


@torch.no_grad()
def advice_if_stuck(model: nn.Module, problem: object, loss: float) -> str:
    """Return a sentence if much of the loss of a KAN is still a smooth function of the inputs, else ""."""
    if not isinstance(problem, Regression) or not isinstance(model, KAN) or problem.train_tensors is None:
        return ""
    if not all(model.config.grid_size):  # a formula has no shape to change
        return ""
    data = problem.train_tensors
    variance = float(data.y.var(0, correction=0).mean())
    # A network that explains 99 % of the variance is no failure, and neither is one whose errors are rounding; of less
    # than 50 rows neighbours are far apart.
    rounding = (100 * torch.finfo(data.y.dtype).eps) ** 2 * float(data.y.square().mean())
    if len(data) < 50 or not loss > max(0.01 * variance, rounding):
        return ""
    # An even choice of 500 rows, since their distances take milliseconds.
    held = len(data.x)  # of a loader or of several processes, some of the samples
    part = data.select(torch.arange(0, held, -(-held // 500), device=data.x.device))
    with evaluation_mode(model):
        residuals = part.y - model(part.x)
    correlation = neighbour_correlation(part.x, residuals)
    if correlation < 0.5:  # less than half of the loss is a function of the inputs
        return ""
    words = (
        f" It explains {percent_text(max(0.0, 1 - loss / variance))} of the variance, and residuals "
        f"of neighbouring rows"
    )
    words += f" agree (correlation {number_text(correlation, 3)}), so it is stuck or too small:"
    return words + " try another seed, more nodes or intervals, or approximate(problem), which chooses them."
