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
    if count < 40:  # near equal times of one round of comparisons and of two
        return (x[..., None] >= inner).sum(-1)
    size = math.isqrt(count)
    blocks = functional.pad(inner, (0, -count % size), value=math.inf).unflatten(-1, (-1, size))
    block = (x[..., None] >= blocks[..., 1:, 0]).sum(-1)
    in_block = blocks[torch.arange(len(blocks), device=knots.device), block]
    return block * size + (x[..., None] >= in_block).sum(-1)


def local_basis(x: Tensor, knots: Tensor, degree: int, orders: int) -> tuple[Tensor, Tensor]:
    """Compute the `degree + 1` basis functions that can differ from zero at each x, and their derivatives.

    Shapes: x (batch, in), knots (in, grid_size + 2 degree + 1); returns interval (batch, in), values (orders + 1,
    batch, in, degree + 1).
    """
    # The triangular scheme of de Boor, "A Practical Guide to Splines" (1978), ch. X, eq. (8): each level raises the
    # degree by one. A derivative replaces the last levels, as many as its order, by differences, ch. X, eq. (12):
    # B'_{g,j} = j (B_{g,j-1} / (t_{g+j} - t_g) - B_{g+1,j-1} / (t_{g+j+1} - t_{g+1})). Each point has the polynomials
    # of its own interval (see `locate`): where a derivative jumps, at a knot of any multiplicity, it is the one from
    # the right, and at the upper end of the domain the one from the left. Where the last interval has a width, so has
    # each that holds a point, and no difference of knots in the scheme is zero. Outside the domain a spline continues
    # as the straight line of its end point.
    assert 0 <= orders <= degree
    low, high = spline_domain(knots, degree)
    inside = x.clamp(low, high)  # with slope 1 at both ends too, so that the inner polynomial counts there
    beyond = x - inside
    interval = locate(inside, knots, degree)
    # The 2 degree knots around each interval, t[s - degree + 1] .. t[s + degree]: (2 degree, batch, in).
    window = x.new_zeros(0)
    if degree:
        grid_size = knots.shape[-1] - 2 * degree - 1
        windows = torch.stack([knots[:, 1 + j : 1 + j + grid_size] for j in range(2 * degree)])
        window = windows[:, torch.arange(knots.shape[0], device=knots.device), interval]
    # Levels of the scheme, the last of which differences begin with.
    order = min(max(orders, 1), degree)  # of the highest difference: the first one is the slope of the line outside
    values = (inside * 0 + 1)[None]  # not ones_like: a NaN must come out as NaN at every order
    levels = [values]
    for level in range(1, degree + 1):
        left = window[degree - level : degree]
        right = window[degree : degree + level]
        share = values / (right - left)
        values = _overlap(share * (inside - left), share * (right - inside))
        levels = [*levels[-order:], values]
    # Differences.
    derivatives = []
    for each in range(1, order + 1):
        difference = levels[-1 - each]
        for level in range(degree - each + 1, degree + 1):
            share = level * (difference / (window[degree : degree + level] - window[degree - level : degree]))
            difference = _overlap(share, -share)
        derivatives.append(difference)
    slope = derivatives[0] if degree else torch.zeros_like(values)  # of a step
    values = values + beyond * slope
    outside = beyond.abs() > 0
    higher = [each.masked_fill(outside, 0) for each in derivatives[1:orders]]
    return interval, torch.stack([each.movedim(0, -1) for each in (values, *derivatives[: min(orders, 1)], *higher)])


def basis(x: Tensor, knots: Tensor, degree: int, order: int = 0) -> Tensor:
    """Compute every basis function, or its `order`-th derivative, at x: (batch, in) -> (batch, in, n), mostly zeros.

    Orders above `degree` give zeros (NaN where x is). See `local_basis` for the arguments.
    """
    n = knots.shape[-1] - degree - 1
    if order > degree:
        return x.clamp(0, 0)[..., None] * x.new_zeros(n)  # clamped: infinity * 0 would be NaN
    interval, derivatives = local_basis(x, knots, degree, order)
    values = derivatives[order]
    position = interval[..., None] + torch.arange(degree + 1, device=x.device)
    dense = torch.zeros_like(values[..., :1]).expand(*values.shape[:-1], n)
    return dense.scatter(-1, position, values)


def _overlap(rise: Tensor, fall: Tensor) -> Tensor:
    """Add neighbours: each function rises with the share on its left and falls with its own; one more than shares."""
    return torch.cat([fall[:1], rise[:-1] + fall[1:], rise[-1:]])
