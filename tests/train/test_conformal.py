"""Intervals from residuals: their ends are order statistics, and weights are repeats."""

import numpy as np
import pytest
import torch

from edgewise.train import conformal
from edgewise.train.conformal import ScoreQuantiles, residual_intervals

RESIDUALS = torch.from_numpy(np.random.default_rng(0).exponential(size=(99, 1)) - 0.5)
ONES = torch.ones(99, dtype=torch.float64)


def test_the_ends_are_order_statistics_of_the_signed_residuals():
    zero = torch.zeros(1, 1, dtype=torch.float64)
    ordered = sorted(RESIDUALS[:, 0].tolist())
    intervals = residual_intervals(RESIDUALS, ONES)
    for level in (0.5, 0.8, 0.9, 0.98):
        low, high = intervals.ends(zero, zero, level)
        # Of 99 residuals the k-th smallest has k of 100 new ones below it, on average.
        place = round(100 * (1 - level) / 2)
        assert float(low) == pytest.approx(ordered[place - 1], abs=1e-12)
        assert float(high) == pytest.approx(ordered[99 - place], abs=1e-12)
    assert intervals.most == pytest.approx(0.98)


def test_weights_are_repeats():
    count = torch.arange(99) % 3 + 1
    weighted = residual_intervals(RESIDUALS, count.double())
    repeated = residual_intervals(
        RESIDUALS.repeat_interleave(count, 0), torch.ones(int(count.sum()), dtype=torch.float64)
    )
    for level in (0.5, 0.9, 0.95):
        for one, other in zip(weighted.quantiles(level), repeated.quantiles(level), strict=True):
            assert float(one) == pytest.approx(float(other), rel=1e-12)


def test_many_scores_are_thinned_to_the_larger_ones(monkeypatch):
    size = RESIDUALS.abs()
    whole = ScoreQuantiles.of(size, ONES).scores
    monkeypatch.setattr(conformal, "MOST_SCORES", 40)
    kept = ScoreQuantiles.of(size, ONES)
    assert len(kept.levels) == 40
    for level, score in zip(kept.levels[:, 0].tolist(), kept.scores[:, 0].tolist(), strict=True):
        assert score == float(whole[round(level * 100) - 1])
    assert kept.at(kept.most) == size.max()
