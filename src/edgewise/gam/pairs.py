"""Choice of the pairs of inputs that act together: ranked by binned residuals, kept by their restricted likelihood.

Wood, Generalized Additive Models (2nd ed.), section 5.6.3: pairs beside main effects, as in an analysis of variance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.gam.basis import PairPart, Size
from edgewise.gam.building import with_pairs
from edgewise.gam.design import Design, Pair
from edgewise.gam.model import AdditiveModel
from edgewise.gam.policy import AdditivePolicy
from edgewise.gam.solving import Solver
from edgewise.settings import ABOVE_ZERO

Array = NDArray[np.float64]


def rank_pairs(
    x: Array, residual: Array, weight: Array, inputs: Sequence[int], policy: AdditivePolicy | None = None
) -> list[tuple[float, Pair]]:
    """Rank pairs of inputs by what the best pair of cuts explains of the residuals (N,) of an additive model."""
    # Every input is cut into bins of about equal weight. Two cuts make four quadrants; the gain is the fall of the
    # weighted sum of squares when the residuals may differ by quadrant instead of by a sum of two steps: (r11 - r10 -
    # r01 + r00)^2 / (1/n11 + 1/n10 + 1/n01 + 1/n00), r means and n weights of the quadrants. The largest gain over all
    # cuts is that of the pair. This is FAST [1], without what steps of one input would explain.
    # Rows x are (N, all inputs), of which `inputs` are looked at. Gains are in squared units of the residuals, best
    # first.
    # [1] Y. Lou, R. Caruana, J. Gehrke and G. Hooker, "Accurate intelligible models with pairwise interactions", KDD
    # 2013, section 4.
    policy = policy or AdditivePolicy()
    bins = policy.pair_bins
    least = max(policy.quadrant_rows * float(weight[weight > 0].mean()), policy.quadrant_share * float(weight.sum()))
    codes = {j: bins_of(x[:, j], bins) for j in inputs}
    weighted = weight * residual
    ranked = []
    for pair in combinations(inputs, 2):
        cell = codes[pair[0]] * bins + codes[pair[1]]
        count = _quadrants(np.bincount(cell, weight, bins * bins).reshape(bins, bins))
        total = _quadrants(np.bincount(cell, weighted, bins * bins).reshape(bins, bins))
        safe = np.maximum(count, 1e-9 * least)  # an empty quadrant is refused below
        contrast = np.tensordot([1.0, -1.0, -1.0, 1.0], total / safe, 1) ** 2 / (1 / safe).sum(0)
        ranked.append((float(np.where((count < least).any(0), 0.0, contrast).max()), pair))
    return sorted(ranked, key=lambda each: (-each[0], each[1]))


def bins_of(x: Array, bins: int) -> NDArray[np.intp]:
    """Return the bin of each value: cuts at quantiles, or between neighbours where values are few."""
    distinct = np.unique(x)
    if len(distinct) <= bins:
        return np.searchsorted(distinct, x)
    cuts = np.unique(np.quantile(x, np.arange(1, bins) / bins, method="inverted_cdf"))
    return np.searchsorted(cuts, x)


def _quadrants(table: NDArray[Any]) -> Array:
    """Return the sums of a table (bins, bins) in the four quadrants of every pair of cuts, (4, bins - 1, bins - 1)."""
    sums = table.cumsum(0).cumsum(1)
    both = sums[:-1, :-1]
    first = sums[:-1, -1:]
    second = sums[-1:, :-1]
    return np.stack([both, first - both, second - both, sums[-1, -1] - first - second + both])


def least_worth(tests: int, policy: AdditivePolicy) -> float:
    """Return what a pair must win in twice the log restricted likelihood, to stay among the other pairs."""
    # A pair has four variances. Without an effect the likelihood ratio is zero for each with probability one half, so
    # it is distributed as a mixture of chi-square variables with 0 to 4 degrees of freedom and binomial weights [1].
    # The level of `AdditivePolicy.pair_level` is divided by the number of tests (Bonferroni).
    # [1] S. Self and K.-Y. Liang, J. Am. Statist. Assoc. 82 (1987) 605, case 9.
    from scipy.special import gammaincc  # imported late: `import edgewise` stays light

    level = policy.pair_level / tests
    low = 0.0
    high = 1000.0
    for _ in range(60):  # halving: 1000 / 2^60 is none
        middle = (low + high) / 2
        tail = sum(weight * float(gammaincc(k / 2, middle / 2)) for k, weight in ((1, 4), (2, 6), (3, 4), (4, 1))) / 16
        if tail > level:
            low = middle
        else:
            high = middle
    return low


def choose_pairs(
    solution: AdditiveModel, x: Array, weight: Array, solve: Solver, sizes: Mapping[Pair, Size] | None = None
) -> AdditiveModel:
    """Add the pairs that a likelihood-ratio test keeps to an additive model without any.

    In each round the best ranked pairs join, all strengths are estimated again, and pairs that win less than
    `least_worth` leave, the poorest first; strengths are estimated again after each, so curves that vanished beside a
    pair come back. This is done with the fewest intervals in the margins; more come at the end, those of `sizes` where
    other rows have decided, else `with_finer_margins`. Rows x are (N, inputs).
    """
    # Pairs that may act together, and the levels of the screen and of the test.
    design = solution.design
    policy = design.policy
    inputs = _candidates(design, solution)
    constraints = design.constraints
    allowed = {p for p in combinations(inputs, 2) if constraints is None or constraints.allows(p)}
    count = len(allowed)
    if not count:
        return solution
    screen = policy.pair_screen * float(np.log(count * policy.pair_bins))
    least = least_worth(count * len(solution.own_fits), policy)
    tried: set[Pair] = set()
    fewest = {pair: design.size_of(pair, policy.margin(0.0)) for pair in allowed}
    for _ in range(policy.pair_rounds):
        # Rank the pairs by the working residuals of every output, in variances of the noise.
        scores: dict[Pair, float] = {}
        for output in range(solution.residual.shape[1]):
            w = solution.weights[:, min(output, solution.weights.shape[1] - 1)]
            residual = solution.residual[:, output]
            noise = max(solution.fits[output].dispersion, ABOVE_ZERO)
            for gain, pair in rank_pairs(x, residual, w, inputs, policy):
                scores[pair] = max(scores.get(pair, 0.0), gain / noise)
        # The best ranked pairs that are new join the model.
        old = [part.inputs for part in design.pairs]
        ranked = sorted(allowed & scores.keys(), key=lambda pair: (-scores[pair], pair))
        new = [pair for pair in ranked if scores[pair] > screen and pair not in tried]
        new = [pair for pair in new if pair not in old][: policy.most_pairs]
        if not new:
            break
        tried |= set(new)
        before = solution
        design = with_pairs(design, [*old, *new], x, weight, fewest)
        solution = solve(design, solution)
        # Backward elimination by the likelihood-ratio test.
        while design.pairs:
            # By how much minus twice the log restricted likelihood of all outputs rises without a pair.
            groups = [design.groups_of(part.inputs) for part in design.pairs]
            worths = [max(fit.worth(own) for fit in solution.own_fits) for own in groups]
            poor = [number for number, worth in enumerate(worths) if worth < least]
            if not poor:
                break
            # Those that win little leave together; where a pair wins something others may take its place.
            leaving = {n for n in poor if worths[n] < least / 2} or {min(poor, key=worths.__getitem__)}
            kept = [part.inputs for number, part in enumerate(design.pairs) if number not in leaving]
            if set(kept) == {part.inputs for part in before.design.pairs}:
                solution = before
                design = before.design
                break
            design = with_pairs(design, kept, x, weight, fewest)
            solution = solve(design, solution)
        if not set(new) & {part.inputs for part in design.pairs}:
            break
    if sizes is None:
        return with_finer_margins(solution, x, weight, solve)
    sizes = {**solution.design.sizes, **sizes}
    decided = with_pairs(solution.design, list(solution.pairs), x, weight, sizes)
    if decided.sizes == solution.design.sizes:
        return solution
    return solve(decided, solution)


def with_finer_margins(solution: AdditiveModel, x: Array, weight: Array, solve: Solver) -> AdditiveModel:
    """Double the intervals of margins that pairs use up, while the restricted likelihood rises.

    A margin is used up where the effective degrees of freedom of products with its wiggly functions exceed the share
    `AdditivePolicy.used` of their number, as the check of basis dimensions in mgcv asks (Wood, section 5.9).
    """
    policy = solution.design.policy
    while True:
        design = solution.design
        sizes = {part.inputs: _grown(part, solution) for part in design.pairs}
        finer_design = with_pairs(design, list(sizes), x, weight, sizes)
        columns = len(finer_design.groups) - finer_design.mains
        if len(finer_design.groups) == len(design.groups) or columns > policy.most_products(design.rows):
            return solution
        finer = solve(finer_design, solution)
        if sum(fit.criterion for fit in finer.own_fits) > sum(fit.criterion for fit in solution.own_fits):
            return solution
        solution = finer


def _grown(part: PairPart, solution: AdditiveModel) -> Size:
    """Return the intervals of the margins of a pair, twice as many along an input whose functions are used up."""
    design = solution.design
    grown = list(part.size)
    for group in design.groups_of(part.inputs):
        share = solution.edf[group].max() / np.count_nonzero(design.groups == group)
        for place, word in enumerate(design.labels[group][0].split(" x ")):
            if word == "wiggly" and share > design.policy.used:
                grown[place] = 2 * part.size[place]
    return grown[0], grown[1]


def _candidates(design: Design, solution: AdditiveModel) -> list[int]:
    """Return the inputs whose pairs are ranked: all, or those with the largest effects."""
    inputs = [j for j, curves in enumerate(design.curves) if curves.kinds]
    most = design.policy.pair_inputs
    if len(inputs) <= most:
        return inputs
    size = np.zeros(len(design.inputs))
    for fit in solution.fits:
        for j in inputs:
            own = design.columns_of(j)
            gram = solution.normal.gram[own, own]
            size[j] += float(fit.coef[own] @ gram @ fit.coef[own]) / fit.dispersion
    return sorted(sorted(inputs, key=lambda j: -size[j])[:most])
