"""The pictures, the tasks on them, and the measures of quality: PSNR and SSIM."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgewise.errors import missing_extra
from edgewise_experiments.data.images import camera, pixel_centres, turbulence

SIDE = 128  # pixels of a side
BAND = (2, 48)  # wavenumbers of the turbulence-like field; the grid has at most 64
FIELDS: Mapping[str, Callable[[], np.ndarray]] = {
    "camera": lambda: camera(SIDE),
    "turbulence": lambda: turbulence(SIDE, band=BAND, seed=0),
}
TASKS = ("super-resolution", "denoising")
NOISE = 0.1  # standard deviation of the noise, for values from 0 to 1
HELD_OUT = 0.1  # share of the visible pixels of super-resolution and denoising that is held out


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of a task on a picture."""

    clean: np.ndarray
    values: np.ndarray
    trained: np.ndarray
    held_out: np.ndarray
    scored: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """The coordinates of all pixels, (side * side, 2)."""
        return pixel_centres(len(self.clean))


def samples_of(clean: np.ndarray, task: str, seed: int) -> Samples:
    """Make the samples of a task."""
    everything = np.ones(clean.size, bool)
    if task == "fit":
        return Samples(clean, clean.ravel(), everything, ~everything, everything)
    random = np.random.default_rng(seed)
    if task == "denoising":
        visible, scored = everything, everything
        # Not the stream of the seed alone, from which the turbulence-like field of that seed is made.
        values = clean.ravel() + NOISE * np.random.default_rng([seed, 1]).standard_normal(clean.size)
    else:
        second = np.arange(len(clean)) % 2 == 0
        visible = (second[:, None] & second[None, :]).ravel()
        values, scored = clean.ravel(), ~visible
    held_out = visible & (random.random(clean.size) < HELD_OUT)
    return Samples(clean, values, visible & ~held_out, held_out, scored)


def reference(samples: Samples, task: str) -> np.ndarray:
    """Return the result without training: the noisy picture, or cubic splines through every second pixel."""
    if task == "denoising":
        return samples.values.reshape(samples.clean.shape)
    from scipy.interpolate import RectBivariateSpline

    line = np.arange(len(samples.clean))
    spline = RectBivariateSpline(line[::2], line[::2], samples.clean[::2, ::2])
    return spline(line, line)


def psnr(picture: np.ndarray, samples: Samples) -> float:
    """Return the peak signal-to-noise ratio in dB on the scored pixels, for values from 0 to 1."""
    error = (picture - samples.clean).ravel()[samples.scored]
    return decibels(float(np.mean(error**2)))


def decibels(mean_square: float) -> float:
    """Convert a mean squared error to a peak signal-to-noise ratio."""
    return math.inf if mean_square == 0 else -10 * math.log10(mean_square)


def ssim(picture: np.ndarray, samples: Samples) -> float:
    """Return the structural similarity of the whole picture.

    References
    ----------
    Z. Wang et al., IEEE Trans. Image Process. 13, 2004, 600.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise missing_extra("scikit-image", "experiments", "Structural similarity") from error
    return float(structural_similarity(samples.clean, picture, data_range=1.0))


def packed(picture: np.ndarray) -> str:
    """Store a picture as text, with 256 shades."""
    shades = np.clip(np.rint(255 * picture), 0, 255).astype(np.uint8)
    return base64.b64encode(zlib.compress(shades.tobytes(), 9)).decode("ascii")


def unpacked(text: str) -> np.ndarray:
    """Read a square picture with values in [0, 1] from its text."""
    shades = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    side = math.isqrt(len(shades))
    return shades.reshape(side, side) / 255
