"""A trajectory without its noise: a penalised quintic spline whose smoothness varies in time, by REML.

The third derivative of a quintic spline is a quadratic one with coefficients d = D c. The penalty is the sum of
exp(rho(t_j)) d_j^2, rho a broken line in time, so that its logarithmic determinant is the sum of the rho(t_j), and the
restricted likelihood needs one banded Cholesky factor (Wood, Generalized Additive Models, 2nd ed., sections 6.2.6 and
5.3.5; Ruppert and Carroll, Aust. N. Z. J. Stat. 42 (2000) 205). A spike at the start so does not roughen the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded
from scipy.optimize import minimize

from edgewise.dynamics.settings import DynamicsSettings
from edgewise.settings import ABOVE_ZERO

DEGREE = 5


@dataclass(frozen=True)
class Smooth:
    """A coordinate along a trajectory: its spline, and standard deviations at the samples (n,)."""

    spline: BSpline
    sigma: np.ndarray  # of the noise of a sample
    derivative_error: np.ndarray  # of the spline's first derivative

    def exponential(self, t: np.ndarray) -> Smooth:
        """The smooth of a coordinate from that of its logarithm: a spline through the exponential at a fine grid."""
        fine = np.unique(np.concatenate([t, *(t[:-1] + share * np.diff(t) for share in (0.25, 0.5, 0.75))]))
        size = np.exp(self.spline(t))
        slope = np.abs(self.spline.derivative()(t))
        error = size * np.hypot(self.derivative_error, slope * self.sigma)
        return Smooth(make_interp_spline(fine, np.exp(self.spline(fine)), DEGREE), size * self.sigma, error)


def quadrature(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss points and weights, both (intervals, 5), of the intervals between the times t (n,)."""
    half = np.diff(t)[:, None] / 2
    middle = (t[1:] + t[:-1])[:, None] / 2
    points, weights = np.polynomial.legendre.leggauss(5)
    return middle + half * points, half * weights


def smooth(t: np.ndarray, y: np.ndarray, settings: DynamicsSettings) -> Smooth:
    """Smooth a coordinate y (n,), NaN where missing, under noise of one size or proportional to the value.

    The better of the two by their restricted likelihoods; 4 is the difference of Akaike's criterion for two choices.
    """
    present = np.isfinite(y)
    times = t[present]
    values = y[present]
    largest = np.abs(values).max() + ABOVE_ZERO
    same = _Reml(times, values, np.ones(len(values)), settings)
    # Noise in proportion to the curve itself, which the curve of the same noise starts. The second round goes on from
    # the strengths of the first: all of them searched anew may end at the line whose noise is the whole motion
    relative = _Reml(times, values, np.abs(same.spline(times)) + 0.02 * largest, settings)
    size = np.abs(relative.spline(times)) + 0.01 * largest
    relative = _Reml(times, values, size, settings, relative)
    # Noise of one size on the logarithm, which is the smoother curve where a coordinate runs over powers of ten
    if values.min() > 0:
        logarithm = _Reml(times, np.log(values), np.ones(len(values)), settings)
        criterion = logarithm.criterion + 2 * float(np.log(values).sum())
        if criterion < min(relative.criterion, same.criterion) - 4:
            return logarithm.smooth(t, np.ones(len(t))).exponential(t)
    if relative.criterion < same.criterion - 4:
        sizes = np.abs(relative.spline(t)) + 0.01 * largest
        return relative.smooth(t, sizes)
    return same.smooth(t, np.ones(len(t)))


class _Reml:
    """A spline of maximal restricted likelihood under noise of given relative sizes (n,)."""

    rho: np.ndarray  # (pieces,) logarithms of strengths
    hats: np.ndarray  # (roughness terms, pieces) by which they become a broken line in time

    def __init__(
        self, t: np.ndarray, y: np.ndarray, size: np.ndarray, settings: DynamicsSettings, before: _Reml | None = None
    ):
        # The descent begins at the strengths `before`; None searches all of them
        places = t
        if len(t) > settings.most_knots:
            places = t[np.round(np.linspace(0, len(t) - 1, settings.most_knots)).astype(int)]
        self.knots = make_interp_spline(places, np.zeros(len(places)), DEGREE).t
        count = len(self.knots) - DEGREE - 1
        # Sums of squares of samples in units of the noise, banded
        basis = BSpline.design_matrix(t, self.knots, DEGREE).toarray() / size[:, None]
        self.target = y / size
        self.gram = basis.T @ basis
        self.gram_bands = np.zeros((DEGREE + 1, count))
        for band in range(DEGREE + 1):
            self.gram_bands[band, : count - band] = np.diagonal(self.gram, -band)
        self.gram_bands[0] *= 1 + 1e-13
        self.right = basis.T @ self.target
        self.total = float(self.target @ self.target)
        # Coefficients of the third derivative, each weighed by the length of its B-spline
        order = 3  # of the penalised derivative
        third = BSpline(self.knots, np.eye(count), DEGREE).derivative(order)
        roughness = third.c[: count - order]
        lengths = third.t[order:] - third.t[:-order]
        length = lengths[: count - order]
        self.roughness = roughness * np.sqrt(length / order)[:, None]
        # Row j of D has four entries, from column j on.
        rows = np.arange(count - order)
        self.entries = [self.roughness[rows, rows + k] for k in range(order + 1)]
        self.centres = np.convolve(third.t, np.ones(4) / 4, "valid")[: count - order]
        self.freedom = len(t) - order
        # Noise is at least the rounding of the samples: without it the likelihood of exact data has no bound.
        self.rounding = (1e-9 * np.std(self.target)) ** 2 * self.freedom + ABOVE_ZERO

        if before is None:
            self._search(t, settings)
        else:
            self.hats = before.hats
            self.rho, self.criterion = self._least(before.rho, self.hats)
        factor, strength = self._factor(self.rho, self.hats)
        self.coefficients = cho_solve_banded((factor, True), self.right)
        self.variance = self._variance(self.coefficients, strength)
        self.criterion += 2 * float(np.log(size).sum())
        self.factor = factor

    def _search(self, t: np.ndarray, settings: DynamicsSettings) -> None:
        """One strength for all times, by a grid and then by descent, and from it a broken line of strengths."""
        scale = np.log(np.trace(self.gram) / np.trace(self.roughness.T @ self.roughness))
        everywhere = np.ones((len(self.centres), 1))
        grid = scale + np.linspace(-14, 30, 23)
        start = grid[int(np.argmin([self._value(np.array([rho]), everywhere) for rho in grid]))]
        self.rho, self.criterion = self._least(np.array([start]), everywhere)
        self.hats = everywhere
        pieces = min(settings.time_pieces, self.freedom // 10)
        if pieces > 1:
            corners = np.quantile(t, np.linspace(0, 1, pieces))
            hats = np.column_stack([np.interp(self.centres, corners, row) for row in np.eye(pieces)])
            rho, criterion = self._least(np.full(pieces, self.rho[0]), hats)
            # Akaike's price of the further strengths
            if criterion < self.criterion - 2 * (pieces - 1):
                self.rho = rho
                self.hats = hats
                self.criterion = criterion

    @property
    def spline(self) -> BSpline:
        """The smoothed coordinate."""
        return BSpline(self.knots, self.coefficients, DEGREE)

    def smooth(self, t: np.ndarray, size: np.ndarray) -> Smooth:
        """The result at all times, with the relative sizes of the noise there."""
        slopes = BSpline(self.knots, np.eye(len(self.coefficients)), DEGREE).derivative()(t)
        spread = np.einsum("ij,ji->i", slopes, cho_solve_banded((self.factor, True), slopes.T))
        return Smooth(self.spline, np.sqrt(self.variance) * size, np.sqrt(self.variance * np.maximum(spread, 0)))

    def _factor(self, rho: np.ndarray, hats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The Cholesky factor of the penalised normal matrix, banded, and the strengths."""
        strength = np.exp(np.clip(hats @ rho, -600, 600))
        bands = self.gram_bands.copy()
        for column, entry in enumerate(self.entries):
            for band, lower in enumerate(self.entries[column:]):
                bands[band, column : column + len(entry)] += strength * entry * lower
        try:
            return cholesky_banded(bands, lower=True), strength
        except LinAlgError:  # strengths that differ by more digits than numbers have: a ridge above their rounding
            bands[0] *= 1 + 1e-10
            return cholesky_banded(bands, lower=True), strength

    def _variance(self, coefficients: np.ndarray, strength: np.ndarray) -> float:
        """The variance of the noise, profiled out of the restricted likelihood."""
        rough = self.roughness @ coefficients
        squares = self.total - 2 * float(coefficients @ self.right) + float(coefficients @ self.gram @ coefficients)
        return (max(squares, 0.0) + float(strength @ rough**2) + self.rounding) / self.freedom

    def _value(self, rho: np.ndarray, hats: np.ndarray) -> float:
        """Minus twice the log restricted likelihood."""
        factor, strength = self._factor(rho, hats)
        variance = self._variance(cho_solve_banded((factor, True), self.right), strength)
        determinant = 2 * float(np.log(factor[0]).sum()) - float((hats @ rho).sum())
        return determinant + self.freedom * float(np.log(variance))

    def _value_and_slope(self, rho: np.ndarray, hats: np.ndarray) -> tuple[float, np.ndarray]:
        """The criterion, and its gradient by the corners of the broken line."""
        factor, strength = self._factor(rho, hats)
        coefficients = cho_solve_banded((factor, True), self.right)
        variance = self._variance(coefficients, strength)
        rough = self.roughness @ coefficients
        inner = np.einsum("ij,ji->i", self.roughness, cho_solve_banded((factor, True), self.roughness.T))
        value = 2 * float(np.log(factor[0]).sum()) - float((hats @ rho).sum())
        value += self.freedom * float(np.log(variance))
        slope = strength * inner - 1 + strength * rough**2 / variance
        return value, hats.T @ slope

    def _least(self, start: np.ndarray, hats: np.ndarray) -> tuple[np.ndarray, float]:
        """The strengths of maximal restricted likelihood near a start."""
        bounds = [(value - 15, value + 15) for value in start]
        found = minimize(
            self._value_and_slope,
            start,
            args=(hats,),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 40, "ftol": 1e-6},
        )
        return found.x, float(found.fun)
