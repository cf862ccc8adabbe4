"""The classical rule for the knot table: half the natural slope, rounded to an even number, is near the signature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Columns of the knot table from which the slope is computed.
SLOPE_COLUMNS = ("longitudinal_translation", "meridinal_translation_real", "meridinal_translation_imag")


@dataclass(frozen=True)
class SlopeRule:
    """Rule that predicts the signature of a knot as the even number nearest to factor * slope + offset.

    The two numbers are those of the least-squares line over the training rows. See `natural_slope`.

    References
    ----------
    A. Davies, A. Juhasz, M. Lackenby, N. Tomasev, "The signature and cusp geometry of hyperbolic knots"
    (arXiv 2111.15323), who prove that half of the slope is near the signature.
    """

    factor: float
    offset: float

    @classmethod
    def fit(cls, translations: np.ndarray, signature: np.ndarray) -> SlopeRule:
        """Return the rule for training rows."""
        slope = natural_slope(translations)
        line = np.stack([slope, np.ones_like(slope)], axis=1)
        (factor, offset), *_ = np.linalg.lstsq(line, np.asarray(signature, dtype=np.float64), rcond=None)
        return cls(float(factor), float(offset))

    def predict(self, translations: np.ndarray) -> np.ndarray:
        """Return the signatures, (N,) int64 and even, for the columns `SLOPE_COLUMNS`, (N, 3)."""
        half = (self.factor * natural_slope(translations) + self.offset) / 2
        return 2 * np.round(half).astype(np.int64)


def natural_slope(translations: np.ndarray) -> np.ndarray:
    """Return the natural slope Re(longitude / meridian) of knots."""
    longitude, real, imaginary = np.asarray(translations, dtype=np.float64).T
    return longitude * real / (real**2 + imaginary**2)
