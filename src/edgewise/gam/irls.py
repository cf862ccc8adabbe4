"""Penalised iteratively reweighted least squares with strengths by restricted likelihood (`fit_irls`).

Wood, Generalized Additive Models (2nd ed.), section 6.1.1: a step replaces the log likelihood by its quadratic
approximation, a penalised least-squares problem,

    (X'WX + S) b = X'Wz,    z = eta + u / w,

with score u and information w of each row; section 6.5: its strengths are estimated anew in each round (performance
iteration), until they settle. Steps that raise the penalised deviance are halved. Rows in memory, tables
that are summed in passes, and several processes differ in the object `Rows` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from edgewise.gam.design import Design
from edgewise.gam.families.base import Family, squeezed
from edgewise.gam.families.categorical import Multinomial
from edgewise.gam.model import AdditiveModel
from edgewise.gam.normal import NormalMatrix
from edgewise.gam.policy import IrlsPolicy
from edgewise.gam.reml import RemlFit
from edgewise.gam.rows import NeededColumns, RowsInMemory, working, working_normal
from edgewise.gam.solving import estimate, expanded, solve_gaussian, with_strengths
from edgewise.outcomes import check_time
from edgewise.settings import ABOVE_ZERO
from edgewise.train.methods.quasi_newton import CurvaturePairs, line_search
from edgewise.train.objective import Evaluation


class Rows(Protocol):
    """What the iteration asks of rows, wherever they lie. Shapes: coefs (K, p), of all columns of the design."""

    family: Family  # the loss, with what it has estimated beside the predictors
    groups: np.ndarray  # group of each column, (p,)
    null_deviance: float  # weighted deviance of a constant

    @property
    def keep(self) -> np.ndarray:
        """Columns that the normal matrix has, (p,)."""

    @property
    def design(self) -> Any:
        """The columns of the normal matrix: a design, or an object with what `estimate` asks of one."""

    def normal(self, coefs: np.ndarray) -> NormalMatrix:
        """Return the normal matrix of the quadratic approximation, which several predictors share."""

    def deviance(self, coefs: np.ndarray) -> float:
        """Return the weighted deviance."""

    def slope(self, coefs: np.ndarray) -> np.ndarray:
        """Return half the derivative of the deviance by the coefficients, (K, p)."""

    def adapt(self, coefs: np.ndarray) -> None:
        """Estimate the family's own parameters."""

    def grow(self, edf: np.ndarray) -> bool:
        """Take more columns for curves that use half of theirs; return whether any does."""


# Finds strengths and coefficients from a normal matrix, its columns, the first strengths and the scale if it is known.
Estimator = Callable[[NormalMatrix, Any, np.ndarray | None, float | None], RemlFit]


class Iteration:
    """Coefficients (K, p) and strengths on their way to the maximum of the penalised likelihood."""

    def __init__(
        self,
        rows: Rows,
        coefs: np.ndarray,
        strength: np.ndarray | None,
        policy: IrlsPolicy,
        estimate: Estimator = estimate,
    ) -> None:
        self.rows = rows
        self.estimate = estimate
        self.coefs = coefs
        self.strength = strength
        self.policy = policy
        # The last estimate and its normal matrix, of the columns that were needed: many columns of few rows are not.
        self.fit: RemlFit | None = None
        self.kept = np.ones(len(rows.groups), bool)
        self.normal: NormalMatrix | None = None
        self.least_strength: np.ndarray | None = None
        self.rounds = 0
        self.steps = 0
        self.has_moved = False
        self.converged = rows.family.quadratic

    @property
    def has_several(self) -> bool:
        """Whether several predictors share strengths and normal matrix."""
        return len(self.coefs) > 1

    def choose_strengths(self, most: int) -> None:
        """Estimate the strengths in every round until they have settled."""
        settled = False
        while self.rounds < most and not settled:
            self.rounds += 1
            settled = self._round(choose=True) <= self.policy.settled or self.rows.family.quadratic
            if self.has_several and self.rounds < most and not settled:
                self._move_together(self.policy.joint_tolerance)

    @property
    def whole(self) -> tuple[RemlFit, NormalMatrix]:
        """The last estimate and its normal matrix, of all columns."""
        assert self.fit is not None and self.normal is not None
        return expanded(self.fit, self.kept), self.normal.embedded(self.kept)

    def hold(self, fit: RemlFit, factor: float) -> None:
        """Hold the strengths at a multiple of an estimate's, of all columns of this very design."""
        self.fit = replace(fit, strength=factor * fit.strength)
        self.kept = np.ones(len(self.rows.groups), bool)
        if self.has_several or self.rows.family.quadratic:  # the metric of the joint steps, or the only step
            self._round(choose=False)

    def converge(self) -> None:
        """Run Newton's method, or quasi-Newton steps of several predictors, with the strengths held."""
        if self.has_several:
            self.steps, self.converged = self._move_together(self.policy.tolerance)
        while self.steps < self.policy.steps and not self.converged:
            self.steps += 1
            self.converged = self._round(choose=False) <= self.policy.tolerance

    def _round(self, choose: bool) -> float:
        """Move to the optimum of the quadratic approximation; return the relative change of the penalised deviance.

        With `choose` the strengths are estimated anew, else they are held.
        """
        rows = self.rows
        policy = self.policy
        if choose:
            rows.adapt(self.coefs)
        fit, self.normal = self._estimated(choose)
        self.fit = fit
        self.kept = rows.keep
        self.strength = fit.strength
        target = np.zeros_like(self.coefs)
        target[:, self.kept] = np.atleast_2d(fit.coef.T)
        if rows.family.quadratic:
            self.coefs = target
            self.has_moved = True
            return 0.0
        # The penalised deviance before the step, with the new strengths. Where a group has just vanished the two points
        # have different objectives, and the deviance of a constant bounds what is accepted.
        ridge = fit.ridge(rows.groups)
        plain = rows.deviance(self.coefs)
        before = plain + float((ridge * self.coefs**2).sum())
        vanished = np.append(~np.isfinite(fit.strength), False)[rows.groups]
        if self.coefs[:, vanished].any():
            before = max(before, rows.null_deviance)
        # Step halving. Where a strength has just grown a lot, the penalty of the old coefficients
        # would excuse any deviance, so that the deviance itself is bounded too.
        most = max(plain, rows.null_deviance) * (1 + policy.rounding)
        coefs = target
        for halving in range(1, policy.halvings + 2):
            deviance = rows.deviance(coefs)
            after = deviance + float((ridge * coefs**2).sum())
            if after <= before + policy.rounding * abs(before) and deviance <= most:
                self.coefs = coefs
                self.has_moved = True
                return abs(before - after) / (after + policy.small_deviance * rows.null_deviance + ABOVE_ZERO)
            coefs = self.coefs + 0.5**halving * (target - self.coefs)
        return 0.0

    def _estimated(self, choose: bool) -> tuple[RemlFit, NormalMatrix]:
        """Return the optimum of the quadratic approximation, with new strengths or the present ones, and its matrix."""
        rows = self.rows
        scale = rows.family.scale
        while True:
            normal = rows.normal(self.coefs)
            if self.fit is not None and not choose:
                part = self.fit
                if not np.array_equal(self.kept, rows.keep):
                    keep = rows.keep[self.kept]
                    part = replace(part, coef=part.coef[keep], covariance=part.covariance[np.ix_(keep, keep)])
                return with_strengths(normal, rows.design, part, self.fit.strength, scale), normal
            fit = self.estimate(normal, rows.design, self.strength, scale)
            if not rows.grow(fit.edf):
                break
            self.strength = fit.strength
        # The weakest prior of a family of known scale; at the first step all rows have one information, so it cancels.
        if scale is not None:
            if self.least_strength is None:
                self.least_strength = least_strength(normal, rows.design.groups, self.policy.prior_deviation)
            bounded = np.maximum(fit.strength, self.least_strength)
            if (bounded != fit.strength).any():
                fit = with_strengths(normal, rows.design, fit, bounded, scale)
        return fit, normal

    def _move_together(self, tolerance: float) -> tuple[int, bool]:
        """Minimise the penalised deviance in all predictors with the strengths held; return steps and convergence.

        Steps of L-BFGS whose first metric is the shared normal matrix. No normal matrix is summed.
        """
        rows = self.rows
        policy = self.policy
        assert self.fit is not None
        # The penalty, and as the first metric of L-BFGS the inverse of the shared penalised normal matrix.
        ridge = self.fit.ridge(rows.groups)
        keep = rows.keep
        metric = torch.from_numpy(self.fit.covariance)
        predictors = len(self.coefs)
        memory = CurvaturePairs(policy.joint_memory, lambda slope: (slope.view(predictors, -1) @ metric).view(-1))

        def embedded(point: Tensor) -> np.ndarray:
            """Coefficients (K, p); columns of the normal matrix are taken from a point of all predictors."""
            coefs = self.coefs.copy()
            coefs[:, keep] = point.view(predictors, -1).numpy()
            return coefs

        def evaluate(point: Tensor) -> tuple[Evaluation, Tensor, Tensor]:
            """Half the penalised deviance and its gradient."""
            coefs = embedded(point)
            half = Evaluation(rows.deviance(coefs) / 2, float((ridge * coefs**2).sum()) / 2)
            slope = (rows.slope(coefs) + ridge * coefs)[:, keep]
            return half, torch.from_numpy(slope).reshape(-1), point

        # Line searches along quasi-Newton directions until the objective settles.
        start, slope, point = evaluate(torch.from_numpy(self.coefs[:, keep]).reshape(-1))
        for step in range(policy.joint_steps):
            check_time()
            accepted = line_search(memory, evaluate, point, start, slope, policy.joint_trials)
            if accepted is None:
                return step, True
            assert accepted.evaluation is not None and accepted.gradient is not None and accepted.point is not None
            move = accepted.point - point
            memory.remember(move, accepted.gradient - slope, -accepted.length * float(move @ slope))
            fall = start.total - accepted.value
            start = accepted.evaluation
            slope = accepted.gradient
            point = accepted.point
            self.coefs = embedded(point)
            self.has_moved = True
            if fall <= tolerance * (start.total + policy.small_deviance * rows.null_deviance / 2):
                return step + 1, True
        return policy.joint_steps, False


def fit_irls(
    design: Design,
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    family: Family,
    before: AdditiveModel | None = None,
    policy: IrlsPolicy | None = None,
    factor: float | None = None,
) -> AdditiveModel:
    """Fit the columns of a design to y by penalised likelihood, with strengths by REML.

    A round replaces the log likelihood by its quadratic approximation at the present eta, a weighted least-squares
    problem whose strengths and coefficients `reml` finds, and moves towards these coefficients, by half as far as often
    as it takes for the penalised deviance not to rise. When the strengths have settled they are held, and Newton's
    method runs to convergence. Several predictors share strengths and normal matrix, and move to their common optimum
    after each round.

    Rows x are in the form that the design takes, y that which `family.checked` has returned, weights (N,) count
    repeats. `before` is an estimate of another design of the same rows by the same family, to start from; with a
    `factor` the strengths are held at this multiple of those of `before`, then an estimate of this very design.
    """
    # P. J. Green, "Iteratively reweighted least squares for maximum likelihood estimation, and some robust and
    # resistant alternatives", JRSS B 46 (1984), 149-192.
    policy = policy or IrlsPolicy()
    several = family.predictors > 1
    if several and before is not None:
        policy = policy.of_part()
    constraints = design.constraints
    assert not several or constraints is None or not constraints.has_inequalities  # the estimators allow none
    # The first coefficients are those of the best constant, or of the parts that both designs have.
    steps = policy.reml_steps
    if family.quadratic:
        steps = design.policy.reml.steps
    needed = NeededColumns(design, x, before, steps)
    rows = RowsInMemory(needed, y, weight, family.prepared(y, weight), policy.least_information)
    coefs = rows.constants
    strength = None
    if before is not None:
        strength = before.starts(design)[0]
        if design.curves is before.design.curves:
            coefs = before.coefs_of(design, coefs)
            if before.family.name == rows.family.name:
                rows.family = before.family.prepared(y, weight)
    # Strengths in rounds, or held, and then the coefficients to convergence.
    iteration = Iteration(rows, coefs, strength, policy)
    if factor is not None:
        assert before is not None
        iteration.hold(before.fits[0], factor)
    elif not several:
        iteration.choose_strengths(policy.rounds)
    elif before is None:
        iteration.choose_strengths(policy.joint_rounds)
    else:
        iteration.choose_strengths(policy.later_rounds)
    iteration.converge()
    return _solution(design, rows, iteration)


def _solution(design: Design, rows: RowsInMemory, iteration: Iteration) -> AdditiveModel:
    """Return what the iteration has found, shifted as the family wants it."""
    # The family may shift all predictors: a quantile to its share of the rows, a log-normal mean by Duan's smearing.
    fit, normal = iteration.whole
    eta = rows.eta(iteration.coefs)
    shift, family = rows.family.final_shift(rows.y, squeezed(eta), rows.weight)
    coefs = iteration.coefs.copy()
    coefs[:, 0] += shift
    eta = eta + shift
    # Working weights and residuals at the optimum, for tests and bands.
    weights, residual = working(family, rows.y, rows.weight, eta, iteration.policy.least_information)
    return AdditiveModel(
        design,
        tuple(replace(fit, coef=coef.copy()) for coef in coefs),
        family,
        weights,
        residual,
        normal,
        range=(float(eta.min()), float(eta.max())),
        steps=iteration.rounds + iteration.steps,
        converged=iteration.converged,
    )


def solve(
    design: Design,
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    family: Family,
    before: AdditiveModel | None = None,
) -> AdditiveModel:
    """Estimate a design for any family: in one step for squared errors, whose y is (N, m), else by iteration."""
    if family.is_least_squares:
        return solve_gaussian(design, x, y, weight, before)
    return fit_irls(design, x, y, weight, family, before)


def separate_fits(
    design: Design, x: np.ndarray, y: np.ndarray, weight: np.ndarray, before: AdditiveModel
) -> AdditiveModel:
    """Return a fit of several predictors with the covariance of each by its own information.

    While they are fitted they share one normal matrix; for tests and bands each predictor has the weights p (1 - p) of
    its class, at the same coefficients and strengths. `before` is a fit of this design, the rest as for `fit_irls`.
    """
    family = before.family
    if family.predictors < 2 or not before.fits[0].is_joint(before.fits[1]):
        return before
    keep = (design.groups < 0) | (np.diag(before.fits[0].covariance) > 0)
    needed = NeededColumns(design, x, None, design.policy.reml.steps, keep)
    eta = needed.predictors(before.coef.T)
    rows = np.arange(len(x))
    fits = []
    for k, fit in enumerate(before.fits):
        normal = working_normal(needed, rows, y, weight, family, eta, k).embedded(keep)
        fits.append(replace(with_strengths(normal, design, fit, fit.strength, family.scale), coef=fit.coef))
    return replace(before, fits=tuple(fits))


def with_logits(model: AdditiveModel, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> AdditiveModel:
    """Return a fit of ordered classes to rows x (N, inputs) as one with a logit of each class; others as they are."""
    lines = model.family.logit_lines
    if lines is None:
        return model
    # A logit a + c eta has the coefficients of eta times c, beside the constant, and c^2 times their prior variance.
    fits = []
    (fit,) = model.fits
    for constant, slope in lines:
        coef = slope * fit.coef
        coef[0] += constant
        with np.errstate(divide="ignore"):
            strength = fit.strength / np.square(slope)
        fits.append(replace(fit, coef=coef, covariance=slope**2 * fit.covariance, strength=strength))
    family = Multinomial(len(lines))
    eta = model.design.link(np.stack([fit.coef for fit in fits], 1), x)
    weights, residual = working(family, y, weight, eta)
    return replace(model, fits=tuple(fits), family=family, weights=weights, residual=residual)


def least_strength(normal: NormalMatrix, groups: np.ndarray, deviation: float) -> np.ndarray:
    """Return the strength of each group under which its columns have a prior of this deviation, see `IrlsPolicy`."""
    count = int(groups.max(initial=-1)) + 1
    power = np.bincount(groups + 1, np.diag(normal.gram), count + 1)[1:] / normal.gram[0, 0]
    sizes = np.maximum(np.bincount(groups + 1, minlength=count + 1)[1:], 1)
    return power / sizes / deviation**2
