"""B-spline basis functions and their derivatives in plain torch: the truth every kernel is tested against."""

import torch
from torch import Tensor
from torch.nn.functional import pad

MAX_DEGREE = 5


def spline_domain(knots: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """Lower and upper end, (in,) each, of the interval that the splines on `knots` (in, n + degree + 1) live on."""
    return knots[:, degree], knots[:, -degree - 1]


def locate(x: Tensor, knots: Tensor, degree: int) -> Tensor:
    """Index (batch, in) of the knot interval of each x, 0 .. grid_size - 1; points outside get the nearest one.

    Comparisons instead of a search: they trace, export and vmap, and this is the slow twin. A point on an inner
    knot belongs to the interval on its right, the upper end of the domain to the last interval.
    """
    inner = knots[:, degree + 1 : -degree - 1]
    return (x[..., None] >= inner).sum(-1)


def local_basis(x: Tensor, knots: Tensor, degree: int, order: int = 0) -> tuple[Tensor, Tensor]:
    """The `degree + 1` basis functions that can differ from zero at each x, or their `order`-th derivatives.

    The triangular scheme of de Boor, "A Practical Guide to Splines" (1978), ch. X, eq. (8): each level raises the
    degree by one. A derivative replaces the last `order` levels by differences, ch. X, eq. (12):
    B'_{g,j} = j (B_{g,j-1} / (t_{g+j} - t_g) - B_{g+1,j-1} / (t_{g+j+1} - t_{g+1})).
    Outside the domain a spline continues as the straight line of its end point.

    Args:
        x: points, (batch, in).
        knots: increasing knots of each input, (in, grid_size + 2 degree + 1).
        degree: 0 .. 5.
        order: derivative order, 0 .. degree.

    Returns:
        interval: (batch, in); the functions are number interval .. interval + degree.
        values: (batch, in, degree + 1).
    """
    assert 0 <= order <= degree
    low, high = spline_domain(knots, degree)
    inside = torch.minimum(torch.maximum(x, low), high)
    beyond = (x - inside)[..., None]
    interval = locate(inside, knots, degree)
    window = _knot_window(knots, degree, interval)
    point = inside[..., None]
    values = torch.ones_like(point)
    slope = torch.zeros_like(point)  # of a spline of degree 0, a step
    for level in range(1, degree + 1):
        left, right = window[..., degree - level : degree], window[..., degree : degree + level]
        share = values / (right - left)
        if level > degree - max(order, 1):  # the last level's difference is also the slope of the line outside
            slope = level * (pad(share, (1, 0)) - pad(share, (0, 1)))
        if level > degree - order:
            values = slope
        else:
            values = pad(share * (right - point), (0, 1)) + pad(share * (point - left), (1, 0))
    if order == 0:
        values = values + beyond * slope
    elif order >= 2:
        values = torch.where(beyond == 0, values, torch.zeros_like(values))
    return interval, values


def basis(x: Tensor, knots: Tensor, degree: int, order: int = 0) -> Tensor:
    """Every basis function (or its `order`-th derivative) at x: (batch, in) -> (batch, in, n), mostly zeros.

    Orders above `degree` give zeros. See `local_basis` for the arguments.
    """
    n = knots.shape[-1] - degree - 1
    if order > degree:
        return x[..., None] * x.new_zeros(n)
    interval, values = local_basis(x, knots, degree, order)
    position = interval[..., None] + torch.arange(degree + 1, device=x.device)
    dense = torch.zeros_like(values[..., :1]).expand(*values.shape[:-1], n)
    return dense.scatter(-1, position, values)


def _knot_window(knots: Tensor, degree: int, interval: Tensor) -> Tensor:
    """The 2 degree knots around each interval, (batch, in, 2 degree): t[s - degree + 1] .. t[s + degree]."""
    grid_size = knots.shape[-1] - 2 * degree - 1
    if degree == 0:
        return knots.new_zeros(*interval.shape, 0)
    windows = torch.stack([knots[:, 1 + j : 1 + j + grid_size] for j in range(2 * degree)], -1)
    return windows[torch.arange(knots.shape[0], device=knots.device), interval]
