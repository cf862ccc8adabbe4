"""Choice of the values of inputs at which curves and pairs have a step: score tests of steps that a model lacks.

S. N. Wood, Generalized Additive Models (2nd ed.), section 6.2.6: a step without a penalty beside a penalised model; B.
Hansen, Econometrica 68 (2000) 575, on thresholds in regression; J. Friedman, Ann. Statist. 19 (1991) 1, section 3.2, on
products of steps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewise.gam.basis import Margin, active, dense
from edgewise.gam.building import with_cuts, with_pairs
from edgewise.gam.design import Design
from edgewise.gam.model import AdditiveModel
from edgewise.gam.pairs import bins_of
from edgewise.gam.solving import Solver

Array = NDArray[np.float64]
Cuts = dict[int, tuple[float, ...]]


def find_cuts(solution: AdditiveModel, x: Array, weight: Array, solve: Solver) -> Cuts:
    """Return values of inputs at which a step, of a curve or of a pair of the model, explains more than chance.

    In each round every input may get one; the model is estimated again with the steps so far. Rows x are (N, inputs).
    """
    design = solution.design
    pairs = list(solution.pairs)
    # Surfaces of the fewest functions leave their steps to be seen: those with more bend along a checkerboard of 4 by
    # 4, beside which each step alone explains little. Where one input has two values they are curves, and stay.
    sizes = {}
    for pair, size in design.sizes.items():
        sizes[pair] = (1, 1)
        if min(design.inputs[j].distinct for j in pair) == 2:
            sizes[pair] = size
    cuts: Cuts = {}
    most = len(design.inputs[0].knots) // design.policy.step_intervals
    heights = with_pairs(design, pairs, x, weight)
    whole = solution
    if sizes != design.sizes:
        solution = solve(with_pairs(design, pairs, x, weight, sizes), solution)
    for _ in range(design.policy.step_rounds):
        new = {j: cut for j, cut in _next_cuts(solution, heights, x).items() if len(cuts.get(j, ())) < most}
        if not new:
            break
        for j, cut in new.items():
            cuts[j] = tuple(sorted({*cuts.get(j, ()), cut}))
        heights = with_pairs(with_cuts(design, cuts, x, weight), pairs, x, weight)
        solution = solve(with_pairs(heights, pairs, x, weight, sizes), solution)
    # Steps in place of the bends of a smooth surface explain less than that surface does, by the restricted likelihood.
    without, beside = (sum(fit.criterion for fit in one.own_fits) for one in (whole, solution))
    if sizes != design.sizes and beside > without:
        return {}
    return cuts


def _next_cuts(model: AdditiveModel, heights: Design, x: Array) -> dict[int, float]:
    """Return for each input the value at which a step has the largest score, if that is no chance.

    The step of a surface has the height of a function of the other input, one of the margins of the design `heights`.
    """
    design = model.design
    # A step may be one of the curve, or in each direction of a pair one whose height is a function of the other input.
    tests: list[tuple[int, Margin | None, int]] = []
    for j, own in enumerate(design.curves):
        if "wiggly" in own.kinds:
            tests.append((j, None, j))
    for part in heights.pairs:
        for j, other, height in zip(part.inputs, part.inputs[::-1], part.margins[::-1], strict=True):
            if design.inputs[j].distinct > 2:
                tests.append((j, height, other))
    codes = {j: bins_of(x[:, j], design.policy.step_bins) for j, _, _ in tests}
    level = float(np.log(max(sum(int(codes[j].max()) for j, _, _ in tests), 2)))
    best: dict[int, tuple[float, float]] = {}
    for j, margin, other in tests:
        # The best border of bins, then the best of all values near it.
        code = codes[j]
        excess = _excess(model, x, code, margin, other, level)
        if not len(excess) or not excess.max() > best.get(j, (0.0, 0.0))[0]:
            continue
        border = int(excess.argmax())
        near = np.unique(x[(code >= border) & (code <= border + 1), j])
        fine = _excess(model, x, np.searchsorted(near[1:], x[:, j], side="right"), margin, other, level)
        place = int(fine.argmax())
        best[j] = float(excess.max()), float((near[place] + near[place + 1]) / 2)
    return {j: cut for j, (_, cut) in best.items() if cut not in design.inputs[j].cuts}


def _excess(
    model: AdditiveModel, x: Array, code: NDArray[np.intp], margin: Margin | None, other: int, level: float
) -> Array:
    """Return by how much score statistics of steps above each part of the rows exceed what chance gives, (parts - 1,).

    Heights of the step are constant, or combinations of the functions of a margin of another input. A statistic is
    twice the log likelihood ratio beside the penalised model; of `exp(level)` of them with k degrees of freedom the
    largest stays below k + 2 (k level)^(1/2) + 2 level [1].
    """
    # [1] B. Laurent and P. Massart, Ann. Statist. 28 (2000) 1302, lemma 1.
    from scipy.sparse import csr_array  # imported late: `import edgewise` stays light

    design = model.design
    fit = model.fits[0]
    parts = int(code.max()) + 1
    # Sums of w f r, w f f' and w f X over the parts of the rows, for the functions f of the height and the columns X
    # that the model needed.
    used = np.diag(fit.covariance) > 0
    count = 1
    if margin is not None:
        count += margin.change.shape[1]
    total = np.zeros((count, parts, 1 + count + int(used.sum())))
    for at in design.chunks(len(x)):
        functions = np.ones((len(x[at]), 1))
        if margin is not None:
            basis = dense(*active(x[at][:, [other]], design.knots[[other]]), len(margin.change))[0]
            functions = np.concatenate([functions, basis @ margin.change], 1)
        columns = np.concatenate([model.residual[at, :1], functions, design.columns(x[at])[:, used]], 1)
        columns *= model.weights[at, :1]
        places = np.arange(len(functions))
        for number in range(count):
            total[number] += csr_array((functions[:, number], (code[at], places)), (parts, len(places))) @ columns
    above = np.flip(np.flip(total, 1).cumsum(1), 1)[:, 1:].transpose(1, 0, 2)
    # Score statistics with the covariance of the scores under the model.
    score = above[:, :, 0]
    gram = fit.dispersion * above[:, :, 1 : 1 + count]
    design_sums = above[:, :, 1 + count :]
    covariance = gram - (design_sums @ fit.covariance[np.ix_(used, used)]) @ design_sums.transpose(0, 2, 1)
    values, vectors = np.linalg.eigh((covariance + covariance.transpose(0, 2, 1)) / 2)
    along = np.einsum("cji,cj->ci", vectors, score)
    # What is left of a step beside the model must be worth more than a row, or a single one decides.
    seen = values > float(model.weights[:, 0].mean()) * fit.dispersion
    statistic = np.where(seen, along**2 / np.where(seen, values, 1.0), 0.0).sum(1)
    degrees = seen.sum(1)
    return statistic - degrees - 2 * np.sqrt(degrees * level) - 2 * level
