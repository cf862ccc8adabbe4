"""What models of pictures are trained on and how they are scored: the pictures, the tasks, PSNR and SSIM."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgewise.errors import missing_extra
from edgewise_experiments.data.images import camera, pixel_centres, turbulence

SIDE = 128
BAND = (2, 48)  # wavenumbers of the field, of at most 64 on this grid
FIELDS: Mapping[str, Callable[[], np.ndarray]] = {
    "camera": lambda: camera(SIDE),
    "turbulence": lambda: turbulence(SIDE, band=BAND, seed=0),
}
TASKS = ("super-resolution", "denoising")
NOISE = 0.1  # standard deviation; pictures reach from 0 to 1
HELD_OUT = 0.1  # share of the pixels of super-resolution and denoising that isn't trained on


@dataclass(frozen=True, eq=False)
class Samples:
    """Of one task on one picture.

    clean: (side, side), what is scored against. values: (side * side,) what can be seen, at every pixel.
    trained, held_out, scored: pixels, (side * side,) bool each; none is held out where the task is to fit.
    """

    clean: np.ndarray
    values: np.ndarray
    trained: np.ndarray
    held_out: np.ndarray
    scored: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """Coordinates of all pixels, (side * side, 2)."""
        return pixel_centres(len(self.clean))


def samples_of(clean: np.ndarray, task: str, seed: int) -> Samples:
    """task: "fit", or one of `TASKS`. The seed is of the noise and of what is held out."""
    everything = np.ones(clean.size, bool)
    if task == "fit":
        return Samples(clean, clean.ravel(), everything, ~everything, everything)
    random = np.random.default_rng(seed)
    if task == "denoising":
        seen, scored = everything, everything
        values = clean.ravel() + NOISE * random.standard_normal(clean.size)
    else:
        second = np.arange(len(clean)) % 2 == 0
        seen = (second[:, None] & second[None, :]).ravel()
        values, scored = clean.ravel(), ~seen
    held_out = seen & (random.random(clean.size) < HELD_OUT)
    return Samples(clean, values, seen & ~held_out, held_out, scored)


def reference(samples: Samples, task: str) -> np.ndarray:
    """What needs no training: the noisy picture as it is, or cubic splines through every second pixel."""
    if task == "denoising":
        return samples.values.reshape(samples.clean.shape)
    from scipy.interpolate import RectBivariateSpline

    line = np.arange(len(samples.clean))
    spline = RectBivariateSpline(line[::2], line[::2], samples.clean[::2, ::2])
    return spline(line, line)


def psnr(picture: np.ndarray, samples: Samples) -> float:
    """Peak signal-to-noise ratio in dB on the pixels that are scored, for values from 0 to 1."""
    error = (picture - samples.clean).ravel()[samples.scored]
    return decibels(float(np.mean(error**2)))


def decibels(mean_square: float) -> float:
    """The PSNR of a mean squared error."""
    return math.inf if mean_square == 0 else -10 * math.log10(mean_square)


def ssim(picture: np.ndarray, samples: Samples) -> float:
    """Structural similarity (Z. Wang et al., IEEE Trans. Image Process. 13, 2004, 600) of the whole picture."""
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise missing_extra("scikit-image", "experiments", "Structural similarity") from error
    return float(structural_similarity(samples.clean, picture, data_range=1.0))


def packed(picture: np.ndarray) -> str:
    """A picture as text, in 256 shades."""
    shades = np.clip(np.rint(255 * picture), 0, 255).astype(np.uint8)
    return base64.b64encode(zlib.compress(shades.tobytes(), 9)).decode("ascii")


def unpacked(text: str) -> np.ndarray:
    """The picture, square, values in [0, 1]."""
    shades = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    side = math.isqrt(len(shades))
    return shades.reshape(side, side) / 255
