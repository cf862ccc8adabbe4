"""B-spline basis functions and their derivatives in plain torch: the reference that every kernel is tested against."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

MAX_DEGREE = 5  # the kernel is compiled for each degree, and quintic splines serve equations of order 4
MAX_EDGE_DEGREE = 10  # of a layer in plain torch, above the kernel's degrees: networks of pykan go so far
# The same for products of splines, which need no kernel for sums over edges: at degree 11 smooth equations are solved
# to rounding with about 16 intervals for each wave.
MAX_PRODUCT_DEGREE = 11
# Inner knots from which two rounds of comparisons are made instead of one with all of them, near equal times.
FEWEST_KNOTS_IN_BLOCKS = 40


def spline_domain(knots: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """Return the lower and the upper end, (in,) each, of the domain of splines on `knots` (in, n + degree + 1)."""
    return knots[:, degree], knots[:, -degree - 1]


def locate(x: Tensor, knots: Tensor, degree: int) -> Tensor:
    """Return the index (batch, in) of the knot interval of each x, 0 to grid_size - 1; outside, that of the nearest.

    It compares with knots instead of searching, because comparisons work under trace, export and vmap: of many knots
    with one of each block, and then with those of one block. A point on an inner knot belongs to the interval on its
    right, the upper end of the domain to the last interval.
    """
    inner = knots[:, degree + 1 : -degree - 1]
    count = inner.shape[-1]
    if count < FEWEST_KNOTS_IN_BLOCKS:
        return (x[..., None] >= inner).sum(-1)
    size = math.isqrt(count)
    blocks = functional.pad(inner, (0, -count % size), value=math.inf).unflatten(-1, (-1, size))
    block = (x[..., None] >= blocks[..., 1:, 0]).sum(-1)
    in_block = blocks[torch.arange(len(blocks), device=knots.device), block]
    return block * size + (x[..., None] >= in_block).sum(-1)


def local_basis(x: Tensor, knots: Tensor, degree: int, order: int = 0) -> tuple[Tensor, Tensor]:
    """Compute the `degree + 1` basis functions that can differ from zero at each x, or their `order`-th derivatives.

    Shapes: x (batch, in), knots (in, grid_size + 2 degree + 1); returns interval (batch, in), values (batch, in, degree
    + 1).
    """
    # The triangular scheme of de Boor, "A Practical Guide to Splines" (1978), ch. X, eq. (8): each level raises the
    # degree by one. A derivative replaces the last `order` levels by differences, ch. X, eq. (12): B'_{g,j} = j
    # (B_{g,j-1} / (t_{g+j} - t_g) - B_{g+1,j-1} / (t_{g+j+1} - t_{g+1})). Outside the domain a spline continues as the
    # straight line of its end point.
    assert 0 <= order <= degree
    low, high = spline_domain(knots, degree)
    inside = x.clamp(low, high)  # with slope 1 at both ends too, so that the inner polynomial counts there
    beyond = x - inside
    interval = locate(inside, knots, degree)
    window: tuple[Tensor, ...] = ()  # the 2 degree knots around each interval, t[s - degree + 1] .. t[s + degree]
    if degree:
        grid_size = knots.shape[-1] - 2 * degree - 1
        windows = torch.stack([knots[:, 1 + j : 1 + j + grid_size] for j in range(2 * degree)], -1)
        window = windows[torch.arange(knots.shape[0], device=knots.device), interval].unbind(-1)
    values = [inside * 0 + 1]  # not ones_like: a NaN must come out as NaN at every order
    slope = [torch.zeros_like(x)]  # of a spline of degree 0, a step
    for level in range(1, degree + 1):
        left = window[degree - level : degree]
        right = window[degree : degree + level]
        share = [value / (r - l) for value, l, r in zip(values, left, right, strict=True)]
        if level > degree - max(order, 1):  # the last level's difference is also the slope of the line outside
            slope = _overlap([level * s for s in share], [-level * s for s in share])
        if level > degree - order:
            values = slope
        else:
            rise = [s * (inside - l) for s, l in zip(share, left, strict=True)]
            fall = [s * (r - inside) for s, r in zip(share, right, strict=True)]
            values = _overlap(rise, fall)
    if order == 0:
        values = [value + beyond * s for value, s in zip(values, slope, strict=True)]
    elif order >= 2:
        outside = beyond.abs() > 0
        values = [value.masked_fill(outside, 0) for value in values]
    return interval, torch.stack(values, -1)


def basis(x: Tensor, knots: Tensor, degree: int, order: int = 0) -> Tensor:
    """Compute every basis function, or its `order`-th derivative, at x: (batch, in) -> (batch, in, n), mostly zeros.

    Orders above `degree` give zeros (NaN where x is). See `local_basis` for the arguments.
    """
    n = knots.shape[-1] - degree - 1
    if order > degree:
        return x.clamp(0, 0)[..., None] * x.new_zeros(n)  # clamped: infinity * 0 would be NaN
    interval, values = local_basis(x, knots, degree, order)
    position = interval[..., None] + torch.arange(degree + 1, device=x.device)
    dense = torch.zeros_like(values[..., :1]).expand(*values.shape[:-1], n)
    return dense.scatter(-1, position, values)


def _overlap(rise: list[Tensor], fall: list[Tensor]) -> list[Tensor]:
    """Add neighbours: each function rises with the share on its left and falls with its own; one more than shares."""
    return [fall[0], *(r + f for r, f in zip(rise[:-1], fall[1:], strict=True)), rise[-1]]
