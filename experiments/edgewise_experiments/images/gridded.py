"""Samples on a grid as sums of few products of one-input functions.

Such a sum is a KAN with product nodes. On a full grid the products are orthonormal, so that a transform of each axis
replaces every linear system: a picture of 128 x 128 pixels takes a fraction of a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import fft
from scipy.interpolate import make_interp_spline

from edgewise.pde.layers.tensor_product import TensorLayer

# Splines that stand for the cosines in a layer, with this many intervals for each half wave of the highest frequency:
# they differ from cosines by 3e-4 of their size there, and by 4e-7 at half that frequency (measured).
COSINE_DEGREE, COSINE_INTERVALS = 7, 2
MAX_AXES = 3  # pictures and volumes
LEAST_SAMPLES = 4  # of an axis: fewer say nothing about frequencies
BITS = 32  # of a number, by which the mask of the products is counted


@dataclass(frozen=True, eq=False)
class GridFit:
    """A sum of products of one-input functions that was fitted to samples on a grid."""

    layer: TensorLayer  # of points (batch, in) in the units of the axes, in float64; straight beyond the grid
    products: int
    # Numbers that determine the function on a given grid: the weights of its products, and one for each 32 products
    # that could have been chosen, a bit each.
    numbers: int


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


def _checked(axes: Sequence[ArrayLike], values: ArrayLike) -> tuple[list[np.ndarray], np.ndarray]:
    """Return axes, evenly spaced and increasing, and values as float64 arrays."""
    lines = [np.asarray(axis, float) for axis in axes]
    samples = np.asarray(values, float)
    assert 1 <= len(lines) <= MAX_AXES and min(map(len, lines)) >= LEAST_SAMPLES
    for line in lines:
        assert line[1] > line[0] and np.allclose(np.diff(line), line[1] - line[0], rtol=1e-6, atol=0)
    assert samples.shape == tuple(map(len, lines)) and np.isfinite(samples).all()
    return lines, samples


def _largest(weights: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Keep the largest weights, and return them with the count of numbers, mask included."""
    mask = math.ceil(weights.size / BITS)
    assert most > mask
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
