"""Jets: a value with its derivatives along directions, carried through a function in one forward pass.

A jet of order m along D directions is one tensor (C, batch, n) with C = 1 + D m: component 0 is the value, component
1 + d m + (k - 1) the k-th derivative along direction d, k = 1 .. m, not divided by k!. Its fundamental rule is that of
Faa di Bruno: along a line, (f o g)^(k) = sum_j f^(j)(g) B_kj(g', g'', ...), with the partial Bell polynomials B_kj
(L. Comtet, "Advanced Combinatorics", 1974, section 3.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import torch
from torch import Tensor

from edgewise.checks import is_integer
from edgewise.errors import InputError
from edgewise.ops.contract import spline_sum


def shape_or_type(value: object) -> object:
    """Return the shape of a tensor as a tuple, or the name of the type of anything else, for messages."""
    return tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__


def seed_jet(x: Tensor, directions: Tensor | None, order: int) -> Tensor:
    """Return the jet of points (batch, in) themselves, (C, batch, in): x moves along each direction at speed 1."""
    # Directions are (D, in), in the dtype of x; with None, C is 1. The order is the highest along each direction.
    if not isinstance(x, Tensor) or x.ndim != 2:
        raise InputError(f"x must be a tensor of shape (batch, in), got {shape_or_type(x)}")
    if not is_integer(order) or order < 0:
        raise InputError(f"order must be an integer of at least 0, got {order!r}")
    if directions is None or order == 0:
        return x[None]
    if not isinstance(directions, Tensor) or directions.ndim != 2 or directions.shape[1] != x.shape[1]:
        came = shape_or_type(directions)
        raise InputError(f"directions must be a tensor of shape (D, {x.shape[1]}), got {came}")
    if directions.dtype != x.dtype:
        raise InputError(f"directions must have the dtype of x, {x.dtype}, got {directions.dtype}")
    derivatives = x.new_zeros(len(directions), order, *x.shape)
    derivatives[:, 0] = directions[:, None, :]
    return torch.cat([x[None], derivatives.flatten(0, 1)])


def along(jet: Tensor, order: int) -> Tensor:
    """Return the derivatives of a jet (C, batch, n) as (D, order, batch, n), a view."""
    return jet[1:].unflatten(0, (-1, order))


def check_jet(jet: Tensor, features: int, dtype: torch.dtype | None, order: int) -> None:
    """Raise InputError unless `jet` is a tensor (1 + D * order, batch, features) of this dtype, of any with None."""
    if not isinstance(jet, Tensor) or jet.ndim != 3 or jet.shape[2] != features or (len(jet) - 1) % max(order, 1):
        came = shape_or_type(jet)
        raise InputError(f"x must be a jet of shape (1 + D * {order}, batch, {features}), got {came}")
    if dtype is not None and jet.dtype != dtype:
        raise InputError(f"x must have the model's dtype {dtype}, got {jet.dtype}")


def bell(jet: Tensor, order: int) -> dict[tuple[int, int], Tensor]:
    """Return the partial Bell polynomials of a jet's derivatives, {(k, j): B_kj (D, batch, n)}, 1 <= j <= k <= order.

    The recurrence is B_kj = sum_i C(k-1, i-1) g^(i) B_(k-i)(j-1), i = 1 .. k-j+1 (Comtet, section 3.3, eq. [3k]).
    """
    steps = along(jet, order).unbind(1)
    polynomials: dict[tuple[int, int], Tensor] = {(k, 1): step for k, step in enumerate(steps, 1)}
    for j in range(2, order + 1):
        for k in range(j, order + 1):
            terms = [comb(k - 1, i - 1) * steps[i - 1] * polynomials[k - i, j - 1] for i in range(1, k - j + 2)]
            polynomials[k, j] = sum(terms[1:], terms[0])
    return polynomials


def compose(jet: Tensor, derivatives: Sequence[Tensor], order: int) -> Tensor:
    """Return the jet (C, batch, n) of f(g), for a function f of each element and the jet of g.

    `derivatives` are f, f', ..., f^(order) at the value of g, (batch, n) each.
    """
    assert len(derivatives) == order + 1
    if len(jet) == 1:
        return derivatives[0][None]
    polynomials = bell(jet, order)
    lines = []
    for k in range(1, order + 1):
        terms = [derivatives[j] * polynomials[k, j] for j in range(1, k + 1)]
        lines.append(sum(terms[1:], terms[0]))
    return torch.cat([derivatives[0][None], torch.stack(lines, 1).flatten(0, 1)])


def spline_jet(jet: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Return the jet (C, batch, out) of the sums of splines of `contract.spline_sum`, from the jet (C, batch, in) of x.

    There is one sum per derivative order of the splines, whose weights are all Bell polynomials of that order together.
    """
    x = jet[0]
    value = spline_sum(x, coef, knots, degree)
    if len(jet) == 1:
        return value[None]
    polynomials = bell(jet, order)
    lines = [value.new_zeros((len(jet) - 1) // order, *value.shape)] * order  # of each k, (D, batch, out)
    for j in range(1, min(order, degree) + 1):
        weights = torch.stack([polynomials[k, j] for k in range(j, order + 1)])  # (order - j + 1, D, batch, in)
        points = x.expand_as(weights).reshape(-1, x.shape[1])
        sums = spline_sum(points, coef, knots, degree, weight=weights.reshape(points.shape), order=j)
        sums = sums.view(*weights.shape[:-1], coef.shape[2])
        lines[j - 1 :] = [old + new for old, new in zip(lines[j - 1 :], sums, strict=True)]
    return torch.cat([value[None], torch.stack(lines, 1).flatten(0, 1)])


def multiply(left: Tensor, right: Tensor, order: int) -> Tensor:
    """Return the jet (C, batch, n) of a product by Leibniz' rule, (f g)^(k) = sum_j C(k, j) f^(j) g^(k-j)."""
    value = (left[0] * right[0])[None]
    if len(left) == 1:
        return value
    f = [left[0][None], *along(left, order).unbind(1)]
    g = [right[0][None], *along(right, order).unbind(1)]
    lines = []
    for k in range(1, order + 1):
        terms = [comb(k, j) * f[j] * g[k - j] for j in range(k + 1)]
        lines.append(sum(terms[1:], terms[0]))
    return torch.cat([value, torch.stack(lines, 1).flatten(0, 1)])
