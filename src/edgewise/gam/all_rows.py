"""An estimate of a sample, estimated again with all rows of a table that is larger than memory (`refined`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.gam.columns.design import Design
from edgewise.gam.columns.splines import DEGREE, Curves, active
from edgewise.gam.families import Family
from edgewise.gam.likelihood import RemlFit
from edgewise.gam.normal import NormalMatrix
from edgewise.gam.reweighting.policy import IrlsPolicy
from edgewise.gam.reweighting.several import LEAST_FALL
from edgewise.gam.reweighting.state import ROUNDING, least_strength
from edgewise.gam.solving import Solution, estimate, two_loops, with_strengths
from edgewise.ops.contract import to_coef
from edgewise.ops.normal import Runs, gram_
from edgewise.outcomes import OutOfTime

Array = NDArray[np.float64]

# Rows whose entries are multiplied at a time. Measured with ten inputs and a pair, microseconds a row at 1,024, 2,048,
# 4,096, 8,192 and 65,536 rows: 4.0, 3.8, 4.2, 5.8 and 10.4; more do not stay in the second-level cache.
SUMMED_AT_ONCE = 2048
# In place of those of `IrlsPolicy`, since a step is a pass over the table: from the estimate of a sample four to eight
# passes are usual, and where classes are nearly separated the optimum is far off for any number of them.
PASS_ROUNDS = 6
PASS_STEPS = 6
PASS_TOLERANCE = 1e-8
# The same for several predictors, whose steps after each round take passes that sum no matrix: strengths of the sample
# are nearly right, so that one round corrects them and another settles them; about ten steps are usual.
JOINT_ROUNDS = 2
JOINT_STEPS = 30


class RowSum(Protocol):
    """Sums a function of rows over a table."""

    def __call__(self, function: Callable[[Array, Array, Array], tuple[Array, ...]]) -> tuple[Array, ...]:
        """Return the sums over all parts of the table of what a function returns for them.

        Shapes: function (n, inputs).
        """
        ...


@dataclass(frozen=True)
class NormalSums:
    """The sums that a step of weighted least squares needs, of some rows: `RowSum` adds those of all.

    Most columns of a row are zero in the space of all B-splines: four of each input are not. So the normal matrix is
    summed there, with a tenth to a hundredth of the multiplications, and carried over to the columns of the design
    afterwards.
    """

    design: Design  # the columns
    # the loss; None for squared errors, whose responses may have several columns. Several predictors of a family share
    # one normal matrix, see `shared_normal`
    family: Family | None
    coef: Array  # (p, m), coefficients of the m predictors at which the loss is approximated
    floor: float = 0.0  # least information of a row

    def __call__(self, x: Array, y: Array, weight: Array) -> tuple[Array, ...]:
        """Return the normal matrix of [1, response, all B-splines, columns of pairs], and deviance and information."""
        few = min(self.design.policy.rows_per_chunk, SUMMED_AT_ONCE)
        design = replace(self.design, policy=replace(self.design.policy, rows_per_chunk=few))
        m = self.coef.shape[1]
        used = _with_curve(design)
        pairs = _of_pairs(design)
        knots = design.knots[used]
        size = knots.shape[1] - DEGREE - 1
        width = len(design.groups) - design.mains
        matrix = torch.zeros((1 + m + len(used) * size + width,) * 2, dtype=torch.float64)
        deviance = 0.0
        largest = 0.0
        for part in design.chunks(len(x)):
            rows = np.ascontiguousarray(x[part])
            w = weight[part]
            response = y[part]
            if self.family is not None:
                eta = design.link(self.coef, rows)
                shaped = eta if m > 1 else eta[:, 0]
                score, information = self.family.derivatives(response, shaped)
                deviance += float(w @ self.family.deviance(response, shaped))
                if m > 1:
                    information = information.sum(1) / (m - 1)
                largest += float(w @ information)
                information = np.maximum(information, self.floor)
                response = eta + score.reshape(len(rows), m) / information[:, None]
                w = w * information
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
        return matrix.triu().numpy(), np.array([deviance, largest, float(weight.sum())])

    def normal(self, sums: Array, rows: float) -> NormalMatrix:
        """Return the normal matrix of the design's columns from that of all B-splines, and the sum of the weights."""
        design = self.design
        m = self.coef.shape[1]
        full = sums + np.triu(sums, 1).T
        p = len(design.groups)
        size = design.knots.shape[1] - DEGREE - 1
        change = np.zeros((len(full), p + m))
        change[0, 0] = 1.0
        change[1 : 1 + m, p:] = np.eye(m)
        for number, j in enumerate(_with_curve(design)):
            start = 1 + m + number * size
            change[start : start + size, design.columns_of(j)] = design.curves[j].change
        tail = p - design.mains
        change[len(full) - tail :, design.mains : p] = np.eye(tail)
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
        for part in design.chunks(len(x)):
            rows = np.ascontiguousarray(x[part])
            w = weight[part]
            eta = design.link(self.coef, rows)
            deviance += float(w @ self.family.deviance(y[part], eta))
            score = w[:, None] * self.family.derivatives(y[part], eta)[0]
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


def refined(
    solution: Solution,
    total: RowSum,
    policy: IrlsPolicy | None = None,
    factor: float = 1.0,
    report: Callable[[int], None] | None = None,
) -> tuple[Solution, int, bool]:
    """Estimate coefficients and strengths of a design with all rows of a table, from an estimate of a part of them.

    Knots and columns are those of the part. Squared errors take one pass over the table, so does the logarithm of y;
    other losses of one predictor take one for each step of Newton's method, which begins near the optimum. Several
    predictors take one for each of two rounds and one for each quasi-Newton step, see `SeveralState`; these sum slopes
    alone. What a family has estimated beside the predictor, such as a power, stays.

    Parameters
    ----------
    solution : Solution
        Estimate of a part of the rows.
    total : callable
        Sums over the table, see `RowSum`.
    policy : IrlsPolicy, optional
        Numbers of the iteration.
    factor : float
        Strengths are those of restricted likelihood times this.
    report : callable, optional
        Called with the number of each pass before it begins.

    Returns
    -------
    solution : Solution
        With the coefficients, strengths and normal matrix of all rows; weights and residuals are those of the part.
    passes : int
        Passes over the table.
    converged : bool
        Whether they came to an end before the policy's limit, and before `total` raised OutOfTime in a later pass.

    Raises
    ------
    OutOfTime
        `total` raised it in the first pass.

    Examples
    --------
    >>> from edgewise.gam import Design, solve_gaussian
    >>> x = np.random.default_rng(0).random((900, 1))
    >>> y, ones = np.sin(6 * x), np.ones(900)
    >>> sample = solve_gaussian(Design.from_rows(x[:300], ones[:300]), x[:300], y[:300], ones[:300], None)
    >>> parts = [slice(0, 500), slice(500, 900)]
    >>> def total(function):
    ...     found = [function(x[part], y[part], ones[part]) for part in parts]
    ...     return tuple(sum(arrays) for arrays in zip(*found))
    >>> whole, passes, _ = refined(sample, total)
    >>> float(whole.design.rows), passes, bool(abs(whole.design.link(whole.coef, x) - y).max() < 1e-3)
    (900.0, 1, True)
    """
    policy = policy or IrlsPolicy(rounds=PASS_ROUNDS, steps=PASS_STEPS, tolerance=PASS_TOLERANCE)
    design = solution.design
    family = solution.family
    report = report or (lambda number: None)
    if family is None or family.is_least_squares:
        report(1)
        sums = NormalSums(design, None, solution.coef)
        matrix, (_, _, weight) = total(sums)
        normal = sums.normal(matrix, weight)
        design = replace(design, rows=weight)
        solved = [estimate(normal.output(k), design, fit.strength) for k, fit in enumerate(solution.fits)]
        if factor != 1:
            solved = [with_strengths(normal.output(k), design, f, factor * f.strength) for k, f in enumerate(solved)]
        return replace(solution, design=design, fits=tuple(solved), normal=normal), 1, all(f.converged for f in solved)
    if family.predictors > 1:
        fits, normal, passes, converged = _together(design, family, solution, total, policy, factor, report)
        return replace(solution, design=replace(design, rows=normal.rows), fits=fits, normal=normal), passes, converged
    start = solution.fits[0], policy.least_information * float(solution.weights.max())
    fit, normal, passes, converged = _iterated(design, family, start, total, policy, factor, report)
    design = replace(design, rows=normal.rows)
    return replace(solution, design=design, fits=(fit,), normal=normal), passes, converged


def held_out_losses(solution: Solution, whole: NormalMatrix, factor: float) -> float:
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


def _iterated(
    design: Design,
    family: Family,
    start: tuple[RemlFit, float],
    total: RowSum,
    policy: IrlsPolicy,
    factor: float,
    report: Callable[[int], None],
) -> tuple[RemlFit, NormalMatrix, int, bool]:
    """Iterate reweighted least squares, each step one pass: the pass at its end also decides whether it is accepted."""
    best, floor = start  # with the least information of a row, at first that of the sample
    coef = best.coef
    least = None
    before: tuple[float, Array] | None = None  # deviance and coefficients of the last accepted point
    settled = False
    halvings = 0
    normal = None
    most = policy.rounds + policy.steps
    for number in range(1, most + 1):
        report(number)
        sums = NormalSums(design, family, coef[:, None], floor)
        try:
            matrix, (deviance, information, weight) = total(sums)
        except OutOfTime:
            if normal is None:
                raise
            return best, normal, number - 1, False
        floor = policy.least_information * information / weight
        if before is not None:
            ridge = best.ridge(design.groups)
            old = before[0] + float(ridge @ before[1] ** 2)
            new = deviance + float(ridge @ coef**2)
            if not new <= old * (1 + ROUNDING) and halvings < policy.halvings and not np.isclose(new, old, rtol=1e-9):
                halvings += 1
                coef = (coef + before[1]) / 2
                continue
            change = abs(old - new) / max(abs(new), np.finfo(float).tiny)
            if settled and change <= policy.tolerance:
                return replace(best, coef=coef), sums.normal(matrix, weight), number, True
            was_settled = settled
            settled = settled or change <= policy.settled or number >= policy.rounds
            if settled and not was_settled and factor != 1:
                best = replace(best, strength=factor * best.strength)
        before = (deviance, coef)
        halvings = 0
        normal = sums.normal(matrix, weight)
        if settled:
            best = with_strengths(normal, design, best, best.strength, family.scale)
        else:
            best = estimate(normal, design, best.strength, family.scale)
            if family.scale is not None:
                if least is None:
                    least = least_strength(normal, design.groups, policy.prior_deviation)
                bounded = np.maximum(best.strength, least)
                if (bounded != best.strength).any():
                    best = with_strengths(normal, design, best, bounded, family.scale)
        coef = best.coef
        if family.quadratic:
            return best, normal, number, True
    assert normal is not None
    return best, normal, most, False


def _together(
    design: Design,
    family: Family,
    solution: Solution,
    total: RowSum,
    policy: IrlsPolicy,
    factor: float,
    report: Callable[[int], None],
) -> tuple[tuple[RemlFit, ...], NormalMatrix, int, bool]:
    """Iterate several predictors: strengths from one normal matrix, then steps to their common optimum.

    These are quasi-Newton steps whose first metric is the normal matrix of the round, as in `SeveralState`; each is a
    pass that sums slopes. If the time is over, the last accepted point counts.
    """
    fit = solution.fits[0]
    coef = solution.coef
    passes = 0
    floor = policy.least_information * float(solution.weights.max())
    best: tuple[RemlFit, NormalMatrix, Array] | None = None
    arrived = False
    try:
        for last in [*[False] * (JOINT_ROUNDS - 1), True]:
            report(passes + 1)
            sums = NormalSums(design, family, coef, floor)
            matrix, (deviance, information, weight) = total(sums)
            passes += 1
            floor, normal = policy.least_information * information / weight, sums.normal(matrix, weight)
            fit = estimate(normal, design, fit.strength, family.scale)
            least = least_strength(normal, design.groups, policy.prior_deviation)
            strength = np.maximum(fit.strength, least) * (factor if last else 1.0)
            if (strength != fit.strength).any():
                fit = with_strengths(normal, design, fit, strength, family.scale)
            keep = np.diag(fit.covariance) > 0
            metric = fit.covariance[np.ix_(keep, keep)]
            ridge = np.append(fit.strength, 0.0)[design.groups[keep]][:, None]
            left = bool(coef[~keep].any())  # by columns that are no longer needed: the objective is another one
            slope = ridge * coef[keep] - (normal.moment - normal.gram @ coef)[keep]
            if left:
                value = np.inf
            else:
                value = deviance + float((ridge * coef[keep] ** 2).sum())
            coef, memory = np.where(keep[:, None], coef, 0.0), deque[tuple[Array, Array]](maxlen=policy.joint_memory)
            target = fit.coef[keep]
            share = 1.0
            arrived = False
            if last:
                tolerance = policy.tolerance
            else:
                tolerance = policy.joint_tolerance
            for _ in range(JOINT_STEPS):
                new = coef.copy()
                new[keep] = (1 - share) * coef[keep] + share * target
                report(passes + 1)
                slopes = SlopeSums(design, family, new)
                *found, (deviance,) = total(slopes)
                passes += 1
                after = deviance + float((ridge * new[keep] ** 2).sum())
                promised = 2 * LEAST_FALL * share * float((slope * (target - coef[keep])).sum())
                if not left and after > value + promised:
                    if share < 0.5**policy.halvings or np.isclose(after, value, rtol=ROUNDING):
                        arrived = True
                        break
                    share /= 2
                    continue
                new_slope = ridge * new[keep] - slopes.slope(*found)[keep]
                change = (new - coef)[keep].T
                bend = (new_slope - slope).T
                if not left and (change * bend).sum() > 0:
                    memory.append((change, bend))
                fall = value - after
                coef = new
                slope = new_slope
                value = after
                left = False
                share = 1.0
                best = fit, normal, coef
                if fall <= tolerance * value:
                    arrived = True
                    break
                target = coef[keep] - two_loops(slope.T, memory, metric).T
            best = fit, normal, coef
    except OutOfTime:
        if best is None:
            raise
        arrived = False
    assert best is not None
    fit, normal, coef = best
    return tuple(replace(fit, coef=one.copy()) for one in coef.T), normal, passes, arrived


def _run(offset: int, values: Array) -> Runs:
    """Return columns (n, length) that are next to each other in every row."""
    starts = torch.zeros((len(values), 1), dtype=torch.int64)
    return Runs(offset, starts, torch.from_numpy(np.ascontiguousarray(values))[:, None])
