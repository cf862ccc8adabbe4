"""The pictures, and the measures of quality: PSNR and SSIM."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Callable, Mapping

import numpy as np

from edgewise.errors import missing_extra
from edgewise_experiments.data.images import camera, turbulence

SIDE = 128  # pixels of a side
BAND = (2, 48)  # wavenumbers of the turbulence-like field; the grid has at most 64
FIELDS: Mapping[str, Callable[[], np.ndarray]] = {
    "camera": lambda: camera(SIDE),
    "turbulence": lambda: turbulence(SIDE, band=BAND, seed=0),
}


def psnr(picture: np.ndarray, clean: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB, for values from 0 to 1."""
    return decibels(float(np.mean((picture - clean) ** 2)))


def decibels(mean_square: float) -> float:
    """Convert a mean squared error to a peak signal-to-noise ratio."""
    return math.inf if mean_square == 0 else -10 * math.log10(mean_square)


def ssim(picture: np.ndarray, clean: np.ndarray) -> float:
    """Return the structural similarity of the whole picture.

    References
    ----------
    Z. Wang et al., IEEE Trans. Image Process. 13, 2004, 600.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise missing_extra("scikit-image", "experiments", "Structural similarity") from error
    return float(structural_similarity(clean, picture, data_range=1.0))


def packed(picture: np.ndarray) -> str:
    """Store a picture as text, with 256 shades."""
    shades = np.clip(np.rint(255 * picture), 0, 255).astype(np.uint8)
    return base64.b64encode(zlib.compress(shades.tobytes(), 9)).decode("ascii")


def unpacked(text: str) -> np.ndarray:
    """Read a square picture with values in [0, 1] from its text."""
    shades = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    side = math.isqrt(len(shades))
    return shades.reshape(side, side) / 255
