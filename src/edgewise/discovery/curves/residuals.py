"""The test of residuals for structure that a formula has left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product

import numpy as np

from edgewise.discovery.curves.features import scaled_columns, spline_columns
from edgewise.outcomes import spend
from edgewise.settings import ABOVE_ZERO, PRODUCT_SPEED


@dataclass(frozen=True)
class NoiseTestSettings:
    """The level of the test and the waves that it looks for."""

    # Level of the test for structure in residuals; knot intervals of its curves, for slow trends and for oscillations;
    # and columns, at most, as a share of the rows.
    noise_level: float = 0.01
    trend_intervals: int = 5
    wave_intervals: int = 40
    most_basis_share: float = 1 / 3


SETTINGS = NoiseTestSettings()


class NoiseTest:
    """A test of residuals for structure: linear models of curves of the inputs and products of two, against none.

    Shapes: x (N, inputs).

    [1] W. Conover, R. Iman, "Rank transformations as a bridge between parametric and nonparametric statistics", The
    American Statistician 35 (1981).
    """

    def __init__(self, x: np.ndarray):
        self.x = x

    @cached_property
    def bases(self) -> list[np.ndarray]:
        """Orthonormal columns that span the models, a constant among them; at most a third as many as rows."""
        # The first has curves of few intervals and products of two inputs, the second has curves of many intervals.
        scaled = scaled_columns(self.x)
        most = int(SETTINGS.most_basis_share * len(self.x))
        products = ((scaled[:, i] * scaled[:, j])[:, None] for i in range(scaled.shape[1]) for j in range(i))
        trends = (spline_columns(column, SETTINGS.trend_intervals) for column in scaled.T)
        bases = [_orthonormal(chain(trends, products), len(scaled), most)]
        fine = min(SETTINGS.wave_intervals, most // max(scaled.shape[1], 1) - 3)
        if fine > SETTINGS.trend_intervals:
            waves = (spline_columns(column, fine) for column in scaled.T)
            bases.append(_orthonormal(waves, len(scaled), most))
        return bases

    def passes(self, residuals: np.ndarray, weights: np.ndarray | None = None) -> bool:
        """True for residuals (N,) that look like noise, after division by the deviations that their weights state."""
        # Then no F test of a model is significant at `noise_level`, neither for the residuals nor for their ranks, in
        # which single large residuals hide nothing [1].
        from scipy.stats import f

        if weights is not None:
            residuals = residuals * np.sqrt(weights / weights.mean())
        ranks = np.argsort(np.argsort(residuals)).astype(np.float64)
        level = SETTINGS.noise_level / (2 * len(self.bases))  # Bonferroni's correction
        # F test of each linear model against a constant, for residuals and ranks.
        for basis, values in product(self.bases, (residuals, ranks)):
            terms = basis.shape[1] - 1
            left_over = len(self.x) - basis.shape[1]
            centred = values - values.mean()
            explained = float(np.sum((basis.T @ centred) ** 2))
            total = float(centred @ centred)
            if terms < 1 or not total:
                continue
            statistic = explained / terms / max((total - explained) / left_over, ABOVE_ZERO)
            if f.sf(statistic, terms, left_over) <= level:
                return False
        return True


def _orthonormal(blocks: Iterable[np.ndarray], rows: int, most: int) -> np.ndarray:
    """Orthonormal columns that span a constant and the first blocks, at most `most` columns."""
    chosen = [np.ones((rows, 1))]
    for block in blocks:
        if sum(each.shape[1] for each in chosen) >= most:
            break
        chosen.append(block)
    matrix = np.concatenate(chosen, 1)[:, :most]
    spend(25 * matrix.size * matrix.shape[1] / PRODUCT_SPEED)
    left, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
    return np.asarray(left[:, sizes > 1e-8 * sizes[0]])
