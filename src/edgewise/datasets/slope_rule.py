"""The classical rule for the knot table: half the natural slope, rounded to an even number, is near the signature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COLUMNS = ("longitudinal_translation", "meridinal_translation_real", "meridinal_translation_imag")


@dataclass(frozen=True)
class SlopeRule:
    """signature = the even number nearest to factor * slope + offset.

    slope = Re(longitude / meridian) = lambda * mu_re / (mu_re^2 + mu_im^2), from A. Davies, A. Juhasz, M. Lackenby,
    N. Tomasev, "The signature and cusp geometry of hyperbolic knots" (arXiv 2111.15323), who prove that half of it is
    near the signature. Two learned numbers: the least-squares line over the training rows.
    """

    factor: float
    offset: float

    @classmethod
    def fit(cls, translations: np.ndarray, signature: np.ndarray) -> SlopeRule:
        """translations (N, 3): the columns COLUMNS, in that order; signature (N,)."""
        slope = natural_slope(translations)
        line = np.stack([slope, np.ones_like(slope)], axis=1)
        (factor, offset), *_ = np.linalg.lstsq(line, np.asarray(signature, dtype=np.float64), rcond=None)
        return cls(float(factor), float(offset))

    def predict(self, translations: np.ndarray) -> np.ndarray:
        """translations (N, 3) -> signature (N,) int64, even."""
        half = (self.factor * natural_slope(translations) + self.offset) / 2
        return 2 * np.round(half).astype(np.int64)


def natural_slope(translations: np.ndarray) -> np.ndarray:
    """translations (N, 3): longitude, real and imaginary part of the meridian -> (N,)."""
    longitude, real, imaginary = np.asarray(translations, dtype=np.float64).T
    return longitude * real / (real**2 + imaginary**2)
