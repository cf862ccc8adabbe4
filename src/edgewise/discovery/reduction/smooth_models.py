"""An accurate smooth model of rows, with its derivatives and left-out errors: what reductions of a law are read from.

The model is a Gaussian process with a squared exponential kernel and a length for each input (Rasmussen and Williams,
Gaussian Processes for Machine Learning, 2006, chapters 2 and 5). Lengths and noise maximise the evidence; inputs and
target are taken as they are or by their logarithms, whichever predicts left-out rows better. The kernel may be a sum of
kernels of groups of inputs, so that the model is a sum of one function of each group (Duvenaud et al., Additive
Gaussian processes, 2011).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from edgewise.outcomes import spend
from edgewise.scaling import AffineScaling
from edgewise.settings import CALL_WORK, PRODUCT_SPEED


@dataclass(frozen=True)
class SmoothModelSettings:
    """Rows, starts and work of a smooth model."""

    # Rows of a first comparison of variants, rows of the fit of the lengths, and rows of the model itself: the cubes of
    # the first two numbers times about 100 evaluations are half a second of one core each.
    first_rows: int = 120
    length_rows: int = 240
    rows: int = 400
    # Starts of the fit: logarithms of length and of noise; smooth data, wavier data, and noisy data.
    parameter_starts: tuple[tuple[float, float], ...] = (
        (1.5, math.log(1e-6)),
        (0.5, math.log(1e-6)),
        (1.0, math.log(1e-2)),
    )
    constant: float = 1e-10  # Relative deviation of a target that rounding of a few operations explains.
    # Share of the kernel's diagonal that is added to it, so that rounding keeps it positive definite.
    jitter: float = 1e-11
    # Evaluations of the evidence of a first fit and of its continuation on more rows.
    first_evaluations: int = 50
    last_evaluations: int = 25
    # Bounds of the logarithms of lengths, in deviations of an input, and of variances of noise and groups, in those of
    # the target.
    length_bounds: tuple[float, float] = (-3.0, 7.0)
    noise_bounds: tuple[float, float] = (math.log(1e-12), 0.0)
    amplitude_bounds: tuple[float, float] = (-12.0, 12.0)


SETTINGS = SmoothModelSettings()

Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Scales:
    """The coordinates in which a model is smooth: logarithms where chosen, then standardised."""

    log_inputs: np.ndarray  # (inputs,), the inputs that are replaced by their logarithms
    log_target: int  # 0 for the target itself, 1 or -1 for the logarithm of the target times this sign
    centre: np.ndarray  # (inputs,), mean and standard deviation of the inputs after that
    width: np.ndarray
    target_centre: float  # mean and standard deviation of the target after that
    target_width: float

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, log_inputs: np.ndarray, log_target: int) -> Scales:
        """The scales of these rows."""
        u = np.where(log_inputs, np.log(np.where(log_inputs, x, 1.0)), x)
        if log_target:
            t = np.log(log_target * y)
        else:
            t = y
        inputs = AffineScaling.standard(u, np.ones(len(u)))
        return cls(log_inputs, log_target, inputs.shift, inputs.scale, float(t.mean()), float(t.std()))

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """Scaled inputs, (N, inputs); an input outside the domain of its logarithm is NaN."""
        with np.errstate(all="ignore"):
            return (np.where(self.log_inputs, np.log(np.where(self.log_inputs, x, 1.0)), x) - self.centre) / self.width

    def target(self, y: np.ndarray) -> np.ndarray:
        """Scaled target, (N,)."""
        return ((np.log(self.log_target * y) if self.log_target else y) - self.target_centre) / self.target_width

    def original(self, scaled: np.ndarray) -> np.ndarray:
        """The target in its own unit, from its scaled values."""
        t = self.target_centre + self.target_width * scaled
        if self.log_target:
            return self.log_target * np.exp(np.minimum(t, 700.0))
        return t

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """Derivatives of the scaled inputs by the inputs, (N, inputs)."""
        return np.where(self.log_inputs, 1 / np.where(self.log_inputs, x, 1.0), 1.0) / self.width


@dataclass(frozen=True)
class SmoothModel:
    """A Gaussian process of rows, or a sum of several; made by `fit_smooth_model`."""

    scales: Scales  # coordinates of the model
    groups: Groups  # inputs of each part of the sum
    # logarithms of the lengths of each input of each group, of the groups' variances, and of the noise's variance
    parameters: np.ndarray
    rows: np.ndarray  # (n, inputs), scaled inputs of the modelled rows
    coefficients: np.ndarray  # (n,), weights of the kernels at these rows
    left_out: np.ndarray  # (n,), target of each row less its prediction from all others, in the unit of the target
    chosen: np.ndarray  # (n,), places of the modelled rows among all rows
    noise: float  # estimated root mean square noise in the unit of the target

    @property
    def error(self) -> float:
        """Root mean square error of the predictions of left-out rows, in the unit of the target."""
        return float(np.sqrt(np.mean(self.left_out**2)))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predictions at the rows x, (N,)."""
        if not self.groups:
            return np.full(len(x), self.scales.target_centre)
        z = self.scales.inputs(x)
        spend(len(x) * len(self.rows) * (30 + 4 * x.shape[1]))
        return self.scales.original(sum(self._kernel(z, g) for g in range(len(self.groups))) @ self.coefficients)

    def part(self, x: np.ndarray, group: int) -> np.ndarray:
        """The part of one group at the rows x in the unit of the modelled target, without its constant, (N,)."""
        return self.scales.target_width * (self._kernel(self.scales.inputs(x), group) @ self.coefficients)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Derivatives of the modelled target, the logarithm where `scales.log_target`, by the inputs, (N, inputs)."""
        z = self.scales.inputs(x)
        result = np.zeros(x.shape)
        spend(len(x) * len(self.rows) * (30 + 8 * x.shape[1]))
        # The derivative of exp(-(z - r)^2 / 2 l^2) by z is the kernel times (r - z) / l^2.
        for g, (group, inverse) in enumerate(zip(self.groups, self._inverse_squares(), strict=True)):
            weighted = self._kernel(z, g) * self.coefficients
            total = weighted.sum(1)
            for i, w in zip(group, inverse, strict=True):
                result[:, i] += w * (weighted @ self.rows[:, i] - z[:, i] * total)
        return self.scales.target_width * result * self.scales.slopes(x)

    def scaled_hessian(self, x: np.ndarray) -> np.ndarray:
        """Second derivatives of the scaled target by the scaled inputs at the rows x, (N, inputs, inputs)."""
        z = self.scales.inputs(x)
        result = np.zeros((*x.shape, x.shape[1]))
        spend(len(x) * len(self.rows) * (30 + 4 * x.shape[1] ** 2))
        for g, (group, inverse) in enumerate(zip(self.groups, self._inverse_squares(), strict=True)):
            weighted = self._kernel(z, g) * self.coefficients
            total = weighted.sum(1)
            distance = [w * (self.rows[:, i] - z[:, i, None]) for i, w in zip(group, inverse, strict=True)]
            # Second derivatives of the kernel: the product of two of these factors, less 1 / l^2 on the diagonal.
            for a, i in enumerate(group):
                for b, j in enumerate(group[: a + 1]):
                    value = np.einsum("nk,nk,nk->n", weighted, distance[a], distance[b])
                    value -= inverse[a] * total if i == j else 0.0
                    result[:, i, j] += value
                    if i != j:
                        result[:, j, i] += value
        return result

    def _inverse_squares(self) -> list[np.ndarray]:
        ends = np.cumsum([len(group) for group in self.groups])
        return [np.exp(-2 * part) for part in np.split(self.parameters[: ends[-1]], ends[:-1])]

    def _kernel(self, z: np.ndarray, g: int) -> np.ndarray:
        group = list(self.groups[g])
        inverse = self._inverse_squares()[g]
        amplitude = self.parameters[-1 - len(self.groups) + g]
        # Squared distances in units of the lengths; differences first, since the coefficients magnify rounding.
        squares = sum(w * (z[:, i, None] - self.rows[:, i]) ** 2 for i, w in zip(group, inverse, strict=True))
        return np.exp(amplitude - 0.5 * squares)


def fit_smooth_model(
    x: np.ndarray,
    y: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: Groups | None = None,
    log_target: bool | None = None,
    like: SmoothModel | None = None,
    seed: int = 0,
) -> SmoothModel | None:
    """Fit a Gaussian process in the coordinates that predict left-out rows best."""
    # Shapes: x (N, inputs), y (N,), weights (N,).
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    order = np.random.default_rng(seed).permutation(len(y))[: SETTINGS.rows]
    if not x.shape[1] or y.std() <= SETTINGS.constant * np.abs(y).max():
        return _constant(x, y, np.ones(len(y)) if weights is None else weights, order)
    groups = groups or (tuple(range(x.shape[1])),)
    # The coordinates of the other model where these rows allow them, from its typical length and noise.
    if like is not None:
        logs = np.asarray((x > 0).all(axis=0)) & like.scales.log_inputs.any()
        scales = Scales.of(x, y, logs, int(np.sign(y[0])) if like.scales.log_target and (y * y[0] > 0).all() else 0)
        lengths = like.parameters[: -1 - len(like.groups)]
        start = (float(np.clip(np.median(lengths), 0.5, 2.0)), float(like.parameters[-1]))
        return _continued(x, y, weights, scales, groups, start, order)
    first = order[: SETTINGS.first_rows]
    best = None
    # Coordinates that these rows allow: inputs, or logarithms of positive ones; the same for the target.
    positive = np.asarray((x > 0).all(axis=0))
    signs = [0]
    if (y > 0).all():
        signs = [0, 1]
    elif (y < 0).all():
        signs = [0, -1]
    for logs, sign in product([np.zeros(x.shape[1], dtype=bool), positive][: 1 + positive.any()], signs):
        if log_target is not None and log_target != bool(sign):
            continue
        scales = Scales.of(x, y, logs, sign)
        noise = _row_noise(y, weights, scales, first)
        fits = [_maximised(x[first], y[first], noise, scales, groups, start) for start in SETTINGS.parameter_starts]
        usable = [fit for fit in fits if fit is not None]
        # Maximum evidence of several starts; coordinates are compared by left-out residuals.
        if usable:
            parameters = min(usable, key=lambda fit: fit[0])[1]
            model = _conditioned(x, y, noise, scales, groups, parameters, first)
            if model is not None and (best is None or model.error < best.error):
                best = model
    return best and (_continued(x, y, weights, best.scales, groups, best.parameters, order) or best)


def _continued(
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None,
    scales: Scales,
    groups: Groups,
    start: tuple[float, float] | np.ndarray,
    order: np.ndarray,
) -> SmoothModel | None:
    """The model of the ordered rows, its parameters continued from a start on the first of them."""
    # Lengths by the evidence of some rows, then the model of all of them.
    rows = order[: SETTINGS.length_rows]
    noise = _row_noise(y, weights, scales, rows)
    found = _maximised(x[rows], y[rows], noise, scales, groups, start, SETTINGS.last_evaluations)
    if found is None:
        return None
    return _conditioned(x, y, _row_noise(y, weights, scales, order), scales, groups, found[1], order)


def _constant(x: np.ndarray, y: np.ndarray, weights: np.ndarray, order: np.ndarray) -> SmoothModel:
    """The model without inputs: the weighted mean."""
    mean = float(np.average(y, weights=weights))
    # Left-out residuals of a weighted mean, by its leverages.
    left_out = (y[order] - mean) / (1 - weights[order] / weights.sum())
    flags = np.zeros(x.shape[1], dtype=bool)
    zeros = np.zeros(x.shape[1])
    scales = Scales(flags, 0, zeros, np.ones(x.shape[1]), mean, 1.0)
    noise = float(np.sqrt(np.mean(left_out**2)))
    return SmoothModel(scales, (), np.zeros(1), x[order], np.zeros(len(order)), left_out, order, noise)


def _row_noise(y: np.ndarray, weights: np.ndarray | None, scales: Scales, rows: np.ndarray) -> np.ndarray:
    """Variances of the noise of the rows in the modelled coordinates, up to a factor; their mean is 1."""
    # The logarithm of a target with noise of one size has noise 1 / |y|; rows near zero are limited to the tenth part
    # of the median, since there y is mostly noise itself.
    if weights is None:
        variance = np.ones(len(rows))
    else:
        variance = 1 / np.maximum(weights[rows], 1e-12 * weights.max())
    if scales.log_target:
        variance = variance / np.maximum(np.abs(y[rows]), 0.1 * np.median(np.abs(y))) ** 2
    return variance / variance.mean()


def _maximised(
    x: np.ndarray,
    y: np.ndarray,
    row_noise: np.ndarray,
    scales: Scales,
    groups: Groups,
    start: tuple[float, float] | np.ndarray,
    steps: int = SETTINGS.first_evaluations,
) -> tuple[float, np.ndarray] | None:
    """Parameters that maximise the evidence of these rows from a start, with the negative logarithm of it."""
    from scipy.optimize import minimize

    # Squared distances by input, and the bounds of logarithms of lengths, amplitudes and noise
    z = scales.inputs(x)
    t = scales.target(y)
    places = [(g, i) for g, group in enumerate(groups) for i in group]
    squares = np.array([(z[:, i, None] - z[:, i]) ** 2 for _, i in places]).reshape(len(places), -1)
    ends = np.cumsum([len(group) for group in groups])
    bounds = [SETTINGS.length_bounds] * len(places) + [SETTINGS.amplitude_bounds] * len(groups)
    bounds.append(SETTINGS.noise_bounds)
    bounds[len(places)] = (0.0, 0.0)  # One variance follows from the data, the others are relative to it.
    if len(start) < len(bounds):  # one length of all inputs, and the noise
        start = np.r_[np.full(len(places), start[0]), np.zeros(len(groups)), start[1]]

    def evidence(p: np.ndarray) -> tuple[float, np.ndarray]:
        """The negative log evidence, the variance of the target maximised in closed form, and its gradient."""
        # Sum of squared-exponential kernels, one for each group of inputs
        inverse = np.exp(-2 * p[: len(places)])
        noise = np.exp(p[-1])
        parts = [
            np.exp(amplitude - 0.5 * (w @ s)).reshape(len(t), -1)
            for w, s, amplitude in zip(
                np.split(inverse, ends[:-1]), np.split(squares, ends[:-1]), p[len(places) : -1], strict=True
            )
        ]
        spend(100 * CALL_WORK + len(t) ** 2 * (70 * len(groups) + 10 * len(places)) + 4 * len(t) ** 3 / PRODUCT_SPEED)
        kernel = sum(parts) + np.diag(noise * row_noise + SETTINGS.jitter * np.exp(p[len(places) : -1]).sum())
        solved = _solved(kernel, t)
        if solved is None:
            return 1e10, np.zeros_like(p)
        whole, a, log_determinant = solved
        variance = float(t @ a) / len(a)
        if not variance > 0:
            return 1e10, np.zeros_like(p)
        # Gradient by the kernel, 1/2 tr((K^-1 - a a' / variance) dK)
        pull = whole - np.outer(a, a) / variance
        by_length = [
            0.5 * w * (s @ (pull * part).ravel())
            for w, s, part in zip(np.split(inverse, ends[:-1]), np.split(squares, ends[:-1]), parts, strict=True)
        ]
        by_amplitude = [0.5 * np.sum(pull * part) for part in parts]
        by_noise = 0.5 * noise * (np.diag(pull) @ row_noise)
        value = 0.5 * len(a) * math.log(variance) + log_determinant
        return value, np.r_[np.concatenate(by_length), by_amplitude, by_noise]

    found = minimize(evidence, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxfun": steps})
    if found.fun < 1e10:
        return (float(found.fun), found.x)
    return None


def _solved(matrix: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Inverse of a symmetric matrix, solution, and half the logarithm of its determinant."""
    # None if the matrix is not positive definite. The solution is refined once: the product of the inverse with the
    # target would be off by the condition number.
    from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

    # Cholesky factorisation, with one step of iterative refinement.
    factor, failed = dpotrf(matrix, lower=1)
    if failed:
        return None
    solution, _ = dpotrs(factor, target, lower=1)
    solution = solution + dpotrs(factor, target - matrix @ solution, lower=1)[0]
    half_determinant = float(np.log(np.diag(factor)).sum())
    inverse, _ = dpotri(factor, lower=1)
    return np.tril(inverse) + np.tril(inverse, -1).T, solution, half_determinant


def _conditioned(
    x: np.ndarray,
    y: np.ndarray,
    row_noise: np.ndarray,
    scales: Scales,
    groups: Groups,
    parameters: np.ndarray,
    rows: np.ndarray,
) -> SmoothModel | None:
    """The model of these rows for given lengths; None where its matrix is singular or its residuals are not finite."""
    # Coefficients of the posterior mean, K^-1 t.
    z = scales.inputs(x[rows])
    t = scales.target(y[rows])
    empty = SmoothModel(scales, groups, parameters, z, np.empty(0), np.empty(0), rows, 0.0)
    kernel = sum(empty._kernel(z, g) for g in range(len(groups)))
    jitter = SETTINGS.jitter * np.exp(parameters[-1 - len(groups) : -1]).sum()
    solved = _solved(kernel + np.diag(np.exp(parameters[-1]) * row_noise + jitter), t)
    if solved is None:
        return None
    spend(len(t) ** 2 * (60 + 8 * z.shape[1]) + 2 * len(t) ** 3 / PRODUCT_SPEED)
    inverse, a, _ = solved
    # Left-out residuals of a Gaussian process: Rasmussen and Williams, equations 5.10 to 5.12.
    left_out = y[rows] - scales.original(t - a / np.diag(inverse))
    if not np.isfinite(left_out).all():
        return None
    # The noise variance in the modelled coordinates, then in the unit of the target.
    variance = max(float(t @ a) / len(t), 0.0) * np.exp(parameters[-1]) * row_noise
    slope = scales.target_width * (np.abs(y[rows]) if scales.log_target else 1.0)
    return replace(empty, coefficients=a, left_out=left_out, noise=float(np.sqrt(np.mean(variance * slope**2))))
