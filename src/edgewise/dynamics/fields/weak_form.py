"""The weak form of an evolution equation: integrals of the data against derivatives of compact test functions.

With a test function v that vanishes at the ends of its support, the integral of v times D^a g(u) is (-1)^|a| that of
g(u) times D^a v: the data are multiplied and summed, and never differentiated. v is a product of one bump
(1 - s^2)^p for each axis (Messenger and Bortz, "Weak SINDy for partial differential equations", 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgewise.dynamics.fields.terms import Term


@dataclass(frozen=True)
class WeakFormSettings:
    """Numbers of the weak form."""

    # Value of a bump one grid step inside the end of its support, which fixes its exponent (Messenger and Bortz, 4.1).
    edge: float = 1e-10
    # Standard deviations of the bump's spectrum at the frequency where that of the data meets the noise (there 1 to 3).
    cut: float = 2.0
    widest: float = 0.2  # largest half width, as a share of the axis
    narrowest: int = 6  # smallest half width, in grid steps
    rows: int = 700  # test functions, at most: their covariance is factorised in hundredths of a second
    overlap: int = 4  # places of test functions in one half width
    resolution: float = 1e-3  # share of the rate of change that is an error of the grid rather than a term


@dataclass(frozen=True)
class Bumps:
    """Test functions along one axis: all shifts of one bump to places of an even grid."""

    step: float  # of the grid
    size: int  # points of the grid
    half_width: int  # in grid steps
    exponent: int  # p of (1 - s^2)^p
    places: np.ndarray  # centres, in grid steps, (k,)

    def matrix(self, order: int) -> np.ndarray:
        """A derivative of every bump at every point, times the step: integrals by the trapezoidal rule, (k, size)."""
        s = (np.arange(self.size) - self.places[:, None]) / self.half_width
        inside = np.abs(s) < 1
        s = np.where(inside, s, 0.0)
        # Leibniz' rule for (1 - s)^p (1 + s)^p, whose sum is exact where the expanded power would cancel.
        total = np.zeros_like(s)
        for k in range(order + 1):
            falling = math.perm(self.exponent, k) * math.perm(self.exponent, order - k)
            sides = (1 - s) ** (self.exponent - k) * (1 + s) ** (self.exponent - order + k)
            total += math.comb(order, k) * (-1) ** k * falling * sides
        return np.where(inside, total, 0.0) * self.step / (self.half_width * self.step) ** order


def bumps_for(data: Sequence[np.ndarray], axis: int, step: float, order: int, settings: WeakFormSettings) -> Bumps:
    """The bump whose spectrum ends where that of the data does, placed at even distances along an axis."""
    size = data[0].shape[axis]
    frequency = max(_corner(np.moveaxis(field, axis, -1).reshape(-1, size)) for field in data)
    exponent = order + 4
    half_width = settings.narrowest
    # The exponent follows from the half width and the half width from the exponent: two numbers, a few rounds.
    for _ in range(8):
        spread = settings.cut * math.sqrt(2 * exponent + 3)
        wide = round(size * spread / (2 * math.pi * frequency))
        half_width = max(settings.narrowest, min(wide, int(settings.widest * size), (size - 1) // 2))
        exponent = order + 1
        decay = math.log((2 * half_width - 1) / half_width**2)
        if decay < 0:
            exponent = max(exponent, math.ceil(math.log(settings.edge) / decay))
    first = half_width
    last = size - 1 - half_width
    places = np.arange(first, last + 1, max(half_width // settings.overlap, 1))
    return Bumps(step, size, half_width, exponent, places)


def _corner(rows: np.ndarray) -> int:
    """The frequency at which the summed spectrum bends: two straight lines fit it best (Messenger and Bortz, A)."""
    spectrum = np.abs(np.fft.rfft(rows - rows.mean(axis=1, keepdims=True), axis=1)).mean(axis=0)
    total = np.cumsum(spectrum)
    count = len(total)
    if count < 6 or total[-1] == 0:
        return max(count // 2, 1)
    x = np.arange(count)
    errors = []
    for knot in range(2, count - 2):
        left = _chord_error(x[: knot + 1], total[: knot + 1])
        right = _chord_error(x[knot:], total[knot:])
        errors.append(left + right)
    return 2 + int(np.argmin(errors))


def _chord_error(x: np.ndarray, y: np.ndarray) -> float:
    """Squared distance of values from the straight line between the first and the last one."""
    line = y[0] + (y[-1] - y[0]) * (x - x[0]) / (x[-1] - x[0])
    return float(np.sum((y - line) ** 2))


def noise_of(field: np.ndarray) -> float:
    """Standard deviation of the noise: sixth differences, along the axis where they are smallest."""
    weights = np.array([math.comb(6, k) * (-1) ** k for k in range(7)], dtype=float)
    weights /= np.linalg.norm(weights)
    sizes = []
    for axis, size in enumerate(field.shape):
        if size > 7:
            lines = np.moveaxis(field, axis, -1)
            windows = np.lib.stride_tricks.sliding_window_view(lines, 7, axis=-1)
            sizes.append(float(np.sqrt(np.mean((windows @ weights) ** 2))))
    return min(sizes)


class WeakForm:
    """Rows of a linear regression, one for each test function, and the covariance of their errors.

    The data are fields (nt, nx) or (nt, nx, ny); a row is the integral of the rate of change, and one of each term.
    """

    def __init__(
        self,
        data: Sequence[np.ndarray],
        steps: Sequence[float],
        terms: Sequence[Term],
        order: int,
        settings: WeakFormSettings,
    ):
        self.data = list(data)
        self.terms = list(terms)
        self.order = order
        self.settings = settings
        self.noises = [noise_of(field) for field in data]
        highest = [max(term.order[k] for term in terms) for k in range(len(steps) - 1)]
        axes = [
            bumps_for(data, k, step, most, settings)
            for k, (step, most) in enumerate(zip(steps, (order, *highest), strict=True))
        ]
        self.axes = _thinned(axes, settings.rows)

    @cached_property
    def features(self) -> np.ndarray:
        """Integrals of all terms, (rows, terms)."""
        kept: dict[tuple[int, ...], np.ndarray] = {}
        columns = []
        for term in self.terms:
            if term.powers not in kept:
                values = term.values(self.data, self.noises)
                kept[term.powers] = np.tensordot(self._time(0), values, axes=(1, 0))
            columns.append((-1) ** sum(term.order) * self._in_space(kept[term.powers], term.order).ravel())
        return np.stack(columns, axis=1)

    def rates(self, field: int) -> np.ndarray:
        """Integrals of the derivative in time of one field, (rows,)."""
        values = np.tensordot(self._time(self.order), self.data[field], axes=(1, 0))
        none = (0,) * (len(self.axes) - 1)
        return (-1) ** self.order * self._in_space(values, none).ravel()

    def covariance(self, field: int, chosen: Sequence[int], coefficients: np.ndarray) -> np.ndarray:
        """Covariance of the rows' residuals for given terms: noise of the data to first order, and error of the grid.

        The residual is linear in the noise at each point, with a factor for each test function (Bortz, Messenger and
        Dukic, "Direct estimation of parameters in ODE models using WENDy", 2023): a sum over moments of products of one
        matrix for time and one for space.
        """
        plain = self._time(0)
        risen = (-1) ** self.order * self._time(self.order)
        none = (0,) * (len(self.axes) - 1)
        rows = len(plain) * self._rows_in_space
        total = np.zeros((rows, rows))
        for number, noise in enumerate(self.noises):
            own = self._space_matrix(none) if number == field else None
            factors = [
                (self.terms[j], c) for j, c in zip(chosen, coefficients, strict=True) if self.terms[j].powers[number]
            ]
            if own is None and not factors:
                continue
            slopes = [term.slope(self.data, number).reshape(len(self.data[0]), -1) for term, _ in factors]
            matrices = [c * (-1) ** sum(term.order) * self._space_matrix(term.order) for term, c in factors]
            moments = len(self.data[0])
            kernel = np.zeros((3, moments, self._rows_in_space, self._rows_in_space))
            for moment in range(moments):
                m = np.zeros((self._rows_in_space, self.data[0][0].size))
                for slope, matrix in zip(slopes, matrices, strict=True):
                    m += matrix * slope[moment]
                kernel[0, moment] = m @ m.T
                if own is not None:
                    kernel[1, moment] = m @ own.T
            total += noise**2 * _over_moments(plain, plain, kernel[0])
            if own is not None:
                mixed = _over_moments(plain, risen, kernel[1])
                square = np.broadcast_to(own @ own.T, kernel[2].shape)
                total += noise**2 * (_over_moments(risen, risen, square) - mixed - mixed.T)
        floor = self.settings.resolution**2 * np.mean(self.rates(field) ** 2)
        return total + max(floor, np.finfo(float).tiny) * np.eye(rows)

    def _time(self, order: int) -> np.ndarray:
        return self.axes[0].matrix(order)

    @property
    def _rows_in_space(self) -> int:
        return math.prod(len(axis.places) for axis in self.axes[1:])

    def _space_matrix(self, order: Sequence[int]) -> np.ndarray:
        """Test functions of space at all points, (rows in space, points)."""
        matrix = np.ones((1, 1))
        for axis, each in zip(self.axes[1:], order, strict=True):
            matrix = np.kron(matrix, axis.matrix(each))
        return matrix

    def _in_space(self, values: np.ndarray, order: Sequence[int]) -> np.ndarray:
        """Integrals over space of values (k, nx, ...), one axis after the other."""
        for number, (axis, each) in enumerate(zip(self.axes[1:], order, strict=True), start=1):
            values = np.moveaxis(np.tensordot(axis.matrix(each), values, axes=(1, number)), 0, number)
        return values


def _over_moments(left: np.ndarray, right: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Sum over moments i of left[k, i] right[l, i] kernel[i, a, b], as a matrix over (k, a) and (l, b)."""
    pairs = (left[:, None, :] * right[None, :, :]).reshape(-1, left.shape[1])
    summed = (pairs @ kernel.reshape(len(kernel), -1)).reshape(len(left), len(right), *kernel.shape[1:])
    rows = len(left) * kernel.shape[1]
    return summed.transpose(0, 2, 1, 3).reshape(rows, -1)


def _thinned(axes: Sequence[Bumps], rows: int) -> list[Bumps]:
    """Fewer places along the axis that has most, until all test functions together are not too many."""
    axes = list(axes)
    while math.prod(len(axis.places) for axis in axes) > rows:
        longest = max(range(len(axes)), key=lambda k: len(axes[k].places))
        axis = axes[longest]
        first = axis.places[0]
        last = axis.places[-1]
        places = np.unique(np.linspace(first, last, len(axis.places) - 1).round().astype(int))
        axes[longest] = Bumps(axis.step, axis.size, axis.half_width, axis.exponent, places)
    return axes
