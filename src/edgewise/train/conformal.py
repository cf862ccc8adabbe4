"""Intervals for new targets from the residuals of held-out rows (conformal prediction), for models of any loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from edgewise.checks import Shape, Within, is_number
from edgewise.errors import InputError
from edgewise.presentation import counted, number_text
from edgewise.train.noise_curves import NoiseCurves

# Most levels of the scores that are kept: 1,000 levels are a tenth of a percentage point apart.
MOST_SCORES = 1000


@dataclass(frozen=True, eq=False)
class ScoreQuantiles:
    """Quantiles of the scores of held-out rows: residuals over the standard deviation that was expected of them."""

    # A share `levels` of new samples lies within the `scores`, (k, m) each for m targets, ascending. With w the sum of
    # the weights a share k / (w + 1) of new samples lies within the k-th smallest score.
    levels: Annotated[Tensor, Shape("k", "outputs"), Within(0)]
    scores: Annotated[Tensor, Shape("k", "outputs"), Within()]

    @classmethod
    def of(cls, scores: Tensor, weight: Tensor) -> ScoreQuantiles:
        """Return the quantiles of scores (n, m) with numbers of repeats (n,).

        At most `MOST_SCORES` of them are kept, the larger of neighbours, so that intervals are rather too wide.
        """
        scores, order = scores.sort(0)
        levels = weight[order].cumsum(0) / (weight.sum() + 1)
        if len(scores) > MOST_SCORES:
            kept = torch.linspace(0, len(scores) - 1, MOST_SCORES).long().to(scores.device)
            levels = levels[kept]
            scores = scores[kept]
        return cls(levels, scores)

    @property
    def most(self) -> float:
        """The highest share for which the rows are enough."""
        return float(self.levels[-1].min())

    def at(self, share: float) -> Tensor:
        """Return the smallest scores that cover a share of new samples, (m,)."""
        place = (self.levels < share - 1e-12).sum(0).clamp(max=len(self.levels) - 1)
        return self.scores.gather(0, place[None])[0]

    def fault(self, sizes: Mapping[str, int]) -> str:
        """Return what is wrong with scores from a file."""
        ascending = len(self.scores) > 0 and bool((self.scores.diff(dim=0) >= 0).all())
        return "" if ascending else "scores that do not ascend"


def check_level(level: float, most: float, rows: int) -> None:
    """Raise InputError unless a level is a number in (0, 1) for which these rows, good for `most`, are enough."""
    if not is_number(level) or not 0 < level < 1:
        raise InputError(f"level must be a number in (0, 1), got {level!r}")
    if level > most:
        raise InputError(
            f"level must be at most {number_text(most)} for a model calibrated on {rows} rows, got {level}"
        )


@dataclass(frozen=True, eq=False)
class ResidualIntervals:
    """Intervals whose ends are quantiles of the signed residuals of held-out rows, for m targets."""

    # Split conformal prediction with normalised scores (J. Lei et al., J. Am. Stat. Assoc. 113 (2018) 1094), of
    # residuals with their sign, so that each end has half of the targets that miss the interval (H. Linusson,
    # U. Johansson and T. Löfström, PAKDD 2014). It asks nothing of the model but rows that it did not see; the
    # prediction may be a quantile, a count or a constant.

    # Root mean square of the residuals, (m,)
    noise: Annotated[Tensor, Shape("outputs"), Within(0)]
    # By how many standard deviations of the noise new targets lie below, and above, the prediction
    below: ScoreQuantiles
    above: ScoreQuantiles
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
        return 2 * min(self.below.most, self.above.most) - 1

    def deviation(self, x: Tensor, prediction: Tensor) -> Tensor:
        """Return the standard deviation of the noise, (N, m), at inputs x (N, in) with predictions (N, m)."""
        if self.curves is None:
            return self.noise.expand(len(x), -1)
        return self.curves.std(x, prediction)

    def quantiles(self, level: float) -> tuple[Tensor, Tensor]:
        """Return how many standard deviations below and above the prediction the interval ends, (m,) each."""
        check_level(level, self.most, self.rows)
        share = (1 + level) / 2
        return self.below.at(share), self.above.at(share)

    def ends(self, x: Tensor, prediction: Tensor, level: float) -> tuple[Tensor, Tensor]:
        """Return the ends of the intervals that hold a share `level` of new targets, (N, m) each."""
        below, above = self.quantiles(level)
        deviation = self.deviation(x, prediction)
        return prediction - below * deviation, prediction + above * deviation


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
    below = ScoreQuantiles.of(-scores, weight)
    above = ScoreQuantiles.of(scores, weight)
    return ResidualIntervals(noise, below, above, len(residuals), curves)
