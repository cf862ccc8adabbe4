"""Pictures as functions of two coordinates: a photograph, and a turbulence-like field from a seeded spectrum."""

from __future__ import annotations

import numpy as np

from edgewise.errors import missing_extra

CAMERA_SIDE = 512  # pixels of a side of scikit-image's photograph
KOLMOGOROV = 5 / 3  # exponent of the energy spectrum E(k) ~ k^-5/3 in the inertial range


def camera(size: int = 128) -> np.ndarray:
    """Return the picture `camera` of scikit-image 0.18 and later, (size, size) float64 in [0, 1], row 0 at the top.

    A man with a camera on a tripod, by Lav Varshney, CC0; earlier versions had another photograph, MIT's "cameraman".
    Each value is the mean of a square block of its 512 x 512 pixels.
    """
    assert CAMERA_SIDE % size == 0
    try:
        from skimage import data
    except ImportError as error:
        raise missing_extra("scikit-image", "experiments", "The picture") from error
    block = CAMERA_SIDE // size
    pixels = data.camera().astype(np.float64) / 255
    return pixels.reshape(size, block, size, block).mean((1, 3))


def turbulence(size: int = 128, *, band: tuple[float, float] = (2, 48), seed: int = 0) -> np.ndarray:
    """Return a periodic random field with energy E(k) ~ k^-5/3 within a band of wavenumbers and zero outside.

    White noise, filtered in Fourier space; values are scaled to fill [0, 1]. It has the spectrum of turbulence in the
    inertial range but random phases, and therefore no vortices.
    """
    low, high = band
    assert 0 < low <= high <= size / 2
    waves = np.fft.fftfreq(size, 1 / size)
    length = np.hypot(waves[:, None], waves[None, :])
    inside = (length >= low) & (length <= high)
    assert inside.any()
    # A ring of radius k has 2 pi k modes, so each has the energy E(k) / k and the square root of that as amplitude.
    amplitude = np.where(inside, np.where(inside, length, 1) ** (-(KOLMOGOROV + 1) / 2), 0)
    noise = np.random.default_rng(seed).standard_normal((size, size))
    field = np.fft.ifft2(amplitude * np.fft.fft2(noise)).real
    return (field - field.min()) / (field.max() - field.min())


def pixel_centres(size: int) -> np.ndarray:
    """Return the coordinates of pixels in [-1, 1]^2, (size * size, 2): row by row, the row's coordinate first."""
    line = (np.arange(size) + 0.5) / size * 2 - 1
    return np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
