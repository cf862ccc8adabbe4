"""Products of Legendre polynomials of several inputs, in the order in which their coefficients decay."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Basis:
    """Products of Legendre polynomials, orthonormal under the uniform density on a box."""

    indices: np.ndarray  # (p, n), degrees in each input of every product; the first product is the constant
    limits: np.ndarray  # (n, 2), the box

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """Return the inputs with the box mapped to [-1, 1]^n."""
        low, high = self.limits.T
        return 2 * (x - low) / (high - low) - 1

    def columns(self, x: np.ndarray) -> np.ndarray:
        """Return the products (N, p) at rows (N, n)."""
        scaled = self.scaled(x)
        columns = np.ones((len(x), len(self.indices)))
        for j, degrees in enumerate(self.indices.T):
            columns *= legendre(scaled[:, j], int(degrees.max()))[:, degrees]
        return columns

    def select(self, which: np.ndarray | slice) -> Basis:
        """Return the basis of some of the products."""
        return Basis(self.indices[which], self.limits)


def legendre(z: np.ndarray, degree: int) -> np.ndarray:
    """Return the Legendre polynomials up to a degree, of mean square 1 on [-1, 1], at z (N,): (N, degree + 1)."""
    return np.polynomial.legendre.legvander(z, degree) * np.sqrt(2 * np.arange(degree + 1) + 1)


def lower_set(
    rates: Sequence[float], crossing: float, most: int, degrees: Sequence[int], pairs: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the `most` products with the smallest weights, and their weights, in ascending order.

    The weight of a product of degrees a_j is sum_j rates_j a_j + crossing (k - 1), k being the number of inputs in it,
    plus the weights of all pairs of its inputs, which are large where two inputs do not act together. With the rates at
    which the logarithms of coefficients fall, these are the products with the largest coefficients.
    `rates` (n,) are positive, `crossing` and `pairs` (n, n), which is symmetric, at least 0; `degrees` (n,) are the
    largest of each input. Shapes: (p, n) and (p,).
    """
    inputs = len(rates)
    # Each product is reached once: from the one with one degree less in its last input.
    queue: list[tuple[float, tuple[int, ...], int]] = [(0.0, (0,) * inputs, 0)]
    indices: list[tuple[int, ...]] = []
    weights: list[float] = []
    while queue and len(indices) < most:
        weight, product, last = heapq.heappop(queue)
        indices.append(product)
        weights.append(weight)
        crosses = np.full(inputs, crossing * any(product))
        if pairs is not None:
            crosses = crosses + np.array([degree > 0 for degree in product]) @ pairs
        for j in range(last, inputs):
            if product[j] < degrees[j]:
                more = (*product[:j], product[j] + 1, *product[j + 1 :])
                # A sum in a fixed order, so that products of equal weight have equal numbers.
                heapq.heappush(queue, (round(weight + rates[j] + float(crosses[j]) * (product[j] == 0), 9), more, j))
    return np.array(indices), np.array(weights)


def decay(indices: np.ndarray, by_pairs: bool = False) -> np.ndarray:
    """Return the columns of a linear model of the logarithms of coefficients: 1, minus degrees, minus crossings.

    With `by_pairs`, each pair of inputs (in the order of `itertools.combinations`) has a column in place of crossings.
    """
    used = indices > 0
    crossings = np.maximum(used.sum(1) - 1, 0)
    if by_pairs:
        first, second = np.triu_indices(indices.shape[1], 1)
        crossings = 1 * (used[:, first] & used[:, second])
    return np.column_stack([np.ones(len(indices)), -indices, -crossings])


@dataclass(frozen=True, eq=False)
class Decay:
    """Strengths of the products but the constant, from the rates at which the logs of prior deviations fall.

    The state holds the log prior variance of the constant over the noise, the log of each input's rate, and what each
    further input of a product costs. See `edgewise.gam.reml.StrengthMap`.
    """

    features: np.ndarray  # of the products but the constant, (p - 1, q), see `decay`
    largest_log: float = 60.0  # of a prior variance, either way: e^60 times the noise is no penalty
    largest_rate: float = 4.0  # log of a rate: coefficients that fall by e^55 a degree leave none but the constant

    def _values(self, state: np.ndarray) -> np.ndarray:
        values = np.clip(state, -self.largest_log, self.largest_log)
        values[1:-1] = np.exp(np.minimum(values[1:-1], self.largest_rate))
        return values

    def logs(self, state: np.ndarray) -> np.ndarray:
        """Return the logs of the strengths, (p - 1,)."""
        return -np.clip(self.features @ self._values(state), -self.largest_log, self.largest_log)

    def derivatives(self, state: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return their Jacobian, and their second derivatives summed with the weights `slope`, (q, q)."""
        jacobian = -self.features
        jacobian[:, 1:-1] *= self._values(state)[1:-1]
        bend = jacobian.T @ slope  # the exponential of a log rate is its own derivative
        bend[[0, -1]] = 0.0
        return jacobian, np.diag(bend)
