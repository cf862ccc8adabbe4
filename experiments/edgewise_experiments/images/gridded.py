"""Samples on a grid: sums of products of one-input functions, smoothed by marginal likelihood or with few products.

Such a sum is a KAN with product nodes. On a full grid the products are orthonormal, so that a transform of each axis
replaces every linear system: a picture of 128 x 128 pixels takes a fraction of a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import fft, optimize
from scipy.interpolate import make_interp_spline

from edgewise.checks import is_integer
from edgewise.errors import InputError
from edgewise.pde.layers.tensor_product import TensorLayer

# Splines that stand for the cosines in a layer, with this many intervals for each half wave of the highest frequency:
# they differ from cosines by 3e-4 of their size there, and by 4e-7 at half that frequency (measured).
COSINE_DEGREE, COSINE_INTERVALS = 7, 2
MAX_AXES = 3  # pictures and volumes
LEAST_SAMPLES = 4  # of an axis: fewer say nothing about frequencies
BITS = 32  # of a number, by which the mask of the products is counted


@dataclass(frozen=True)
class GridPolicy:
    """Values from which the marginal likelihood chooses."""

    # Highest frequencies over that which the samples distinguish from lower ones, at most 2.
    reaches: tuple[float, ...] = field(default_factory=lambda: tuple(2 ** (step / 8) for step in range(-16, 9)))
    slopes: tuple[float, float] = (0.3, 8.0)  # bounds of the slope of the spectrum
    # Bounds of the logarithm of the noise's variance over that of a wave with a quarter of the highest frequency.
    noises: tuple[float, float] = (-25.0, 15.0)


@dataclass(frozen=True, eq=False)
class GridFit:
    """A sum of products of one-input functions that was fitted to samples on a grid."""

    layer: TensorLayer  # of points (batch, in) in the units of the axes, in float64; straight beyond the grid
    products: int
    # Numbers that determine the function on a given grid: for a smooth one as many as samples; for one with few
    # products their weights, and one for each 32 products that could have been chosen, a bit each.
    numbers: int
    slope: float | None = None  # exponent s of the spectrum (frequency^2)^-s of a smooth function
    noise: float | None = None  # standard deviation of the noise about a smooth function
    left_out: np.ndarray | None = None  # prediction of each sample from all the others, for a smooth function


def smooth_on_grid(
    axes: Sequence[ArrayLike], values: ArrayLike, *, most: int | None = None, policy: GridPolicy | None = None
) -> GridFit:
    """Smooth or interpolate samples on an evenly spaced grid, with strengths by restricted marginal likelihood (REML).

    The function is a mean plus a sum of products of cosines of each input. Their weights have normal priors whose
    variances fall as a power of the frequency, (f_1^2 + f_2^2 + ...)^-s; s, the noise, the scale of each input and the
    highest frequency are those with the highest likelihood. Frequencies beyond those of the grid are separated from
    lower ones by the prior alone, as in kriging. `most` limits `GridFit.numbers`: the largest weights are kept.

    References
    ----------
    .. [1] C. Rasmussen, C. Williams, "Gaussian processes for machine learning" (2006), sections 2.7, 4.2.1 and 5.4.2.
    """
    lines, samples = _checked(axes, values)
    if np.ptp(samples) == 0:
        raise InputError("values must differ from each other, got equal ones")
    weights = fft.dctn(samples, norm="ortho")
    policy = policy or GridPolicy()
    best: _Prior | None = None
    start = None
    for reach in policy.reaches:
        prior = _Prior(weights, reach)
        start = prior.maximise(policy, start)
        if best is None or prior.loss < best.loss:
            best = prior
    assert best is not None
    noise = math.sqrt(best.amplitude * best.ratio)
    left_out = samples - best.left_out_errors()
    coef = best.weights()
    numbers = samples.size
    if most is not None and most < numbers:
        coef, numbers = _largest(coef, most)
    layer = _of_cosines(lines, coef)
    return GridFit(layer, int(np.count_nonzero(coef)), numbers, best.slope, noise, left_out)


def sparse_on_grid(axes: Sequence[ArrayLike], values: ArrayLike, most: int) -> GridFit:
    """Approximate samples on a grid by few products of one-input functions.

    Two kinds of functions are tried, and the one with the smaller error is taken: cosines, for what is alike
    everywhere, and piecewise linear functions at several resolutions, for edges and details. Both are orthonormal on
    the grid, so that the products with the largest weights are the best ones.

    References
    ----------
    .. [1] R. DeVore, "Nonlinear approximation", Acta Numerica 7 (1998) 51.
    """
    lines, samples = _checked(axes, values)
    waves, numbers = _largest(fft.dctn(samples, norm="ortho"), most)
    levels = [_levels(len(line)) for line in lines]
    local, _ = _largest(_on_axes(samples, [basis.T for basis in levels]), most)
    # The functions are orthonormal: the larger sum of squares leaves the smaller error.
    if np.sum(local**2) <= np.sum(waves**2):
        return GridFit(_of_cosines(lines, waves), int(np.count_nonzero(waves)), numbers)
    layer = TensorLayer([torch.from_numpy(line) for line in lines], 1, degree=1)
    _write_(layer, _on_axes(local, levels))  # a coefficient of degree 1 is the value at its breakpoint
    return GridFit(layer, int(np.count_nonzero(local)), numbers)


class _Prior:
    """Power-law prior of the weights of cosines, with the likelihood of the samples under it.

    The weights of the samples' own cosines are c, (n_1, n_2, ...). A frequency j > n looks on the grid like 2n - j with
    the opposite sign, and n itself vanishes there.
    """

    def __init__(self, weights: np.ndarray, reach: float) -> None:
        self.c, sizes = weights, weights.shape
        self.counts = [min(round(reach * n), 2 * n) for n in sizes]
        # In units of a quarter of the grid's highest frequency.
        self.squares = [
            (4 * np.arange(count) / max(sizes)).reshape([-1 if axis == i else 1 for i in range(len(sizes))]) ** 2
            for axis, count in enumerate(self.counts)
        ]
        shares = [
            square * (max(sizes) / 4 / count) ** 2 for square, count in zip(self.squares, self.counts, strict=True)
        ]
        inside = sum(shares[1:], shares[0]) < 1
        inside[(0,) * len(sizes)] = False  # the mean has no prior
        for axis, (n, count) in enumerate(zip(sizes, self.counts, strict=True)):
            if count > n:
                np.moveaxis(inside, axis, 0)[n] = False
        self.inside = inside
        self.loss = math.inf

    def maximise(self, policy: GridPolicy, start: np.ndarray | None) -> np.ndarray:
        """Find slope, noise and the scales of all inputs but the first; return them as a start for another prior."""
        axes = self.c.ndim
        first = np.array([1.5, -5.0, *[0.0] * (axes - 1)])  # all tried pictures converged from it
        bounds = [policy.slopes, policy.noises, *[(-4.0, 4.0)] * (axes - 1)]
        found = optimize.minimize(
            self._loss, first if start is None else start, jac=True, bounds=bounds, options={"ftol": 1e-12}
        )
        self.loss = float(found.fun)
        self.slope, self.ratio = float(found.x[0]), math.exp(found.x[1])
        self._variances(found.x)
        self.amplitude = self._amplitude(self._total(self.variances))
        return found.x

    def weights(self) -> np.ndarray:
        """Return the posterior mean of all weights, in which the mean of the samples is the first."""
        total = self._total(self.variances)
        scaled = self.c / total
        scaled.flat[0] = 0
        weights = self.variances * self._unfolded(scaled, is_odd=True)
        weights.flat[0] = self.c.flat[0]
        return weights

    def left_out_errors(self) -> np.ndarray:
        """Return each sample minus its prediction from all the others: see Rasmussen and Williams, eq. 5.12."""
        inverse = 1 / self._total(self.variances)
        inverse.flat[0] = 0
        bases = [fft.idct(np.eye(n), norm="ortho", axis=0) for n in self.c.shape]
        return fft.idctn(inverse * self.c, norm="ortho") / _on_axes(inverse, [basis**2 for basis in bases])

    def _variances(self, strengths: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Set the prior variances (of unit amplitude), and return the squared frequencies, whole and of each input."""
        scales = [1.0, *np.exp(2 * strengths[2:])]
        parts = [scale * square for scale, square in zip(scales, self.squares, strict=True)]
        whole = np.where(self.inside, sum(parts[1:], parts[0]), 1.0)
        self.variances = np.where(self.inside, whole ** -strengths[0], 0.0)
        return whole, parts

    def _total(self, variances: np.ndarray) -> np.ndarray:
        return self._folded(variances) + self.ratio

    def _amplitude(self, total: np.ndarray) -> float:
        return float((self.c**2 / total).flat[1:].mean())

    def _loss(self, strengths: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the negative log likelihood of all weights but the mean, at its best amplitude, and its gradient."""
        self.ratio = math.exp(strengths[1])
        whole, parts = self._variances(strengths)
        total = self._total(self.variances)
        amplitude, count = self._amplitude(total), self.c.size - 1
        loss = 0.5 * (count * math.log(amplitude) + float(np.log(total).flat[1:].sum()))
        by_total = 0.5 * (1 / total - self.c**2 / (amplitude * total**2))
        by_total.flat[0] = 0
        pulled = self._unfolded(by_total) * self.variances
        gradient = [-float((pulled * np.log(whole)).sum()), self.ratio * float(by_total.sum())]
        gradient += [-2 * strengths[0] * float((pulled * part / whole).sum()) for part in parts[1:]]
        return loss, np.array(gradient)

    def _folded(self, spectrum: np.ndarray) -> np.ndarray:
        """Add what looks alike on the grid, (m_1, m_2, ...) to (n_1, n_2, ...)."""
        for axis, n in enumerate(self.c.shape):
            moved = np.moveaxis(spectrum, axis, 0)
            own = np.zeros((n, *moved.shape[1:]))
            own[: len(moved)] = moved[:n]
            beyond = moved[n + 1 :]
            own[n - len(beyond) :] += beyond[::-1]
            spectrum = np.moveaxis(own, 0, axis)
        return spectrum

    def _unfolded(self, on_grid: np.ndarray, *, is_odd: bool = False) -> np.ndarray:
        """Repeat the entries for all that looks alike on the grid, the transpose of `_folded`; with signs if odd."""
        for axis, (n, count) in enumerate(zip(self.c.shape, self.counts, strict=True)):
            moved = np.moveaxis(on_grid, axis, 0)
            if count <= n:
                on_grid = np.moveaxis(moved[:count], 0, axis)
            else:
                beyond = moved[2 * n - count + 1 :][::-1]
                parts = [moved, np.zeros_like(moved[:1]), -beyond if is_odd else beyond]
                on_grid = np.moveaxis(np.concatenate(parts), 0, axis)
        return on_grid


def _checked(axes: Sequence[ArrayLike], values: ArrayLike) -> tuple[list[np.ndarray], np.ndarray]:
    """Return axes and values as float64 arrays."""
    if not 1 <= len(axes) <= MAX_AXES:
        raise InputError(f"axes must hold the coordinates of 1 to {MAX_AXES} inputs, got {len(axes)}")
    lines = [np.asarray(axis, float) for axis in axes]
    for number, line in enumerate(lines):
        if line.ndim != 1 or len(line) < LEAST_SAMPLES:
            raise InputError(f"axes[{number}] must be {LEAST_SAMPLES} numbers or more, got shape {line.shape}")
        steps = np.diff(line)
        if not (steps > 0).all() or not np.allclose(steps, steps.mean(), rtol=1e-6, atol=0):
            raise InputError(
                f"axes[{number}] must be increasing and evenly spaced, got steps {steps.min():g} to {steps.max():g}"
            )
    samples, shape = np.asarray(values, float), tuple(len(line) for line in lines)
    if samples.shape != shape:
        raise InputError(f"values must have shape {shape}, one for each point of the grid, got {samples.shape}")
    if not np.isfinite(samples).all():
        raise InputError(f"values must be finite, got {np.count_nonzero(~np.isfinite(samples))} that are not")
    return lines, samples


def _largest(weights: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Keep the largest weights, and return them with the count of numbers, mask included."""
    mask = math.ceil(weights.size / BITS)
    if not is_integer(most) or most <= mask:
        raise InputError(f"most must be an integer above {mask}, the numbers of the mask, got {most!r}")
    kept = min(most - mask, weights.size)
    order = np.argsort(-np.abs(weights), axis=None, kind="stable")[:kept]
    sparse = np.zeros_like(weights)
    sparse.flat[order] = weights.flat[order]
    return sparse, mask + kept


def _on_axes(values: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Multiply each axis of an array by a matrix from the left."""
    for axis, matrix in enumerate(matrices):
        values = np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)
    return values


def _levels(count: int) -> np.ndarray:
    """Return orthonormal piecewise linear functions at several resolutions by their values at the samples, (n, n).

    The breakpoints of each resolution are those of the next coarser one and every second sample between. The new
    functions are what their hats add to all coarser functions, orthonormalised symmetrically, so that they stay local.
    """
    places = np.arange(count)
    step = 1 << (count - 2).bit_length()
    known = np.unique([0, count - 1])
    basis = _orthonormal(_hats(places, known))
    while step > 1:
        step //= 2
        finer = np.unique([*known, *range(0, count, step)])
        hats = _hats(places, finer)[:, ~np.isin(finer, known)]
        if hats.size:
            basis = np.hstack([basis, _orthonormal(hats - basis @ (basis.T @ hats))])
        known = finer
    return basis


def _hats(places: np.ndarray, breakpoints: np.ndarray) -> np.ndarray:
    """Return the values of the piecewise linear functions that are 1 at one breakpoint and 0 at the others."""
    return np.stack([np.interp(places, breakpoints, row) for row in np.eye(len(breakpoints))], 1)


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    """Return the nearest orthonormal columns: P.-O. Loewdin, J. Chem. Phys. 18 (1950) 365."""
    values, vectors = np.linalg.eigh(columns.T @ columns)
    return columns @ (vectors / np.sqrt(values)) @ vectors.T


def _of_cosines(lines: Sequence[np.ndarray], weights: np.ndarray) -> TensorLayer:
    """Make the layer of a sum of products of cosines, which are orthonormal on the samples."""
    breakpoints, matrices = [], []
    for line, count in zip(lines, weights.shape, strict=True):
        n = len(line)
        half = (line[-1] - line[0]) / (n - 1) / 2
        points = np.linspace(line[0] - half, line[-1] + half, COSINE_INTERVALS * max(n, count) + 1)
        knots = np.concatenate([np.repeat(points[0], COSINE_DEGREE), points, np.repeat(points[-1], COSINE_DEGREE)])
        sites = np.convolve(knots[1:-1], np.full(COSINE_DEGREE, 1 / COSINE_DEGREE), "valid").clip(
            points[0], points[-1]
        )  # Greville's
        phases = np.pi * np.outer((sites - points[0]) / (points[-1] - points[0]), np.arange(count))
        sizes = np.where(np.arange(count) == 0, math.sqrt(1 / n), math.sqrt(2 / n))
        matrices.append(make_interp_spline(sites, sizes * np.cos(phases), COSINE_DEGREE, t=knots).c)
        breakpoints.append(torch.from_numpy(points))
    layer = TensorLayer(breakpoints, 1, degree=COSINE_DEGREE, clamped=True)
    _write_(layer, _on_axes(weights, matrices))
    return layer


def _write_(layer: TensorLayer, coef: np.ndarray) -> None:
    with torch.no_grad():
        layer.coef.copy_(torch.from_numpy(np.ascontiguousarray(coef))[..., None])
