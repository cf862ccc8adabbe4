"""Intervals for new targets from the residuals of held-out rows (conformal prediction), for models of any loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from edgewise.checks import Shape, Within
from edgewise.errors import InputError
from edgewise.presentation import counted, number_text
from edgewise.train.noise_curves import NoiseCurves

# Most levels of the scores that are kept: 1,000 levels are a tenth of a percentage point apart.
MOST_SCORES = 1000


@dataclass(frozen=True, eq=False)
class ResidualIntervals:
    """Intervals whose ends are quantiles of the signed residuals of held-out rows, for m targets."""

    # Split conformal prediction with normalised scores (J. Lei et al., J. Am. Stat. Assoc. 113 (2018) 1094), of
    # residuals with their sign, so that each end has half of the targets that miss the interval (H. Linusson,
    # U. Johansson and T. Löfström, PAKDD 2014). It asks nothing of the model but rows that it did not see; the
    # prediction may be a quantile, a count or a constant.

    # Root mean square of the residuals, (m,)
    noise: Annotated[Tensor, Shape("outputs"), Within(0)]
    # For the lower (0) and the upper end (1): a share `levels` of new targets lies less than `scores` standard
    # deviations of the noise below, or above, the prediction, (2, k, m) each, ascending
    levels: Annotated[Tensor, Shape(2, "k", "outputs"), Within(0)]
    scores: Annotated[Tensor, Shape(2, "k", "outputs"), Within()]
    rows: int  # that were held out
    curves: NoiseCurves | None = None  # standard deviation of the noise where it follows the rows

    def __repr__(self) -> str:
        return f"<ResidualIntervals: {self.message}>"

    @property
    def message(self) -> str:
        """Calibration as one sentence."""
        noise = "" if self.curves is None else ", scaled by the size of the noise at each row"
        return f"Intervals are quantiles of the residuals of {counted(self.rows, 'held-out row')}{noise}."

    @property
    def most(self) -> float:
        """The highest level for which the rows are enough."""
        return 2 * float(self.levels[:, -1].min()) - 1

    def deviation(self, x: Tensor, prediction: Tensor) -> Tensor:
        """Return the standard deviation of the noise, (N, m), at inputs x (N, in) with predictions (N, m)."""
        if self.curves is None:
            return self.noise.expand(len(x), -1)
        return self.curves.std(x, prediction)

    def quantiles(self, level: float) -> tuple[Tensor, Tensor]:
        """Return how many standard deviations below and above the prediction the interval ends, (m,) each."""
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
            raise InputError(f"level must be a number in (0, 1), got {level!r}")
        if level > self.most:
            most = number_text(self.most)
            raise InputError(f"level must be at most {most} for a model calibrated on {self.rows} rows, got {level}")
        # The smallest score that covers the share, for each end.
        share = (1 + level) / 2
        place = (self.levels < share - 1e-12).sum(1, keepdim=True).clamp(max=self.levels.shape[1] - 1)
        below, above = self.scores.gather(1, place)[:, 0]
        return below, above

    def ends(self, x: Tensor, prediction: Tensor, level: float) -> tuple[Tensor, Tensor]:
        """Return the ends of the intervals that hold a share `level` of new targets, (N, m) each."""
        below, above = self.quantiles(level)
        deviation = self.deviation(x, prediction)
        return prediction - below * deviation, prediction + above * deviation

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with intervals from a file."""
        ascending = self.scores.shape[1] > 0 and bool((self.scores.diff(dim=1) >= 0).all())
        return "" if ascending else "scores that do not ascend"


def residual_intervals(
    residuals: Tensor, weight: Tensor, deviation: Tensor | None = None, curves: NoiseCurves | None = None
) -> ResidualIntervals:
    """Intervals from held-out residuals (n, m) with numbers of repeats (n,).

    `deviation` (n, m) is the standard deviation of the noise at each row; None for noise of one size.
    """
    noise = (weight @ residuals.square() / weight.sum()).sqrt()
    if deviation is None:
        deviation = noise.expand_as(residuals)
    # Residuals without any deviation are those of a target without noise.
    scores = residuals / deviation.clamp(min=torch.finfo(torch.float64).tiny)
    sides = [score_quantiles(side * scores, weight) for side in (-1, 1)]
    levels = torch.stack([levels for levels, _ in sides])
    return ResidualIntervals(noise, levels, torch.stack([scores for _, scores in sides]), len(residuals), curves)


def score_quantiles(size: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Levels and scores of conformal intervals, (k, m) each, ascending.

    They are those of sizes (n, m) of standardised residuals with numbers of repeats (n,). With w the sum of these a
    share k / (w + 1) of new samples lies within the k-th smallest score. At most `MOST_SCORES` scores are kept, the
    larger of neighbours, so that intervals are rather too wide.
    """
    scores, order = size.sort(0)
    levels = weight[order].cumsum(0) / (weight.sum() + 1)
    if len(scores) > MOST_SCORES:
        kept = torch.linspace(0, len(scores) - 1, MOST_SCORES).long().to(scores.device)
        levels = levels[kept]
        scores = scores[kept]
    return levels, scores
