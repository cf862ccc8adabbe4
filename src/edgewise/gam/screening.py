"""Choice of the inputs of a wide table that get a curve at all (`screened`).

J. Fan and J. Lv, J. R. Statist. Soc. B 70 (2008) 849: sure independence screening, and its iteration; J. Fan, Y. Feng
and R. Song, J. Am. Statist. Assoc. 106 (2011) 544: with curves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewise.gam.building import with_curves
from edgewise.gam.design import Design
from edgewise.gam.model import AdditiveModel
from edgewise.gam.pairs import bins_of
from edgewise.gam.solving import Solver
from edgewise.outcomes import check_time
from edgewise.settings import ABOVE_ZERO

Array = NDArray[np.float64]


def screened(design: Design, x: Array, weight: Array, solve: Solver) -> tuple[Design, AdditiveModel | None]:
    """Give curves to all inputs, or to the most promising ones if there are more than `AdditivePolicy.most_inputs`."""
    # The promise of an input is what the means of its bins explain of the residuals, in standard deviations of what
    # they would explain of noise. Half of the inputs are taken by the residuals of a constant, the rest by those of the
    # additive model of the first half. The indicators of categories are always in. Return the design with curves, and
    # the estimate of the first half to start from, or None.
    varying = [j for j, column in enumerate(design.inputs) if column.distinct > 1]
    most = design.policy.most_inputs
    if len(varying) <= most:
        return with_curves(design, varying, x, weight), None
    kept = {j for members in design.levels for j in members}
    others = [j for j in varying if j not in kept]
    codes = {j: bins_of(x[:, j], design.policy.pair_bins) for j in others}
    solution: AdditiveModel | None = None
    rounds = design.policy.screening_rounds
    for number in range(rounds):
        design = with_curves(design, sorted(kept), x, weight)
        solution = solve(design, solution)
        check_time()
        promise = {j: _promise(codes[j], solution) for j in others if j not in kept}
        best = sorted(promise, key=lambda j: (-promise[j], j))
        if number < rounds - 1:
            count = most // rounds
        else:
            count = most - most // rounds * (rounds - 1)
        kept |= set(best[:count])
    return with_curves(design, sorted(kept), x, weight), solution


def _promise(code: NDArray[np.intp], solution: AdditiveModel) -> float:
    """Return what the means of bins explain of the residuals, in standard deviations of a chi-square variable."""
    largest = -np.inf
    for output in range(solution.residual.shape[1]):
        w = solution.weights[:, min(output, solution.weights.shape[1] - 1)]
        residual = solution.residual[:, output]
        residual = residual - w @ residual / w.sum()
        noise = max(float(w @ residual**2) / solution.design.rows, ABOVE_ZERO)
        weights = np.bincount(code, w)
        sums = np.bincount(code, w * residual)
        filled = weights > 0
        degrees = max(int(filled.sum()) - 1, 1)
        explained = float((sums[filled] ** 2 / weights[filled]).sum()) / noise
        largest = max(largest, (explained - degrees) / (2 * degrees) ** 0.5)
    return float(largest)
