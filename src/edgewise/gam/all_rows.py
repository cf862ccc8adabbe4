"""An estimate of a sample, estimated again with all rows of a table that is larger than memory (`refined`).

Wood, Generalized Additive Models (2nd ed.), section 6.9, on bigger data: the rows are seen by sums alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.gam.basis import DEGREE, Curves, active
from edgewise.gam.design import Design
from edgewise.gam.families.base import Family, squeezed
from edgewise.gam.irls import Iteration
from edgewise.gam.model import AdditiveModel
from edgewise.gam.normal import NormalMatrix
from edgewise.gam.policy import IrlsPolicy
from edgewise.gam.solving import estimate, with_strengths
from edgewise.ops.contract import to_coef
from edgewise.ops.normal import Runs, gram_
from edgewise.outcomes import OutOfTime

Array = NDArray[np.float64]


# Sums over all parts of a table what a function returns for their inputs (n, inputs), responses and weights.
RowSum = Callable[[Callable[[Array, Array, Array], tuple[Array, ...]]], tuple[Array, ...]]


@dataclass(frozen=True)
class NormalSums:
    """The sums that a step of weighted least squares needs, of some rows: `RowSum` adds those of all.

    Most columns of a row are zero in the space of all B-splines: four of each input are not. So the normal matrix is
    summed there, with a tenth to a hundredth of the multiplications, and carried over to the columns of the design
    afterwards.
    """

    design: Design  # the columns
    # the loss; responses of squared errors may have several columns. Several predictors of a family share one normal
    # matrix, see `shared_normal`
    family: Family
    coef: Array  # (p, m), coefficients of the m predictors at which the loss is approximated
    floor: float = 0.0  # least information of a row

    def __call__(self, x: Array, y: Array, weight: Array) -> tuple[Array, ...]:
        """Return the normal matrix of [1, response, all B-splines, columns of pairs], and the sums of `Totals`."""
        # B-splines of inputs with a curve, and columns of pairs, of as many rows as stay in the cache.
        design = self.design
        m = self.coef.shape[1]
        used = _with_curve(design)
        pairs = _of_pairs(design)
        knots = design.knots[used]
        size = knots.shape[1] - DEGREE - 1
        width = len(design.groups) - design.mains
        matrix = torch.zeros((1 + m + len(used) * size + width,) * 2, dtype=torch.float64)
        deviance = 0.0
        null_deviance = 0.0
        total_information = 0.0
        for part in design.chunks(len(x), design.policy.numbers_summed):
            rows = np.ascontiguousarray(x[part])
            w = weight[part]
            response = y[part]
            # Working responses and weights of the quadratic approximation at the present predictors.
            if not self.family.is_least_squares:
                eta = design.link(self.coef, rows)
                shaped = squeezed(eta)
                constant = squeezed(np.broadcast_to(self.coef[0], eta.shape))
                score, information = self.family.derivatives(response, shaped)
                with np.errstate(over="ignore"):  # a step too far is refused because its deviance is infinite
                    deviance += float(w @ self.family.deviance(response, shaped))
                null_deviance += float(w @ self.family.deviance(response, constant))
                if m > 1:
                    information = information.sum(1) / (m - 1)
                total_information += float(w @ information)
                information = np.maximum(information, self.floor)
                response = eta + score.reshape(len(rows), m) / information[:, None]
                w = w * information
            # Rows scaled by the root of their weights, as runs of neighbouring entries that are not zero.
            root = np.sqrt(w)
            head = np.concatenate([np.ones((len(rows), 1)), response.reshape(len(rows), m)], 1) * root[:, None]
            runs = [_run(0, head)]
            if used:
                first, values = active(rows[:, used], knots)
                starts = first + size * np.arange(len(used))
                runs.append(Runs(1 + m, torch.from_numpy(starts), torch.from_numpy(values * root[:, None, None])))
            if width:
                runs.append(_run(1 + m + len(used) * size, pairs.columns(rows)[:, 1:] * root[:, None]))
            gram_(matrix, runs)
        return matrix.triu().numpy(), np.array([deviance, null_deviance, total_information, float(weight.sum())])

    def normal(self, sums: Array, rows: float) -> NormalMatrix:
        """Return the normal matrix of the design's columns from that of all B-splines, and the sum of the weights."""
        design = self.design
        m = self.coef.shape[1]
        full = sums + np.triu(sums, 1).T
        p = len(design.groups)
        size = design.knots.shape[1] - DEGREE - 1
        # The linear map from all B-splines, the responses and the columns of pairs to the columns of the design: the
        # constant and the responses stay, a curve is what its margin makes of the B-splines of its input, columns of
        # pairs stay.
        change = np.zeros((len(full), p + m))
        change[0, 0] = 1.0
        change[1 : 1 + m, p:] = np.eye(m)
        for number, j in enumerate(_with_curve(design)):
            start = 1 + m + number * size
            change[start : start + size, design.columns_of(j)] = design.curves[j].change
        tail = p - design.mains
        change[len(full) - tail :, design.mains : p] = np.eye(tail)
        # Change of basis of a quadratic form, made symmetric to the last bit.
        total = change.T @ full @ change
        total = (total + total.T) / 2
        return NormalMatrix(total[:p, :p], total[:p, p:], np.diag(total)[p:].copy(), rows)


@dataclass(frozen=True)
class SlopeSums:
    """The deviance of several predictors and its slope, of some rows: `RowSum` adds those of all.

    A row costs as many multiplications as it has entries, not the square of them as in `NormalSums`.
    """

    design: Design  # the columns
    family: Family  # the loss
    coef: Array  # (p, m), coefficients of the m predictors

    def __call__(self, x: Array, y: Array, weight: Array) -> tuple[Array, ...]:
        """Return the weighted scores summed with 1, all B-splines and the columns of pairs, and the deviance."""
        design = self.design
        m = self.coef.shape[1]
        pairs = _of_pairs(design)
        knots = torch.from_numpy(design.knots)
        size = design.knots.shape[1] - DEGREE - 1
        constant = np.zeros(m)
        surfaces = np.zeros((len(pairs.groups) - 1, m))
        deviance = 0.0
        splines = np.zeros((len(design.knots), size, m))
        # One pass over the rows, in parts that fit into memory: predictor, deviance, and the score u of each row.
        for part in design.chunks(len(x)):
            rows = np.ascontiguousarray(x[part])
            w = weight[part]
            eta = design.link(self.coef, rows)
            deviance += float(w @ self.family.deviance(y[part], eta))
            score = w[:, None] * self.family.derivatives(y[part], eta)[0]
            # X'u for each kind of column.
            constant += score.sum(0)
            splines += to_coef(torch.from_numpy(score), None, torch.from_numpy(rows), knots, DEGREE, 0).numpy()
            if len(surfaces):
                surfaces += pairs.columns(rows)[:, 1:].T @ score
        return constant, splines, surfaces, np.array([deviance])

    def slope(self, constant: Array, splines: Array, surfaces: Array) -> Array:
        """Return half the derivative of minus the deviance by the coefficients, (p, m), from the sums of all rows."""
        design = self.design
        curves = [design.curves[j].change.T @ splines[j] for j in _with_curve(design)]
        return np.concatenate([constant[None], *curves, surfaces])


def _with_curve(design: Design) -> list[int]:
    """Inputs of a design that have a curve."""
    return [j for j, curves in enumerate(design.curves) if curves.change.shape[1]]


def _of_pairs(design: Design) -> Design:
    """The design without its curves, whose columns are 1 and those of the pairs."""
    none = tuple(Curves(curves.change[:, :0], ()) for curves in design.curves)
    return replace(design, curves=none, groups=np.append(-1, design.groups[design.mains :]))


class RowsInPasses:
    """Rows of a table that is summed in passes, for `Iteration`: a pass keeps what it has summed. See `irls.Rows`."""

    def __init__(
        self, solution: AdditiveModel, total: RowSum, policy: IrlsPolicy, report: Callable[[int], None]
    ) -> None:
        self.design = solution.design
        self.family = solution.family
        self.groups = solution.design.groups
        self.keep = np.ones(len(self.groups), bool)
        self.passes = 0
        if solution.family.predictors > 1:
            self.most_passes = policy.joint_rounds * (1 + policy.joint_steps)
        else:
            self.most_passes = policy.rounds + policy.steps
        self.null_deviance = 0.0  # that of a constant, known after the first pass
        self._total = total
        self._least_information = policy.least_information
        self._report = report
        # Least information of a row: at first that of the sample, then a share of the mean of the pass before.
        self._floor = policy.least_information * float(solution.weights.max())
        # What the last pass has summed, at which coefficients (K, p).
        self._coefs: Array | None = None
        self._deviance = 0.0
        self._slope: Array | None = None
        self._normal: NormalMatrix | None = None

    def normal(self, coefs: Array) -> NormalMatrix:
        """Return the normal matrix of the quadratic approximation, by a pass if the last one has not summed it."""
        is_final = self.family.quadratic or self._is_last(coefs)
        if self._normal is None or not is_final:
            self._begin(coefs)
            sums = NormalSums(self.design, self.family, coefs.T, self._floor)
            matrix, (self._deviance, self.null_deviance, information, weight) = self._total(sums)
            self._normal = sums.normal(matrix, weight)
            self._slope = -(self._normal.moment - self._normal.gram @ coefs.T).T
            self._end(coefs)
            self._floor = self._least_information * information / weight
        return self._normal

    def deviance(self, coefs: Array) -> float:
        """Return the weighted deviance; its pass sums the normal matrix too, of several predictors the slope alone."""
        if not self._is_last(coefs):
            if len(coefs) == 1:
                self.normal(coefs)
            else:
                self._begin(coefs)
                sums = SlopeSums(self.design, self.family, coefs.T)
                *parts, (self._deviance,) = self._total(sums)
                self._slope = -sums.slope(*parts).T
                self._end(coefs)
        return self._deviance

    def slope(self, coefs: Array) -> Array:
        """Return half the derivative of the deviance by the coefficients, (K, p)."""
        self.deviance(coefs)
        assert self._slope is not None
        return self._slope

    def adapt(self, coefs: Array) -> None:
        """Keep the family: what it has estimated beside the predictors is that of the sample."""

    def grow(self, edf: Array) -> bool:
        """Return False: the normal matrix has all columns."""
        return False

    def _is_last(self, coefs: Array) -> bool:
        return self._coefs is not None and np.array_equal(self._coefs, coefs)

    def _begin(self, coefs: Array) -> None:
        """Report a pass, and forget what the last one has summed; raise OutOfTime when there have been enough."""
        if self.passes == self.most_passes:
            raise OutOfTime
        self._coefs = None
        self._normal = None
        self._report(self.passes + 1)

    def _end(self, coefs: Array) -> None:
        """Count a pass, whose sums are those at these coefficients."""
        self._coefs = coefs
        self.passes += 1


def refined(
    solution: AdditiveModel,
    total: RowSum,
    policy: IrlsPolicy | None = None,
    factor: float = 1.0,
    report: Callable[[int], None] = lambda number: None,
) -> tuple[AdditiveModel, int, bool]:
    """Estimate coefficients and strengths of a design with all rows of a table, from an estimate of a part of them.

    Knots and columns are those of the part. Squared errors take one pass over the table, so does the logarithm of y;
    other losses of one predictor take one for each step of Newton's method, which begins near the optimum. Several
    predictors take one for each of two rounds and one for each quasi-Newton step; these sum slopes alone. What a family
    has estimated beside the predictor, such as a power, stays.

    Strengths are those of restricted likelihood times `factor`; `report` is called with the number of each pass before
    it begins. Return the estimate with the normal matrix of all rows, and weights and residuals of the part; the number
    of passes; and whether they came to an end before the limits of the policy, and before `total` raised OutOfTime in a
    later pass. OutOfTime where `total` raised it in the first pass.
    """
    policy = policy or IrlsPolicy.of_passes()
    design = solution.design
    family = solution.family
    passes = RowsInPasses(solution, total, policy, report)
    # Squared errors: one normal matrix, from which strengths and coefficients follow.
    if family.is_least_squares:
        normal = passes.normal(solution.coef.T)
        design = replace(design, rows=normal.rows)
        fits = [estimate(normal.output(k), design, fit.strength) for k, fit in enumerate(solution.fits)]
        if factor != 1:
            fits = [with_strengths(normal.output(k), design, f, factor * f.strength) for k, f in enumerate(fits)]
        return replace(solution, design=design, fits=tuple(fits), normal=normal), 1, all(f.converged for f in fits)
    # Other losses: reweighting in passes, until it settles or the time is over.
    iteration = Iteration(passes, solution.coef.T, solution.fits[0].strength, policy)
    converged = False
    try:
        if family.predictors > 1:
            iteration.choose_strengths(policy.joint_rounds)
        else:
            iteration.choose_strengths(policy.rounds)
        if factor != 1:
            iteration.hold(iteration.whole[0], factor)
        iteration.converge()
        converged = iteration.converged
    except OutOfTime:
        if iteration.fit is None or (iteration.has_several and not iteration.has_moved):
            raise
    # The estimate of all rows in the form of that of the part.
    fit, last = iteration.whole
    if iteration.has_moved:
        coefs = iteration.coefs
    else:  # the time was over before the first step could be judged
        coefs = np.atleast_2d(fit.coef.T)
    fits = [replace(fit, coef=coef.copy()) for coef in coefs]
    design = replace(design, rows=last.rows)
    return replace(solution, design=design, fits=tuple(fits), normal=last), passes.passes, converged


def held_out_losses(solution: AdditiveModel, whole: NormalMatrix, factor: float) -> float:
    """Return the squared errors of rows that an estimate of the others did not see, from sums alone.

    `whole` is the normal matrix of all rows, of the same design; strengths of the estimate are multiplied by a factor.
    """
    part = solution.normal
    fit = solution.fits[0]
    if factor != 1:
        fit = with_strengths(part, solution.design, fit, factor * fit.strength)
    gram = whole.gram - part.gram
    moment = whole.moment[:, 0] - part.moment[:, 0]
    return float(whole.square[0] - part.square[0] + fit.coef @ (gram @ fit.coef - 2 * moment))


def _run(offset: int, values: Array) -> Runs:
    """Return columns (n, length) that are next to each other in every row."""
    starts = torch.zeros((len(values), 1), dtype=torch.int64)
    return Runs(offset, starts, torch.from_numpy(np.ascontiguousarray(values))[:, None])
