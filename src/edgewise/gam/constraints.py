"""Prior knowledge of a model, as linear inequalities of B-spline coefficients (`Constraints`).

Wood, Generalized Additive Models (2nd ed.), section 5.3.6: a B-spline whose coefficients rise is monotone. Here the
inequalities are kept exactly, by least squares with nonnegative multipliers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgewise.checks import is_integer, is_number
from edgewise.errors import InputError
from edgewise.gam.basis import active, dense
from edgewise.gam.normal import NormalMatrix
from edgewise.gam.policy import InequalityPolicy
from edgewise.gam.reml import RemlFit
from edgewise.settings import ABOVE_ZERO

if TYPE_CHECKING:
    from edgewise.gam.design import Design

Array = NDArray[np.float64]
Pair = tuple[int, int]

SHAPES = {"convex": 1, "concave": -1}


@dataclass(frozen=True)
class Constraints:
    """Knowledge that a model must obey exactly.

    Inputs in `monotone`, `shape` and `linear` take no part in pairs.

    Parameters
    ----------
    monotone : mapping of int to {1, -1}
        Inputs in which the prediction never falls (1) or never rises (-1).
    shape : mapping of int to {"convex", "concave"}
        Inputs in which the prediction is convex or concave, within `AdditiveModel.limits`.
    linear : sequence of int
        Inputs in which the prediction is a straight line.
    interactions : sequence of (int, int), optional
        The only pairs of inputs that may act together; any by default.
    bounds : (float, float), optional
        Smallest and largest prediction on the scale of the link; None for one that is not bounded. They hold for every
        combination of inputs, so the lowest value of every part counts, met or not: a sufficient condition.

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    >>> from edgewise.gam import fit_additive
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((200, 2))
    >>> y = np.sqrt(x[:, 0]) + 0.3 * rng.standard_normal(200)
    >>> model = fit_additive(x, y, constraints=Constraints(monotone={0: 1}, shape={0: "concave"}))
    >>> curve = model.effect(0, np.linspace(0, 1, 500))[0][:, 0]
    >>> bool(np.diff(curve).min() > -1e-9), bool(np.diff(curve, 2).max() < 1e-9)
    (True, True)
    """

    monotone: Mapping[int, int] = field(default_factory=dict)
    shape: Mapping[int, str] = field(default_factory=dict)
    linear: Sequence[int] = ()
    interactions: Sequence[Pair] | None = None
    bounds: tuple[float | None, float | None] | None = None

    def __post_init__(self) -> None:
        for j, sign in self.monotone.items():
            if not is_integer(j) or sign not in (1, -1):
                raise InputError(f"monotone must map inputs to 1 or -1, got {j!r}: {sign!r}")
        for j, shape in self.shape.items():
            if not is_integer(j) or shape not in SHAPES:
                raise InputError(f"shape must map inputs to convex or concave, got {j!r}: {shape!r}")
        if not all(is_integer(j) for j in self.linear):
            raise InputError(f"linear must list inputs, got {self.linear!r}")
        if self.interactions is not None:
            for pair in self.interactions:
                if len(pair) != 2 or pair[0] == pair[1] or not all(is_integer(j) for j in pair):
                    raise InputError(f"interactions must hold pairs of different inputs, got {pair!r}")
                if set(pair) & self.alone:
                    raise InputError(f"interactions must not hold a constrained input, got {tuple(pair)!r}")
        if self.bounds is not None:
            low, high = self.bounds
            finite = [end for end in self.bounds if end is not None]
            if not all(is_number(end) for end in finite) or (low is not None and high is not None and not low < high):
                raise InputError(f"bounds must be (low, high) with low < high, got {self.bounds!r}")

    @property
    def alone(self) -> set[int]:
        """Inputs that take no part in pairs."""
        return {*self.monotone, *self.shape, *self.linear}

    def check(self, inputs: int) -> None:
        """Raise InputError unless all inputs are below `inputs`."""
        named = self.alone | {j for pair in self.interactions or () for j in pair}
        unknown = [j for j in sorted(named) if not 0 <= j < inputs]
        if unknown:
            raise InputError(f"constraints must name inputs from 0 to {inputs - 1}, got {unknown[0]}")

    def allows(self, pair: Pair) -> bool:
        """Return whether two inputs may act together."""
        if set(pair) & self.alone:
            return False
        return self.interactions is None or any(set(pair) == set(other) for other in self.interactions)

    @property
    def allows_pairs(self) -> bool:
        """True if any two inputs may act together."""
        return self.interactions is None or len(self.interactions) > 0

    @property
    def survive_transformations(self) -> bool:
        """True if they hold for the exponential of a prediction as for the prediction: only monotone ones do."""
        return not (self.shape or self.linear or self.bounds) and self.interactions is None

    def bounded(self, values: Array) -> Array:
        """Return predictions on the scale of the link moved to the nearest ones within the bounds."""
        low, high = self.bounds or (None, None)
        if low is None and high is None:
            return values
        return np.clip(values, low, high)

    @property
    def has_inequalities(self) -> bool:
        """True if coefficients are constrained, and not only the choice of columns."""
        return bool(self.monotone or self.shape or self.bounds)


def constrained(normal: NormalMatrix, design: Design, fit: RemlFit, offset: float) -> RemlFit:
    """Return an estimate with the most likely coefficients under the design's constraints."""
    # With the strengths as they are, the penalised sum of squares is a quadratic function of the coefficients, least at
    # those of `fit`. Its least value under linear inequalities is a problem of least distance, which non-negative least
    # squares solves [1]. Monotone and convex splines by such inequalities are those of [2]: a spline rises where its
    # B-spline coefficients do, and is convex where the coefficients of its derivative rise. Covariance and degrees of
    # freedom stay those without constraints. Bounds count `offset`, a constant that is added to the predictions.
    # [1] C. Lawson and R. Hanson, "Solving Least Squares Problems" (1974), ch. 23.4.
    # [2] N. Pya and S. Wood, Statistics and Computing 25 (2015) 543, section 2.
    # The quadratic function of the coefficients, and of the auxiliaries of bounds with a faint ridge.
    policy = design.policy.inequalities
    matrix, least, extra = inequalities(design, offset)
    p = len(fit.coef)
    on = np.flatnonzero(np.diag(fit.covariance) > 0)
    free = np.concatenate([on, p + np.arange(extra)])
    ridge = fit.ridge(design.groups)
    hessian = np.zeros((p + extra, p + extra))
    hessian[:p, :p] = normal.gram + np.diag(ridge)
    scale = policy.auxiliary * fit.dispersion / max(float(normal.square[0]) / normal.rows, ABOVE_ZERO)
    hessian[range(p, p + extra), range(p, p + extra)] = max(scale, 1e-12) * normal.rows
    start = np.concatenate([fit.coef, _auxiliary_start(matrix, fit.coef, extra)])
    size = np.linalg.norm(matrix, axis=1)
    # Inequalities of columns that the estimate needs.
    used = np.linalg.norm(matrix[:, free], axis=1) > policy.violation * size
    # The shortest change in its metric that mends what is violated.
    rounding = policy.violation * size * np.abs(start).max()
    missing = least - matrix @ start
    hessian = hessian[np.ix_(free, free)]
    change = least_change(hessian, matrix[np.ix_(used, free)], missing[used], rounding[used], policy)
    coef = fit.coef.copy()
    coef[on] += change[: len(on)]
    return replace(fit, coef=coef)


def least_change(hessian: Array, matrix: Array, least: Array, rounding: Array, policy: InequalityPolicy) -> Array:
    """Return the d with the smallest d'Hd for which M d >= least, but for `rounding` (rows,); H (k, k), M (rows, k)."""
    change = np.zeros(len(hessian))
    size = np.linalg.norm(matrix, axis=1)
    for _ in range(1 + policy.corrections):
        missing = least - matrix @ change
        if not ((missing > rounding) & (size > 0)).any():
            break
        change += _shortest(hessian, matrix, missing, policy)
    return change


def _shortest(hessian: Array, matrix: Array, least: Array, policy: InequalityPolicy) -> Array:
    """Return `least_change`, with what errors rounding leaves, where some inequality is violated by zero."""
    from scipy.linalg import solve_triangular  # imported late: `import edgewise` stays light
    from scipy.optimize import nnls

    root = np.sqrt(np.diag(hessian))
    factor = np.linalg.cholesky(hessian / root[:, None] / root + 1e-13 * np.eye(len(hessian)))
    white = solve_triangular(factor, (matrix / root).T, lower=True).T  # M d = white z, with |z|^2 = d'Hd
    length = np.linalg.norm(white, axis=1)
    used = length > 1e-12 * length.max()
    white = white[used] / length[used, None]
    distance = least[used] / length[used]
    # Lawson and Hanson's problem of the least distance, as nonnegative least squares.
    unit = distance.max()  # the nearest point is at least so far away
    target = np.append(np.zeros(len(hessian)), 1.0)
    for _ in range(policy.lengths):
        system = np.concatenate([white, distance[:, None] / unit], 1).T
        multiplier, _ = nnls(system, target, maxiter=30 * system.shape[1])
        residual = system @ multiplier - target
        share = -float(residual[-1])  # 1 / (1 + |z|^2 / unit^2), whose digits are lost if the unit is too small
        if share > policy.least_left:
            break
        unit *= np.sqrt(1 / max(share, policy.smallest_left) - 1)
    z = -residual[:-1] / residual[-1] * unit
    return solve_triangular(factor, z, lower=True, trans="T") / root


def inequalities(design: Design, offset: float = 0.0) -> tuple[Array, Array, int]:
    """Return the constraints of a design: M, c and the number k of auxiliaries, with M (coef, auxiliaries) >= c.

    The auxiliaries are, for bounds, the lowest and the highest value of every curve and pair.
    """
    constraints = design.constraints
    digits = design.policy.inequalities.digits
    p = len(design.groups)
    assert constraints is not None
    # Monotone inputs: differences of the coefficients; convex ones: those of the coefficients of the derivative.
    blocks: list[Array] = []
    for j, sign in sorted(constraints.monotone.items()):
        blocks.append(_placed(sign * _differences(design.curves[j].change, digits), design.columns_of(j), p))
    for j, shape in sorted(constraints.shape.items()):
        knots = design.inputs[j].knots
        length = (knots[4:-1] - knots[1:-4])[:, None]
        slopes = np.diff(design.curves[j].change, axis=0) / length
        bend = SHAPES[shape] * _differences(slopes, digits, np.abs(design.curves[j].change).max(initial=0) / length)
        bend *= np.ptp(knots)
        blocks.append(_placed(bend, design.columns_of(j), p))
    rows = np.concatenate([np.zeros((0, p)), *blocks])
    least = np.zeros(len(rows))
    if constraints.bounds is None:
        return rows, least, 0
    # Bounds: each curve and pair stays between two auxiliaries, and the constant plus these within the bounds.
    parts = [(_values(design, j), design.columns_of(j)) for j, own in enumerate(design.curves) if own.change.size]
    parts += [(_surface(design, n), design.columns_of_pair(n)) for n in range(len(design.pairs))]
    sides = [(sign, end) for sign, end in zip((1.0, -1.0), constraints.bounds, strict=True) if end is not None]
    extra = len(parts) * len(sides)
    blocks = [np.concatenate([rows, np.zeros((len(rows), extra))], 1)]
    limits = [least]
    for side, (side_sign, end) in enumerate(sides):
        total = np.zeros((1, p + extra))  # sign (constant + sum of the parts' ends) >= sign end
        total[0, 0] = side_sign
        total[0, p + side * len(parts) : p + (side + 1) * len(parts)] = side_sign
        blocks.append(total)
        limits.append(np.array([side_sign * (end - offset)]))
        for number, (values, own) in enumerate(parts):
            block = np.zeros((len(values), p + extra))
            block[:, own] = side_sign * values
            block[:, p + side * len(parts) + number] = -side_sign
            blocks.append(block)
            limits.append(np.zeros(len(values)))
    return np.concatenate(blocks), np.concatenate(limits), extra


def _differences(values: Array, digits: float, size: Array | float = 0.0) -> Array:
    """Return differences of successive rows, exactly zero where they are rounding of numbers of a size, (rows, 1)."""
    size = np.maximum(np.abs(values), size)
    change = np.diff(values, axis=0)
    return np.where(np.abs(change) > digits * np.maximum(size[1:], size[:-1]), change, 0.0)


def _auxiliary_start(matrix: Array, coef: Array, extra: int) -> Array:
    """Return the lowest and highest values of all parts at given coefficients."""
    p = len(coef)
    start = np.zeros(extra)
    for number in range(extra):
        column = matrix[:, p + number]
        own = (column != 0) & (matrix[:, 0] == 0)  # the sum of all has the constant
        if own.any():
            sign = -column[own][0]
            start[number] = sign * (matrix[own, :p] @ coef).min()
    return start


def _placed(block: Array, own: slice, p: int) -> Array:
    """Return rows (n, p) that are zero but for some columns."""
    rows = np.zeros((len(block), p))
    rows[:, own] = block
    return rows


def _values(design: Design, j: int) -> Array:
    """Return numbers between which each curve of an input stays within the limits, as rows of its columns."""
    change = design.curves[j].change
    column = design.inputs[j]
    ends = dense(*active(np.array([[column.limits[0]], [column.limits[1]]]), column.knots[None]), len(change))[0]
    return np.concatenate([change, ends @ change])


def _surface(design: Design, number: int) -> Array:
    """Return numbers between which the surface of a pair stays, as rows of its columns."""
    pair = design.pairs[number]
    first, second = (margin.change for margin in pair.margins)
    size = len(first)
    products = np.einsum("ga,hb->ghab", first, second).reshape(size * size, -1)
    alone = np.concatenate([np.ones((size * size, 1)), np.repeat(first, size, 0), np.tile(second, (size, 1))], 1)
    return (products - alone @ pair.purifier) * pair.seen
