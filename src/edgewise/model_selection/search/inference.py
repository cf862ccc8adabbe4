"""Tests of the terms of a chosen additive model, in the units of the target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgewise.model_selection.additive.inference import AdditiveSummary, summarise
from edgewise.model_selection.additive.model import AdditiveModel
from edgewise.model_selection.search.candidates import Fitted, Samples, are_classes

UNTESTED = ("huber", "quantile")  # losses that are not likelihoods, so that restricted likelihood is only a device


def term_tests(
    fitted: Fitted,
    samples: Samples,
    names: Sequence[str],
    units: np.ndarray,
    target: tuple[float, float] = (0.0, 1.0),
) -> AdditiveSummary | None:
    """Test the terms of a fitted candidate.

    For a mean of models the tests are those of one model of all rows that has the pairs of all of them; the constant
    and the explained shares are those of the mean. Constraints are not taken into account: the tests ask for evidence
    that the rows give without them.

    Parameters
    ----------
    fitted : Fitted
        The candidate.
    samples : Samples
        The rows that it was fitted to.
    names : sequence of str
        Names of the inputs.
    units : ndarray of shape (n,)
        Length of a unit of each input of `samples` in the units in which slopes are to be stated.
    target : (float, float)
        Shift and scale of the target: `samples.y` is (target - shift) / scale.

    Returns
    -------
    AdditiveSummary or None
        None for a constant, hidden nodes, several targets, a loss that is no likelihood, and a fit to other rows.

    Examples
    --------
    >>> from edgewise.model_selection.additive.families import Gaussian
    >>> from edgewise.model_selection.search.candidates import Candidate, FitCache
    >>> from edgewise.model_selection.search.policy import SearchPolicy
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((200, 2))
    >>> samples = Samples(x, x[:, :1] ** 2 + 0.1 * rng.standard_normal((200, 1)), np.ones(200))
    >>> fitted = FitCache(samples, policy=SearchPolicy()).fit(Candidate(Gaussian()))
    >>> [term.p_value < 0.01 for term in term_tests(fitted, samples, ["a", "b"], np.ones(2)).terms[1:]]
    [True, False]
    """
    family, model = fitted.family, fitted.model
    if not fitted.candidate.additive or fitted.nodes is not None or family.name in UNTESTED:
        return None
    if model.design.rows != samples.total or (samples.y.ndim == 2 and samples.y.shape[1] > 1):
        return None
    if fitted.candidate.linear:
        model = _with_own_ridges(model)
    y = samples.response(family)
    if not are_classes(family):
        shift, scale = target
        add, times = (math.log(scale), 1.0) if family.log_link else (shift, scale)
        y = y * scale + (0.0 if family.log_link else shift)
        fits = []
        for fit in model.fits:
            coef = times * fit.coef
            coef[0] += add
            squared = times**2
            fits.append(
                replace(fit, coef=coef, covariance=squared * fit.covariance, dispersion=squared * fit.dispersion)
            )
        model = replace(model, fits=tuple(fits))
    if not all(0 < fit.dispersion < math.inf for fit in model.fits):
        return None  # a constant target, or a unit so small that its square is zero
    return summarise(model, samples.x, y, samples.weight, names, units)


def _with_own_ridges(model: AdditiveModel) -> AdditiveModel:
    """Return a linear model with a group for each line, whose ridges are equal, so that each line is a term."""
    design = model.design
    first, lines = next(
        ((number, inputs) for number, (kind, inputs) in enumerate(design.labels) if kind == "straight"), (-1, ())
    )
    if len(lines) < 2:
        return model
    place = {j: first if number == 0 else len(design.labels) + number - 1 for number, j in enumerate(lines)}
    groups = design.groups.copy()
    for j in lines:
        groups[design.columns_of(j)] = place[j]
    labels = [*design.labels, *(("straight", (j,)) for j in lines[1:])]
    labels[first] = ("straight", (lines[0],))
    design = replace(design, groups=groups, labels=tuple(labels))
    fits = []
    for fit in model.fits:
        strength = np.append(fit.strength, np.full(len(lines) - 1, fit.strength[first]))
        ridge = np.append(strength, 0.0)[groups]
        shares = 1 - np.where(np.isfinite(ridge), ridge, 0.0) * np.diag(fit.covariance) / fit.dispersion
        shares = np.where(np.isfinite(ridge), shares, 0.0)
        edf = np.array([float(shares[groups == group].sum()) for group in range(len(labels))])
        fits.append(replace(fit, strength=strength, edf=edf))
    return replace(model, design=design, fits=tuple(fits))
