"""Strengths of ridge penalties by restricted maximum likelihood, from a normal matrix alone.

`fit_reml` finds the strength of each group of columns, and takes groups out that vanish; `fit_mapped` finds few numbers
of which all strengths are functions. Wood, Generalized Additive Models (2nd ed.), section 6.2.6: the criterion with the
scale profiled out,

    log |X'WX + S| - log |S|+ + (n - M) log (|y - Xb|^2_W + b'Sb),

with b the penalised least squares of the n rows and M columns without a penalty; section 6.5.2 and S. N. Wood, J. R.
Statist. Soc. B 73 (2011) 3: Newton's method in the logs of the strengths; section 6.11.1 and S. N. Wood, N. Pya and B.
Saefken, J. Am. Statist. Assoc. 111 (2016) 1548, section 4: the covariance with the uncertainty of the strengths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewise.gam.normal import NormalMatrix
from edgewise.gam.policy import RemlPolicy
from edgewise.outcomes import check_time
from edgewise.settings import ABOVE_ZERO

Array = NDArray[np.float64]
DEFAULTS = RemlPolicy()


@dataclass(frozen=True)
class RemlFit:
    """Coefficients and strengths of maximal restricted likelihood."""

    coef: Array  # coefficients of all columns, (p,); zeros for groups that vanished. Of several responses (p, m)
    strength: Array  # strength of each group's ridge, (groups,), infinite for groups that vanished
    covariance: Array  # bayesian covariance of the coefficients, (p, p): dispersion (X'WX + S)^-1
    edf: Array  # effective degrees of freedom of each group, (groups,)
    dispersion: float  # estimated variance of a row of weight 1, or the given one
    criterion: float  # minus twice the log restricted likelihood, but for a constant
    iterations: int  # Newton steps
    converged: bool  # whether the tolerance was reached
    _state: _Criterion = field(repr=False)
    # positions, among all columns, of the estimated ones; None for all
    columns: NDArray[np.intp] | None = field(default=None, repr=False)

    def ridge(self, groups: NDArray[np.intp]) -> Array:
        """Return the strength of the ridge of each column, of these groups: 0 without one, and where it vanished."""
        return np.append(np.where(np.isfinite(self.strength), self.strength, 0.0), 0.0)[groups]

    @cached_property
    def corrected_covariance(self) -> Array:
        """Covariance of the coefficients, (p, p), with the uncertainty of finite strengths, for bands of one curve."""
        # It is V + J V_rho J', with V_rho the inverse of the Hessian of minus the log restricted likelihood in the logs
        # of the strengths (with a prior variance, as in mgcv) and J = -P S_j b the derivative of the coefficients.
        likelihood = self._state
        point = self._optimum
        assert not self.is_shared
        _, curvature = likelihood.derivatives(point)
        inverse = point.inverse()
        group = likelihood.groups[point.on]
        on = np.flatnonzero(point.on)
        live = np.flatnonzero(np.isfinite(self.strength))
        pulled = (group[:, None] == live) * (self.strength[live] * point.coef)
        values, vectors = np.linalg.eigh(curvature[np.ix_(live, live)] / 2)
        moved = inverse @ (pulled @ (vectors / np.sqrt(np.maximum(values, 0) + 1 / likelihood.policy.prior_variance)))
        columns = self._estimated[on]
        covariance = self.covariance.copy()
        covariance[np.ix_(columns, columns)] += moved @ moved.T * (self.dispersion / point.dispersion)
        return covariance

    @cached_property
    def unconditional_covariance(self) -> Array:
        """Covariance of the coefficients with the uncertainty of all strengths, (p, p), for bands of a sum of curves.

        A vanished group has no Hessian, for it is at the edge of its strengths: its variance ratio is integrated out,
        see `vanished_moment`, beside the other groups as they are. Where groups are crowded, vanished ones stay without
        variance. `corrected_covariance` has the other groups; a band of a single curve with it holds what it states,
        while a sum of many curves needs the vanished ones too.
        """
        likelihood = self._state
        point = self._optimum
        inverse = point.inverse()
        # The Schur complement of each vanished group: its own information and score once the other groups have adapted.
        on = np.flatnonzero(point.on)
        extra = np.zeros((len(point.on), len(point.on)))
        gone = ~np.isfinite(self.strength) & (likelihood.first > 0) & (not likelihood.is_crowded)
        for g in np.flatnonzero(gone):
            own = np.flatnonzero(likelihood.groups == g)
            cross = likelihood.gram[np.ix_(on, own)]
            left = likelihood.gram[np.ix_(own, own)] - cross.T @ inverse @ cross
            score = (likelihood.moment[own] - cross.T @ point.coef)[:, 0]
            carry = np.zeros((len(extra), len(own)))
            carry[own] = np.eye(len(own))
            carry[on] = -inverse @ cross  # what the others do when this one moves
            # Its prior variance is integrated over its likelihood, and the spread carried on to all coefficients.
            extra += carry @ vanished_moment(left, score, point.dispersion, likelihood.policy.shrinkage_nodes) @ carry.T
        # In the columns that were estimated, and in units of the dispersion of the fit.
        columns = self._estimated
        covariance = self.corrected_covariance.copy()
        covariance[np.ix_(columns, columns)] += extra * (self.dispersion / point.dispersion)
        return covariance

    @cached_property
    def _optimum(self) -> _Point:
        """The criterion at the estimated strengths, whose factors both covariances use."""
        return self._state.at(self.strength)

    @property
    def _estimated(self) -> NDArray[np.intp]:
        """Positions of the columns that were estimated."""
        if self.columns is None:
            return np.arange(len(self.coef))
        return self.columns

    @property
    def is_shared(self) -> bool:
        """True if the strengths are those of several responses together."""
        return self._state.moment.shape[1] > 1

    def is_joint(self, other: RemlFit) -> bool:
        """Return whether this fit and another are of one likelihood, as those of several predictors together."""
        return self._state is other._state

    @property
    def total_edf(self) -> float:
        """Effective degrees of freedom of all columns, those without a penalty included."""
        return float(self._state.free + self.edf.sum())

    def worth(self, groups: Iterable[int]) -> float:
        """Return by how much the criterion rises without these groups, the other strengths staying as they are."""
        without = self.strength.copy()
        without[list(groups)] = np.inf
        return self._state.at(without).value - self.criterion


def fit_reml(
    normal: NormalMatrix,
    groups: NDArray[np.intp],
    start: Array | None = None,
    scale: float | None = None,
    *,
    policy: RemlPolicy = DEFAULTS,
    rivals: int = 0,
) -> RemlFit:
    """Estimate the strengths of ridge penalties on groups of columns by restricted maximum likelihood.

    The model is y = X b + e, with e of variance scale / weight and, for the columns of each group g, b normal with
    variance scale / strength_g. Newton's method in the logs of the strengths, with exact derivatives [1], minimises
    minus twice the log restricted likelihood::

        D / scale + (n - free) log scale + log |X'WX + S| - sum_g size_g log strength_g

    where D is the penalised residual sum of squares and S the diagonal matrix of the strengths. Without `scale`,
    scale = D / (n - free) minimises it. Several responses of one known scale share matrix and strengths: D is then the
    sum over the m responses, and the other terms count m - 1 times, since the responses are contrasts of classes that
    add up to zero, of which one fewer is free.

    A group whose strength grows without limit is taken out; it comes back when the derivative by its variance, at
    variance zero, is negative beside the groups that are left. A step takes O(p^3).

    `groups` has the group of each column, (p,), numbered from 0; -1 for columns without a penalty. `start` has first
    strengths, (groups,) or fewer, infinite for groups that start out vanished and NaN for unknown ones. `rivals` is the
    number of groups from which these were chosen by the response, if more [2].
    """
    # [1] S. Wood, "Fast stable restricted maximum likelihood and marginal likelihood estimation of semiparametric
    # generalized linear models", J. R. Statist. Soc. B 73 (2011) 3, sections 2 and 3.
    # [2] D. Foster and E. George, "The risk inflation criterion for multiple regression", Ann. Statist. 22 (1994) 1947.
    criterion = _Criterion(normal, np.asarray(groups), scale, policy, rivals)
    strength = criterion.start(start)
    returns = np.zeros(len(strength), int)
    point = criterion.at(strength)
    converged = False
    iterations = 0
    while iterations < policy.steps:
        check_time()
        # Groups whose penalty takes all of them, and still grows, have vanished.
        slope, curvature = criterion.derivatives(point)
        live = np.isfinite(point.strength)
        gone = live & (criterion.sizes - point.trace < policy.vanished) & (slope < 0)
        live &= ~gone
        # At a stationary point the vanished groups are tested by the derivative in their variance, at variance zero.
        if not gone.any() and _expected_fall(slope[live], curvature[np.ix_(live, live)]) < policy.tolerance:
            back = criterion.returning(point, returns)
            converged = not back.any()
            if converged:
                break
            returns += (back > 0).astype(int)
            point = criterion.at(np.where(back > 0, back, point.strength))
            iterations += 1
            continue
        # Newton's step in the logs of the strengths.
        iterations += 1
        better = _newton_step(criterion, point, slope, curvature, gone)
        if better is None:  # rounding hides any further gain
            converged = True
            break
        point = better
    return _result(criterion, point, iterations, converged)


class StrengthMap(Protocol):
    """The logs of the strengths of all groups as functions of few numbers, the state (q,)."""

    def logs(self, state: Array) -> Array:
        """Return the logs of the strengths, (groups,)."""

    def derivatives(self, state: Array, slope: Array) -> tuple[Array, Array]:
        """Return their Jacobian (groups, q), and their second derivatives summed with the weights `slope`, (q, q)."""


def fit_mapped(
    normal: NormalMatrix,
    groups: NDArray[np.intp],
    strengths: StrengthMap,
    state: Array,
    *,
    policy: RemlPolicy,
) -> tuple[RemlFit, Array]:
    """Estimate the state of which the strengths are functions, as `fit_reml` estimates each strength; return it too."""
    criterion = _Criterion(normal, np.asarray(groups), None, policy)
    point = criterion.at(np.exp(strengths.logs(state)))
    converged = False
    iterations = 0
    while iterations < policy.steps and not converged:
        # The derivatives by the state, by the chain rule.
        slope, curvature = criterion.derivatives(point)
        jacobian, bend = strengths.derivatives(state, slope)
        slope = jacobian.T @ slope
        curvature = jacobian.T @ curvature @ jacobian + bend
        if _expected_fall(slope, curvature) < policy.tolerance:
            converged = True
            break
        # A Newton step, halved until the criterion falls; if it never does, rounding hides any further gain.
        iterations += 1
        step = _direction(slope, curvature, policy.largest_step)
        converged = True
        for _ in range(policy.halvings):
            new = criterion.at(np.exp(strengths.logs(state + step)))
            if new.value < point.value:
                state = state + step
                point = new
                converged = False
                break
            step = step / 2
    return _result(criterion, point, iterations, converged), state


def _result(criterion: _Criterion, point: _Point, iterations: int, converged: bool) -> RemlFit:
    """Return the coefficients at a point, of all columns."""
    if not point.is_differentiated:
        criterion.derivatives(point)
    # From the columns of this point to all columns; coefficients of a vanished group are zero.
    p = len(criterion.groups)
    coef = np.zeros((p, point.coef.shape[1]))
    covariance = np.zeros((p, p))
    coef[point.on] = point.coef
    if coef.shape[1] == 1:
        coef = coef[:, 0]
    covariance[np.ix_(point.on, point.on)] = point.dispersion * point.inverse()
    # Effective degrees of freedom: the size of a group less the trace that its penalty takes.
    edf = np.where(np.isfinite(point.strength), criterion.sizes - point.trace, 0.0)
    criterion.forget()
    return RemlFit(
        coef, point.strength, covariance, edf, point.dispersion, point.value, iterations, converged, criterion
    )


def vanished_moment(left: Array, score: Array, scale: float, count: int) -> Array:
    """Return the posterior second moment about zero of the coefficients of a group that vanished, (q, q)."""
    # `left` is L = X_g' R X_g (q, q), what the other columns leave of the group's, `score` is X_g' r with the residuals
    # r of the model without the group, and `scale` the variance of a row of weight 1. With variance ratio t the
    # coefficients have the posterior covariance scale (L + I / t)^-1. The ratio is integrated out with the prior under
    # which its shrinkage t m / (1 + t m), m being the mean eigenvalue of L, is uniform [1]: it is proper, and the
    # likelihood of t is that of `fit_reml`.
    # [1] R. Natarajan and R. Kass, "Reference Bayesian methods for generalized linear mixed models", J. Am. Statist.
    # Assoc. 95 (2000) 227.
    values, vectors = np.linalg.eigh((left + left.T) / 2)
    values = np.maximum(values, 0.0)
    if not values.mean() > ABOVE_ZERO:
        return np.zeros_like(left)
    along = vectors.T @ score
    nodes, weights = np.polynomial.legendre.leggauss(count)
    shrinkage = (nodes + 1) / 2
    ratio = (shrinkage / (1 - shrinkage) / values.mean())[:, None]
    spread = ratio / (1 + ratio * values)  # eigenvalues of (L + I / t)^-1
    log = (spread * along**2).sum(1) / (2 * scale) - np.log1p(ratio * values).sum(1) / 2
    weights = weights * np.exp(log - log.max())
    weights /= weights.sum()
    means = spread * along
    return np.asarray(vectors @ (np.diag(scale * weights @ spread) + (means.T * weights) @ means) @ vectors.T)


def _expected_fall(slope: Array, curvature: Array) -> float:
    """Return by how much a Newton step would lower a quadratic criterion; infinity where it is not convex."""
    if not len(slope):
        return 0.0
    values, vectors = np.linalg.eigh(curvature)
    along = vectors.T @ slope
    small = 1e-10 * max(values[-1], 1.0)
    if values[0] < -small:  # a saddle, or far from a minimum
        if np.abs(along[values < -small]).max() > 1e-8:
            return float(np.inf)
        return 0.0
    return float((along**2 / np.maximum(values, small)).sum() / 2)


def _direction(slope: Array, curvature: Array, largest: float) -> Array:
    """Return a Newton step; where the criterion is not convex its absolute curvature gives a descent all the same."""
    values, vectors = np.linalg.eigh(curvature)
    along = vectors.T @ slope
    return np.asarray(-vectors @ np.clip(along / np.maximum(np.abs(values), 1e-10), -largest, largest))


def _newton_step(
    criterion: _Criterion, point: _Point, slope: Array, curvature: Array, gone: NDArray[np.bool_]
) -> _Point | None:
    """Return the point after a step that lowers the criterion and takes groups out, or None if there is none."""
    live = np.flatnonzero(np.isfinite(point.strength) & ~gone)
    step = _direction(slope[live], curvature[np.ix_(live, live)], criterion.policy.largest_step)
    for _ in range(criterion.policy.halvings):
        strength = np.where(gone, np.inf, point.strength)
        strength[live] = np.clip(strength[live] * np.exp(step), criterion.faintest[live], 1e200)
        new = criterion.at(strength)
        if new.value < point.value + 1e-12 * abs(point.value):
            return new
        step = step / 2
    if gone.any():
        return criterion.at(np.where(gone, np.inf, point.strength))
    return None


class _Point:
    """The criterion at given strengths, with the factor of the penalised normal matrix."""

    def __init__(self, strength: Array, on: NDArray[np.bool_], factor: Array, root: Array) -> None:
        self.strength = strength
        self.on = on
        self.factor = factor
        self.root = root
        self.coef: Array
        self.value: float
        self.dispersion: float
        self.is_differentiated = False
        self.trace: Array  # strength_g tr(P_gg), the share of each group's columns that the penalty takes
        self._inverse: Array | None = None

    def inverse(self) -> Array:
        """Return (X'WX + S)^-1 of the columns that are left."""
        if self._inverse is None:
            lower, _ = _lapack().dpotri(self.factor, lower=1)
            full = lower + lower.T
            full[np.diag_indices_from(full)] /= 2
            shrink = 1 / self.root
            full *= shrink[:, None]
            full *= shrink
            self._inverse = full
        return self._inverse


class _Criterion:
    """Minus twice the log restricted likelihood as a function of the strengths."""

    def __init__(
        self,
        normal: NormalMatrix,
        groups: NDArray[np.intp],
        scale: float | None,
        policy: RemlPolicy,
        rivals: int = 0,
    ) -> None:
        responses = normal.moment.shape[1]
        if responses > 1 and scale is None:
            raise ValueError(f"normal must hold one response where scale is unknown, got {responses}")
        self.policy = policy
        self.gram = normal.gram
        self.moment = normal.moment
        self.square = float(normal.square.sum())
        self.copies = max(responses - 1, 1)  # times that the strengths' determinants count
        self.groups = groups
        self.scale = scale
        self._last: tuple[NDArray[np.bool_], Array] | None = None  # columns of the last point, and their matrix
        # Number and size of the groups; columns of group -1 have no penalty.
        count = int(groups.max(initial=-1)) + 1
        self.free = int((groups < 0).sum())
        self.sizes = np.bincount(groups + 1, minlength=count + 1)[1:].astype(float)
        # Rivals for the rows: many groups beside few rows overfit their strengths.
        self.rivals = max(int((self.sizes > 0).sum()), rivals)
        self.is_crowded = self.rivals > policy.crowded * normal.rows
        self.degrees = max(normal.rows - self.free, 1.0)
        # The mean information of a column of each group sets the scale of its strength.
        power = _by_group(groups, np.diag(self.gram), count)
        self.first = power / np.maximum(self.sizes, 1)
        self.faintest = np.maximum(policy.faintest * self.first, 1e-250)

    def forget(self) -> None:
        """Drop the cached factors, which only speed up neighbouring points."""
        self._last = None

    def start(self, start: Array | None) -> Array:
        """Return the first strengths: those given, the mean diagonal of a group elsewhere."""
        # A group of zeros has nothing to give.
        start_at = self.first * self.sizes / (self.policy.first_share * (self.degrees + 1))
        strength = np.where((self.first > 0) & (not self.is_crowded), start_at, np.inf)
        if start is not None:
            given = np.asarray(start, float)[: len(strength)]
            known = ~np.isnan(given) & (self.first[: len(given)] > 0)
            strength[: len(given)][known] = given[known]
        return np.maximum(strength, self.faintest)

    def at(self, strength: Array) -> _Point:
        """Return the criterion at these strengths."""
        lapack = _lapack()
        on = (self.groups < 0) | np.isfinite(np.append(strength, np.inf)[self.groups])
        group = self.groups[on]
        ridge = np.where(group < 0, 0.0, np.append(strength, 0.0)[group])
        # The penalised normal matrix of the columns that have not vanished, scaled to a diagonal of ones.
        if self._last is None or not np.array_equal(self._last[0], on):
            gram = self.gram
            if not on.all():
                gram = gram[np.ix_(on, on)]
            self._last = on, gram
        matrix = self._last[1].copy()
        matrix[np.diag_indices_from(matrix)] += ridge
        root = np.sqrt(np.maximum(np.diag(matrix), ABOVE_ZERO))
        shrink = 1 / root
        matrix *= shrink[:, None]
        matrix *= shrink
        matrix[np.diag_indices_from(matrix)] = 1.0
        # Its Cholesky factor, and the coefficients.
        jitter = 1e-14
        factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=1)  # transposed, for LAPACK stores by columns
        while failed and len(matrix):  # columns that depend on each other by rounding
            jitter *= 10
            factor, failed = lapack.dpotrf(matrix.T + jitter * np.eye(len(matrix)), lower=1, clean=1)
        point = _Point(strength, on, factor, root)
        moment = self.moment[on]
        if len(moment):
            point.coef = lapack.dpotrs(factor, moment * shrink[:, None], lower=1)[0] * shrink[:, None]
        else:
            point.coef = np.zeros(moment.shape)
        # Minus twice the log restricted likelihood (Wood, section 6.2.6), the scale profiled out where it is unknown.
        least = self.policy.rounding * self.square + ABOVE_ZERO
        deviance = max(self.square - float((point.coef * moment).sum()), least)
        live = np.isfinite(strength)
        value = 2 * float(np.log(np.diag(factor) * root).sum()) - float(
            (self.sizes[live] * np.log(strength[live])).sum()
        )
        value *= self.copies
        if self.scale is None:
            point.dispersion = deviance / self.degrees
            value += self.degrees * np.log(point.dispersion)
        else:
            point.dispersion = self.scale
            value += deviance / self.scale
        point.value = float(value)
        return point

    def derivatives(self, point: _Point) -> tuple[Array, Array]:
        """Return gradient (groups,) and Hessian (groups, groups) by the logs of the strengths; zeros for vanished ones.

        With P = (X'WX + S)^-1, b_j the part of S b in group j: the first derivatives are b_j'b / scale +
        strength_j tr(P_jj) - size_j, the second ones follow from dP = -P dS P.
        """
        # Rows of (X'WX + S)^-1 and of the coefficients, times the strength of their group.
        count = len(self.sizes)
        group = self.groups[point.on]
        inverse = point.inverse()
        strength = np.append(np.where(np.isfinite(point.strength), point.strength, 0.0), 0.0)[group]
        share = strength * np.diag(inverse)
        pulled = strength[:, None] * point.coef
        point.is_differentiated = True
        point.trace = _by_group(group, share, count)
        # First derivatives: the power of the penalty, and what the determinants add.
        power = _by_group(group, (pulled * point.coef).sum(1), count) / point.dispersion
        slope = np.where(np.isfinite(point.strength), power + self.copies * (point.trace - self.sizes), 0.0)
        # Second derivatives, summed by pairs of groups; an estimated scale adds its own curvature.
        both = inverse * (self.copies * strength[:, None] * strength) * inverse
        both += (2 / point.dispersion) * (inverse * (pulled @ pulled.T))
        curvature = np.diag(power + self.copies * point.trace) - _sum_groups(both, group, count)
        if self.scale is None:
            curvature -= np.outer(power, power) / self.degrees
        return slope, (curvature + curvature.T) / 2

    def returning(self, point: _Point, returns: NDArray[np.int_]) -> Array:
        """Return new strengths of the vanished groups that should come back, zeros for all others.

        The derivative of the criterion by the variance ratio of a group, at zero, is
        tr(X_g' R X_g) - |X_g' r|^2 / scale, with r the residuals and R what turns the response into them.
        """
        count = len(self.sizes)
        back = np.zeros(count)
        waiting = ~np.isfinite(point.strength) & (self.first > 0) & (returns < self.policy.returns)
        columns = np.flatnonzero((self.groups >= 0) & np.append(waiting, False)[self.groups])
        if not len(columns):
            return back
        cross = self.gram[np.ix_(columns, np.flatnonzero(point.on))]
        left = np.diag(self.gram)[columns] - np.einsum("ij,ij->i", cross @ point.inverse(), cross)
        score = self.moment[columns] - cross @ point.coef
        group = self.groups[columns]
        trace = _by_group(group, np.maximum(left, 0), count)
        power = _by_group(group, (score**2).sum(1), count) / self.copies / point.dispersion
        # What the other columns explain to rounding has nothing left to add.
        excess = np.where(trace > 1e-9 * self.first * self.sizes, power / np.maximum(trace, ABOVE_ZERO), 0.0)
        wanted = waiting & (excess > 1 + 1e-6)
        if self.is_crowded:  # the largest of so many excesses by chance
            wanted = waiting & (excess > 2 * np.log(self.rivals + 1))
            wanted &= excess >= np.sort(excess * wanted)[-self.policy.entries :][0]
        back[wanted] = trace[wanted] / self.policy.returned
        return back


def _by_group(group: NDArray[np.intp], values: Array, count: int) -> Array:
    """Sum values over groups 0 to count - 1; group -1 is left out."""
    return np.bincount(group + 1, values, minlength=count + 1)[1:].astype(float)


def _sum_groups(matrix: Array, group: NDArray[np.intp], count: int) -> Array:
    """Sum a matrix over blocks of groups; rows and columns of group -1 are left out."""
    order = np.argsort(group, kind="stable")
    group = group[order]
    present, first = np.unique(group, return_index=True)
    total = np.zeros((count + 1, count + 1))
    if len(present):
        rows = np.add.reduceat(matrix[order], first, axis=0)
        total[np.ix_(present, present)] = np.add.reduceat(rows[:, order], first, axis=1)
    return total[:count, :count]  # group -1 is the last row and column


def _lapack() -> Any:
    from scipy.linalg import lapack  # imported late: `import edgewise` stays light

    return lapack
