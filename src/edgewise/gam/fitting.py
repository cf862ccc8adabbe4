"""From rows to an additive model with the pairs that earn it (`fit_additive`).

Wood, Generalized Additive Models (2nd ed.), sections 4.3 and 4.4, on additive models and generalised ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import InputError
from edgewise.gam.building import design_of, with_pairs
from edgewise.gam.constraints import Constraints
from edgewise.gam.design import Design, Pair
from edgewise.gam.families.base import Family, squeezed
from edgewise.gam.families.exponential import Gaussian
from edgewise.gam.irls import separate_fits, solve
from edgewise.gam.model import AdditiveModel
from edgewise.gam.pairs import choose_pairs
from edgewise.gam.policy import AdditivePolicy
from edgewise.gam.screening import screened

Array = NDArray[np.float64]


def fit_additive(
    x: Array,
    y: Array,
    weight: Array | None = None,
    *,
    family: Family | None = None,
    pairs: Sequence[Pair] | None = None,
    policy: AdditivePolicy | None = None,
    groups: Sequence[Sequence[int]] = (),
    constraints: Constraints | None = None,
) -> AdditiveModel:
    """Fit a sum of curves, one of each input, and of surfaces of pairs of inputs.

    Parameters
    ----------
    x : ndarray
        Finite rows, (N, inputs).
    y : ndarray
        Finite responses, (N,) or (N, m).
    weight : ndarray, optional
        Weights, (N,), not negative. Weights of at least 1 count equal rows; if a positive weight is smaller,
        all are scaled to mean 1.
    family : Family, optional
        The loss, squared errors by default.
    pairs : sequence of (int, int), optional
        Pairs of inputs that act together, () without pairs; chosen by `choose_pairs` by default.
    policy : AdditivePolicy, optional
        All other choices.
    groups : sequence of sequences of int
        Columns that are the indicators of one category each.
    constraints : Constraints, optional
        Knowledge that the model must obey exactly.

    Returns
    -------
    AdditiveModel
        The model.

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((400, 3))
    >>> y = 4 * (x[:, 0] - 0.5) * (x[:, 1] - 0.5) + x[:, 2] + 0.1 * rng.standard_normal(400)
    >>> fit_additive(x, y).pairs
    ((0, 1),)
    """
    # Rows, and responses in the form that the family takes.
    policy = policy or AdditivePolicy()
    x, y, weight = _checked(x, y, weight)
    loss = family or Gaussian()
    if loss.is_least_squares:
        response = y
    else:
        response = loss.checked(squeezed(y))

    def solver(design: Design, before: AdditiveModel | None) -> AdditiveModel:
        return solve(design, x, response, weight, loss, before)

    if constraints is not None:
        constraints.check(x.shape[1])
        if loss.predictors > 1 and constraints.has_inequalities:
            raise InputError(f"constraints must be none on curves for several classes, got {constraints!r}")
    # Curves, of the inputs that promise most where there are many; then pairs, given or chosen.
    design = design_of(x, weight, policy, groups, constraints, is_bare=True)
    design, before = screened(design, x, weight, solver)
    if pairs is not None:
        design = with_pairs(design, _checked_pairs(pairs, x.shape[1], constraints), x, weight)
    solution = solver(design, before)
    if pairs is None:
        solution = choose_pairs(solution, x, weight, solver)
    solution = separate_fits(solution.design, x, response, weight, solution)
    return solution.of_low_rank()


def _checked(x: Array, y: Array, weight: Array | None) -> tuple[Array, Array, Array]:
    """Return rows (N, inputs), responses (N, m) and weights (N,) as float64. Raises InputError."""
    # Rows and responses.
    x = np.asarray(x, float)
    y = np.asarray(y, float)
    if y.ndim == 1:
        y = y[:, None]
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise InputError(f"x must be finite numbers (rows, inputs), got {_described(x)}")
    if y.ndim != 2 or len(y) != len(x) or not y.shape[1] or not np.isfinite(y).all():
        raise InputError(f"y must be finite numbers for each of the {len(x)} rows, got {_described(y)}")
    if weight is None:
        return x, y, np.ones(len(x))
    # Weights: counts of rows stay as they are, all others are scaled to a mean of 1.
    weight = np.asarray(weight, float)
    if weight.shape != (len(x),) or not np.isfinite(weight).all() or weight.min() < 0 or not weight.max() > 0:
        raise InputError(f"weight must be {len(x)} numbers of at least 0, one positive, got {_described(weight)}")
    counted = weight > 0
    if weight[counted].min() < 1:  # no counts of rows
        weight = weight / weight[counted].mean()
    return x, y, weight


def _described(array: Array) -> str:
    """Return the shape of an array, or what is wrong with its numbers."""
    if np.isfinite(array).all():
        return f"shape {array.shape}"
    return f"{int((~np.isfinite(array)).sum())} that are not"


def _checked_pairs(pairs: Sequence[Pair], inputs: int, constraints: Constraints | None) -> list[Pair]:
    """Return pairs of different inputs, each once, in the order given. Raises InputError."""
    found: list[Pair] = []
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1] or not all(0 <= j < inputs for j in pair):
            raise InputError(f"pairs must hold two different inputs from 0 to {inputs - 1}, got {tuple(pair)!r}")
        if constraints is not None and not constraints.allows((pair[0], pair[1])):
            raise InputError(f"pairs must hold only pairs that constraints allow, got {tuple(pair)!r}")
        first, second = sorted(int(j) for j in pair)
        if (first, second) not in found:
            found.append((first, second))
    return found
