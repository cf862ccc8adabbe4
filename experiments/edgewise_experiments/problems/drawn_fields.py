"""Cases of PINNacle whose coefficients are drawn at random, with references by classical methods.

The generator of PINNacle's repository (i207M/PINNacle, data/generate_functions.py, with its seed 20220722) gives the
pictures of its two coefficients that the repository holds, to the last grey level: the coefficients of Heat2d-VC and
Wave2d-CG are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from scipy.fft import dstn, idstn
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, gmres
from torch import Tensor

from edgewise.pde import PDE, Box, Dirichlet, Initial, Neumann, Time, laplacian
from edgewise_experiments.problems.cases import PI, SQUARE, Case
from edgewise_experiments.problems.reference_solutions import grid_points

SEED, FIELD = 20220722, 256  # of PINNacle's generator: its seed and points of a side


def random_field() -> np.ndarray:
    """PINNacle's Gaussian random field, (points of y, points of x): amplitudes |k|^-2, mean 0 and variance 1."""
    random = np.random.RandomState(SEED)
    wave = np.fft.fftfreq(FIELD, 1 / FIELD)
    wave_squared = wave[:, None] ** 2 + wave**2
    amplitude = np.divide(1.0, wave_squared, out=np.zeros_like(wave_squared), where=wave_squared > 0)
    noise = random.normal(size=(FIELD, FIELD)) + 1j * random.normal(size=(FIELD, FIELD))
    field = np.fft.ifft2(noise * amplitude).real
    field -= field.mean()
    return field / field.std()


def bilinear(values: np.ndarray, x: np.ndarray, y: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values (points of y, points of x) on an even grid from low to high, linear in between, at points x and y (b,)."""
    cells = len(values) - 1
    places = [np.clip((each - low) / (high - low) * cells, 0, cells) for each in (x, y)]
    (i, j), (a, b) = zip(*[(np.minimum(p.astype(int), cells - 1), p) for p in places], strict=True)
    a, b = a - i, b - j
    lower = values[j, i] * (1 - a) + values[j, i + 1] * a
    return (1 - b) * lower + b * (values[j + 1, i] * (1 - a) + values[j + 1, i + 1] * a)


def of_tensors(function: Callable[..., np.ndarray]) -> Callable[..., Tensor]:
    """A function of two numpy arrays as one of tensors x and y."""
    return lambda x, y: torch.from_numpy(np.asarray(function(x.detach().numpy(), y.detach().numpy())))


@cache
def conductivity() -> np.ndarray:
    """Coefficient of Heat2d-VC on a grid of the unit square, 0.06 to 14."""
    return np.exp(random_field())


def heat_through_noise() -> PDE:
    """PINNacle's heat equation with a random coefficient, linear between its values."""

    def coefficient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return bilinear(conductivity(), x, y, 0, 1)

    def source(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return 200 * torch.sin(PI * x) * torch.sin(5 * PI * y) * torch.sin(PI * t)

    a = of_tensors(coefficient)
    return PDE(
        lambda u, x, y, t: u.t - a(x, y) * laplacian(u) - source(x, y, t),
        SQUARE * Time(0, 5),
        [Dirichlet(0.0), Initial(0.0)],
    )


@cache
def speeds() -> np.ndarray:
    """Square of the speed of Wave2d-CG on a grid, 1 or 12."""
    return np.where(random_field() > 0, 12.0, 1.0)


def bump(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Initial field of Wave2d-CG."""
    return np.exp(-((x + 0.5) ** 2 + y**2) / (2 * 0.3**2))


def wave_through_noise() -> PDE:
    """PINNacle's wave through regions of two speeds, the square of the speed linear between the values of its grid."""

    def speed(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return bilinear(speeds(), x, y, -1, 1)

    a, start = of_tensors(speed), of_tensors(bump)
    return PDE(
        lambda u, x, y: u.tt - a(x, y) * laplacian(u),
        Box(x=(-1, 1), y=(-1, 1)) * Time(0, 5),
        [Neumann(0.0), Initial(start, rate=0.0)],
    )


@cache
def heat_through_noise_reference(cells: int = 2040) -> tuple[np.ndarray, np.ndarray]:
    """Heat2d-VC at the last moment, when what is left of the start is below rounding: one oscillation in time.

    u = Im(w exp(i pi t)), where i pi w - a laplacian w is the source; sine series in space, GMRES with the coefficient
    replaced by a mean.
    """
    grid = np.arange(1, cells) / cells
    x, y = np.meshgrid(grid, grid, indexing="ij")
    resistance = 1 / bilinear(conductivity(), x.ravel(), y.ravel(), 0, 1).reshape(x.shape)
    mean, wave = resistance.mean(), PI * np.arange(1, cells)
    inverse = 1 / (wave[:, None] ** 2 + wave**2 + 1j * PI * mean)

    def smoothed(q: np.ndarray) -> np.ndarray:
        series = inverse * (dstn(q.real, type=1) + 1j * dstn(q.imag, type=1))
        return idstn(series.real, type=1) + 1j * idstn(series.imag, type=1)

    def operator(q: np.ndarray) -> np.ndarray:
        shaped = q.reshape(x.shape)
        return (shaped + 1j * PI * (resistance - mean) * smoothed(shaped)).ravel()

    source = (200 * np.sin(PI * x) * np.sin(5 * PI * y) * resistance).ravel() + 0j
    found = gmres(LinearOperator((x.size, x.size), operator, dtype=complex), source, rtol=1e-11)[0]
    u = -smoothed(found.reshape(x.shape)).imag
    chosen = (slice(cells // 85 - 1, None, cells // 85),) * 2
    points = np.stack([x[chosen].ravel(), y[chosen].ravel()], 1)
    return np.column_stack([points, np.full(len(points), 5.0)]), u[chosen].reshape(-1, 1)


@cache
def wave_through_noise_reference(modes: int = 44) -> tuple[np.ndarray, np.ndarray]:
    """Wave2d-CG at the last moment: Galerkin's method with products of cosines, and eigenvectors, exact in time."""
    cells = 4 * (FIELD - 1)
    line = -1 + (2 * np.arange(cells) + 1) / cells
    x, y = np.meshgrid(line, line, indexing="ij")
    slowness = (2 / cells) ** 2 / bilinear(speeds(), x.ravel(), y.ravel(), -1, 1).reshape(x.shape)
    wave = PI / 2 * np.arange(2 * modes)
    cosines = np.cos(wave[:, None] * (line + 1))
    means, number = cosines @ slowness @ cosines.T, np.arange(modes)
    # A product of two cosines is half the sum of those of the sum and the difference of the wave numbers.
    pairs = (number[:, None] + number, np.abs(number[:, None] - number))
    mass = sum(means[p[:, None, :, None], q[None, :, None, :]] for p in pairs for q in pairs) / 4
    norms = np.where(number == 0, 2.0, 1.0)
    stiff = np.add.outer(wave[:modes] ** 2, wave[:modes] ** 2) * np.outer(norms, norms)
    size = modes**2
    values, vectors = eigh(np.diag(stiff.ravel()), mass.reshape(size, size))
    start = cosines[:modes] @ (slowness * bump(x, y)) @ cosines[:modes].T
    frequencies = np.sqrt(np.maximum(values, 0.0))
    found = (vectors @ (np.cos(5 * frequencies) * (vectors.T @ start.ravel()))).reshape(modes, modes)
    chosen = np.linspace(-1, 1, 86)
    at = np.cos(wave[:modes, None] * (chosen + 1))
    return grid_points(chosen, chosen, [5.0]), (at.T @ found @ at).reshape(-1, 1)


DRAWN_CASES = (
    Case(
        "heat through noise (Heat2d-VC)",
        "u_t = a laplacian u + f on a square, t to 5, a random",
        heat_through_noise,
        heat_through_noise_reference,
    ),
    Case(
        "wave through noise (Wave2d-CG)",
        "u_tt = a laplacian u on [-1, 1]^2, t to 5, a 1 or 12 at random",
        wave_through_noise,
        wave_through_noise_reference,
    ),
)
