"""Estimation of a given design from its normal matrix (`estimate`), and all of it for squared errors.

Wood, Generalized Additive Models (2nd ed.), section 6.5: the direct Gaussian case; section 5.9: how many columns a
curve needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgewise.gam.constraints import constrained
from edgewise.gam.design import Design
from edgewise.gam.families.exponential import Gaussian
from edgewise.gam.model import AdditiveModel
from edgewise.gam.normal import NormalMatrix, normal_matrix
from edgewise.gam.reml import RemlFit, fit_reml

Array = NDArray[np.float64]


# Estimates a design of the rows that it holds, from the estimate of another design.
Solver = Callable[[Design, AdditiveModel | None], AdditiveModel]


def estimate(
    normal: NormalMatrix, design: Design, start: Array | None = None, scale: float | None = None, offset: float = 0.0
) -> RemlFit:
    """Estimate a design by `fit_reml`, with only as many wiggly columns of each input as its curve needs.

    A parabola joins a curve that is wiggly without it if the restricted likelihood rises by
    `AdditivePolicy.bent_evidence`. Where `start` (groups,), the first strengths, has that of its group, this has been
    decided. Columns that are not needed are zero; constraints are those of the design, whose bounds count `offset`, a
    constant that is added to the predictions later. `scale` is the variance of a row of weight 1, if it is known.
    """
    # Wiggly columns of each curve that are in the model, and parabolas that are not yet.
    policy = design.policy
    groups = design.groups
    ranks = design.ranks
    count = int(groups.max(initial=-1)) + 1
    most = np.full(count + 1, policy.first_wiggly)  # columns of each group; the last is for columns without a group
    waiting = np.zeros(count + 1, bool)  # parabolas that are not in the model
    waiting[list(design.bent.values())] = True
    first_strengths = np.full(count + 1, np.nan)
    if start is not None:
        first_strengths[: min(len(start), count)] = start[:count]
    is_decided = not np.isnan(first_strengths[waiting]).any()
    waiting &= ~np.isfinite(first_strengths)

    # Restricted likelihood, with twice the columns for curves that use half of theirs, until none does.
    def fitted(start: Array | None) -> tuple[RemlFit, NDArray[np.bool_]]:
        while True:
            keep = (ranks < most[groups]) & ~waiting[groups]
            part = normal.columns(keep)
            fit = fit_reml(part, groups[keep], start, scale, policy=policy.reml, rivals=design.rivals)
            unused = np.bincount(groups[ranks >= most[groups]] + 1, minlength=count + 1)[1:]
            more = (fit.edf > most[:count] / 2) & (unused > 0)
            if not more.any():
                return fit, keep
            most[:count][more] *= 2
            start = fit.strength

    fit, keep = fitted(start)
    # Parabolas beside the wiggliest curves, one after another, each by the evidence for it.
    if not is_decided:
        wiggliest = sorted(design.bent, key=lambda group: -fit.edf[group])
        for group in [group for group in wiggliest if fit.edf[group] > policy.bent_edf]:
            parabola = design.bent[group]
            waiting[parabola] = False
            begin = fit.strength.copy()
            begin[parabola] = np.nan
            other, wider = fitted(begin)
            if fit.criterion - other.criterion > policy.bent_evidence:
                fit = other
                keep = wider
            else:
                waiting[parabola] = True
    return _obeying(expanded(fit, keep), normal, design, offset)


def with_strengths(
    normal: NormalMatrix, design: Design, fit: RemlFit, strength: Array, scale: float | None = None
) -> RemlFit:
    """Return the estimate with given strengths (groups,), of the columns that an estimate of the design needed."""
    groups = design.groups
    vanished = np.append(~np.isfinite(strength), False)[groups]
    keep = (groups < 0) | (np.diag(fit.covariance) > 0) | vanished
    held = fit_reml(normal.columns(keep), groups[keep], strength, scale, policy=replace(design.policy.reml, steps=0))
    return _obeying(expanded(held, keep), normal, design, 0.0)


def _obeying(fit: RemlFit, normal: NormalMatrix, design: Design, offset: float) -> RemlFit:
    """Return the estimate that obeys the constraints of the design."""
    if design.constraints is None or not design.constraints.has_inequalities:
        return fit
    return constrained(normal, design, fit, offset)


def expanded(fit: RemlFit, keep: NDArray[np.bool_]) -> RemlFit:
    """Return the estimate of some columns as one of all, with zeros for the others."""
    if keep.all():
        return fit
    coef = np.zeros((len(keep), *fit.coef.shape[1:]))
    covariance = np.zeros((len(keep), len(keep)))
    coef[keep] = fit.coef
    covariance[np.ix_(keep, keep)] = fit.covariance
    columns = np.flatnonzero(keep)
    if fit.columns is not None:
        columns = columns[fit.columns]
    return replace(fit, coef=coef, covariance=covariance, columns=columns)


def solve_gaussian(design: Design, x: Array, y: Array, weight: Array, before: AdditiveModel | None) -> AdditiveModel:
    """Minimise squared errors: one normal matrix, and REML for each output; y is (N, m)."""
    shift = (weight @ y) / weight.sum()  # squares of centred numbers keep their digits
    centred = y - shift
    normal = _extended(before, design, x, weight, centred)
    # A start for the strengths, from the estimate of an earlier design.
    if before is not None:
        starts = before.starts(design)
    else:
        starts = (None,) * y.shape[1]
    # Restricted likelihood of each output by itself: they share the normal matrix alone.
    fits = []
    for output, start in enumerate(starts):
        fit = estimate(normal.output(output), design, start, offset=float(shift[output]))
        coef = fit.coef.copy()
        coef[0] += shift[output]
        fits.append(replace(fit, coef=coef))
    # What is left of the responses.
    residual = y - design.link(np.stack([fit.coef for fit in fits], 1), x)
    steps = max((fit.iterations for fit in fits), default=0)
    converged = all(fit.converged for fit in fits)
    return AdditiveModel(
        design, tuple(fits), Gaussian(), weight[:, None], residual, normal, steps=steps, converged=converged
    )


def _extended(before: AdditiveModel | None, design: Design, x: Array, weight: Array, response: Array) -> NormalMatrix:
    """Return the normal matrix of a design; of what an earlier one holds, nothing is summed again."""
    if before is None or before.design.curves is not design.curves:
        return normal_matrix(design, x, weight, response, design.rows)
    # Columns that both designs have.
    old = [np.arange(design.mains)]
    new = [np.arange(design.mains)]
    for number, pair in enumerate(design.pairs):
        same = next((at for at, each in enumerate(before.design.pairs) if each is pair), None)
        if same is not None:
            old.append(np.r_[before.design.columns_of_pair(same)])
            new.append(np.r_[design.columns_of_pair(number)])
    taken = np.concatenate(old)
    place = np.concatenate(new)
    # Their cross products are copied.
    p = len(design.groups)
    gram = np.zeros((p, p))
    moment = np.zeros((p, response.shape[1]))
    gram[np.ix_(place, place)] = before.normal.gram[np.ix_(taken, taken)]
    moment[place] = before.normal.moment[taken]
    # Those of new columns with all columns are summed in one pass over the rows.
    fresh = np.setdiff1d(np.arange(p), place)
    if len(fresh):
        for part in design.chunks(len(x)):
            columns = design.columns(x[part])
            weighted = (weight[part, None] * columns[:, fresh]).T
            gram[fresh] += weighted @ columns
            moment[fresh] += weighted @ response[part]
        gram[:, fresh] = gram[fresh].T
    return NormalMatrix(gram, moment, before.normal.square, before.normal.rows)
