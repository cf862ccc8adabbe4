"""Tests of the terms of a chosen additive model, and error bars as functions of its network's parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from edgewise.errors import InputError
from edgewise.gam.design import Design
from edgewise.gam.families.base import Family
from edgewise.gam.families.categorical import Ordered
from edgewise.gam.inference.summaries import AdditiveSummary, TermTest, summarise
from edgewise.gam.inference.wald import smooth_test
from edgewise.gam.model import AdditiveModel, symmetric_roots
from edgewise.nn.model import KAN
from edgewise.presentation import counted
from edgewise.search.candidates import Fitted, Samples
from edgewise.search.polynomials.network import factor_changes
from edgewise.search.polynomials.smooth import SmoothFit

MOST_NUMBERS = 4_000_000  # of the factor, 32 MB in a file

# of a target, and the inverse of its smallest: squares, and sums of many of them, are normal float64
LARGEST_UNIT = 1e140


def term_tests(fitted: Fitted, samples: Samples, names: Sequence[str], units: np.ndarray) -> AdditiveSummary | None:
    """Test the terms of a fitted candidate: of an additive model, or of a polynomial of all inputs inside a link.

    For a mean of models the tests are those of one model of all rows that has the pairs of all of them; the constant,
    the degrees of freedom and the explained shares are those of the mean. Constraints are not taken into account: the
    tests ask for evidence that the rows give without them.

    Slopes are stated in `units` (n,) of each input of the samples, to which the candidate was fitted, in the
    unit of the target. None for a constant, hidden nodes, several targets, a loss that is no
    likelihood, a fit to other rows, and a target whose scale is below 1e-140 or whose shift or scale is above 1e140,
    since squares of it are summed.
    """
    family = fitted.family
    model = fitted.model
    if fitted.smooth is not None:
        return _polynomial_tests(fitted.smooth, samples, names, samples.unit)
    if not fitted.candidate.additive or fitted.nodes is not None or not family.is_likelihood:
        return None
    if not math.isclose(model.design.rows, samples.total) or (samples.y.ndim == 2 and samples.y.shape[1] > 1):
        return None
    if fitted.candidate.linear:
        model = _with_own_ridges(model)
    if fitted.candidate.family.logit_lines is not None:
        model = _with_one_predictor(model, fitted.candidate.family)
        family = model.family
    y = samples.response(family)
    if not family.is_classes:
        scale = samples.unit
        shift = samples.offset * scale
        if not (1 / LARGEST_UNIT <= scale <= LARGEST_UNIT and abs(shift) <= LARGEST_UNIT):
            return None
        # Responses and coefficients in units of the target; under a logarithm its scale is added to the constant.
        if family.log_link:
            add = math.log(scale)
            times = 1.0
            y = y * scale
        else:
            add = shift
            times = scale
            y = y * scale + shift
        squared = times**2
        fits = []
        for fit in model.fits:
            coef = times * fit.coef
            coef[0] += add
            fits.append(
                replace(fit, coef=coef, covariance=squared * fit.covariance, dispersion=squared * fit.dispersion)
            )
        normal = replace(model.normal, moment=times * model.normal.moment)
        model = replace(model, fits=tuple(fits), normal=normal)
    if not all(0 < fit.dispersion < math.inf for fit in model.fits):
        return None  # a constant target, or a variance that is no float64
    return summarise(model, samples.x, y, samples.weight, names, units)


def _polynomial_tests(
    smooth: SmoothFit, samples: Samples, names: Sequence[str], scale: float
) -> AdditiveSummary | None:
    """Test the curves and products of a polynomial inside a link, by inputs.

    A term is the sum of all products of Legendre polynomials of the same inputs: its part in the functional ANOVA
    under the uniform density on the box. The tests are those of `summarise`, of the polynomial's last weighted least
    squares; link and products are taken as known, although the rows chose them. The constant, which depends on the
    box, is not listed.
    """
    polynomial = smooth.polynomial
    weight = samples.weight
    y = samples.y[:, 0]
    if smooth.rows != samples.total or not (1 / LARGEST_UNIT <= scale <= LARGEST_UNIT and smooth.dispersion > 0):
        return None
    basis = polynomial.basis
    rows = samples.total
    columns = basis.columns(samples.x)
    slope = polynomial.link.slope(np.clip(columns @ polynomial.coef, *polynomial.bounds)) / polynomial.unit
    gram = columns.T @ (columns * (weight * slope**2)[:, None])
    share = smooth.covariance @ gram / smooth.dispersion
    residual_df = max(rows - smooth.edf, 1.0)
    terms = []
    indices = basis.indices > 0
    for inputs in sorted({tuple(np.flatnonzero(used).tolist()) for used in indices}, key=lambda one: (len(one), one)):
        if not inputs:
            continue
        own = np.flatnonzero((indices == np.isin(np.arange(indices.shape[1]), inputs)).all(1))
        block = np.ix_(own, own)
        edf = float(np.trace(share[block]))
        rank = min(2 * edf - float(np.sum(share[block] * share[block].T)), len(own))
        statistic, p_value = smooth_test(
            polynomial.coef[own], smooth.covariance[block], gram[block], max(rank, 1e-8), residual_df
        )
        kind = ("curve", "pair", "product")[min(len(inputs), 3) - 1]
        name = " x ".join(names[j] for j in inputs)
        terms.append(TermTest(name, 0, kind, edf, rank, statistic, p_value))
    errors = float(weight @ (y - polynomial(samples.x)) ** 2)
    spread = float(weight @ (y - np.average(y, weights=weight)) ** 2)
    degrees = rows - 1
    # Restricted likelihood with the dispersion that maximises it, on the scale of the target.
    reml = (degrees * (math.log(2 * math.pi) + 1) + smooth.criterion) / 2 + degrees * math.log(scale)
    return AdditiveSummary(
        family="squared",
        link=polynomial.link.of_mean,
        terms=tuple(terms),
        r2_adjusted=1 - errors / residual_df / (spread / degrees),
        explained=1 - errors / spread,
        reml=reml,
        scale=smooth.dispersion * scale**2,
        scale_known=False,
        rows=rows,
    )


def _with_one_predictor(model: AdditiveModel, family: Family) -> AdditiveModel:
    """Return a fit with a logit for each ordered class as that of the predictor that the classes share."""
    # The inverse of `with_logits`: logits a + c eta, taken back from the class with the largest c.
    assert isinstance(family, Ordered)
    slopes = np.array(family.levels)
    largest = int(np.abs(slopes).argmax())
    slope = slopes[largest]
    fit = model.fits[largest]
    coef = fit.coef / slope
    coef[0] = 0.0
    fit = replace(fit, coef=coef, covariance=fit.covariance / slope**2, strength=fit.strength * slope**2)
    ordered = replace(family, constants=tuple(float(one.coef[0]) for one in model.fits))
    return replace(model, fits=(fit,), family=ordered)


def _with_own_ridges(model: AdditiveModel) -> AdditiveModel:
    """Return a linear model with a group for each line, whose ridges are equal, so that each line is a term."""
    design = model.design
    first, lines = next(
        ((number, inputs) for number, (kind, inputs) in enumerate(design.labels) if kind == "straight"), (-1, ())
    )
    if len(lines) < 2:
        return model
    # The first line keeps the number of the group, the others follow all groups.
    place = {j: len(design.labels) + number - 1 for number, j in enumerate(lines)}
    place[lines[0]] = first
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


def parameter_factor(fitted: Fitted, model: KAN) -> Tensor:
    """Return C, (P, K), with C C' the covariance of the network's P parameters."""
    # The Bayesian covariance of the coefficients, with the uncertainty of the strengths, is carried to the coefficients
    # of the curves exactly, and to the factors of a pair's tensor within its rank (`factor_changes`). The functions
    # inside hidden nodes are taken as known, and inputs without any curve as without influence.
    if fitted.smooth is not None:
        root = _root(fitted.smooth.covariance)
        if root.shape[1] * sum(parameter.numel() for parameter in model.parameters()) > MOST_NUMBERS:
            raise InputError(
                f"model must have fewer parameters for error bars, got {counted(fitted.coefficients, 'term')}"
            )
        return torch.from_numpy(fitted.smooth.polynomial.parameter_changes(model, root))
    design = fitted.model.design
    blocks: list[np.ndarray] = []
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    count = sum(shape.numel() for shape in shapes.values())
    for output in range(len(fitted.model.fits)):
        root = _root(fitted.model.band_covariance(output))
        most = MOST_NUMBERS // max(sum(block.shape[1] for block in blocks) + root.shape[1], 1)
        if count > most:
            raise InputError(f"model must have at most {most:,} parameters to have error bars, got {count:,}")
        parts = {name: np.zeros((*shape, root.shape[1])) for name, shape in shapes.items()}
        _fill_curves(parts, design, root, output, fitted)
        if design.pairs:
            _fill_pairs(parts, fitted, root, output)
        blocks.append(np.concatenate([part.reshape(-1, root.shape[1]) for part in parts.values()]))
    return torch.from_numpy(np.concatenate(blocks, 1))


def _root(covariance: np.ndarray) -> np.ndarray:
    """L, (p, K), with L L' a covariance but for directions of 1e-6 of its variance, which bars do not show."""
    values, vectors = np.linalg.eigh(covariance)
    kept = np.cumsum(np.maximum(values, 0)) > 1e-6 * max(np.trace(covariance), 0.0)
    return vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0))


def _fill_curves(parts: dict[str, np.ndarray], design: Design, root: np.ndarray, output: int, fitted: Fitted) -> None:
    """Write the changes of the curves of inputs, and of those of hidden nodes, into the changes of parameters."""
    curves, constants = design.spline_coef(root)  # (inputs, n, K) and (K,)
    mean = design.spline_coef(fitted.model.coef[:, output : output + 1])[0][:, :, 0]
    # B-splines add up to 1, so a constant is added to all coefficients of a curve, the one to which `to_kan` adds it.
    curves[int(np.abs(mean).max(1).argmax())] += constants
    if fitted.nodes is None:
        inputs = len(curves)
    else:
        inputs = fitted.nodes.coef.shape[0]
    parts["layers.0.coef"][:, :, output] = curves[:inputs]
    if fitted.nodes is not None:
        nodes = fitted.nodes.coef.shape[2]
        last = max(name for name in parts if name.endswith(".coef"))
        outputs = len(fitted.model.fits)
        parts[last][outputs : outputs + nodes, :, output] = curves[inputs:]


def _fill_pairs(parts: dict[str, np.ndarray], fitted: Fitted, root: np.ndarray, output: int) -> None:
    """Write the changes of the factors of product nodes, in the order of `AdditiveModel.to_kan`."""
    # Product nodes lie behind the outputs and the hidden nodes.
    model = fitted.model
    if fitted.nodes is None:
        hidden = 0
    else:
        hidden = fitted.nodes.coef.shape[2]
    place = len(model.fits) + hidden
    for number, pair in enumerate(model.pairs):
        # The change of the tensor of coefficients between orthonormal margins, and by it that of its two singular
        # factors.
        own = model.design.columns_of_pair(number)
        margins = model.design.pairs[number].margins
        roots = [symmetric_roots(margin.covariance) for margin in margins]
        to_splines = [margin.change @ inverse for margin, (_, inverse) in zip(margins, roots, strict=True)]
        for term_output, (left, right) in enumerate(model.factors(number, 0.0)):
            rank = left.shape[1]
            if term_output == output and rank:
                changes = root[own].reshape(len(left), len(right), -1)
                changes = np.einsum("ai,ijk,jb->abk", roots[0][0], changes, roots[1][0])
                du, dv = factor_changes(left, right, changes)
                for r in range(rank):
                    parts["layers.0.coef"][pair[0], :, place + 2 * r] = to_splines[0] @ du[:, r]
                    parts["layers.0.coef"][pair[1], :, place + 2 * r + 1] = to_splines[1] @ dv[:, r]
            place += 2 * rank
