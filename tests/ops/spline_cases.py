"""Knots for the tests of splines, and scipy's splines as the independent witness."""

import numpy as np
import torch
from scipy.interpolate import BSpline

from edgewise.ops.splines.knots import extend

EVEN, UNEVEN, STEEP = "even", "uneven", "steep"


def make_knots(kind, grid_size, degree, *, inputs=1, seed=0, dtype=torch.float64):
    """Knots (inputs, grid_size + 2 degree + 1); "steep" has neighbouring intervals of very different width."""
    rng = np.random.default_rng(seed)
    shape = (inputs, grid_size)
    widths = {
        EVEN: np.full(shape, 2 / grid_size),
        UNEVEN: rng.uniform(0.2, 1.0, shape),
        STEEP: 10 ** rng.uniform(-2, 0, shape),
    }[kind]
    breakpoints = np.concatenate([np.zeros((inputs, 1)), widths.cumsum(1)], 1) - 0.7
    return extend(torch.as_tensor(breakpoints, dtype=dtype), degree)


def scipy_basis(x, knots, degree, order=0):
    """Every basis function's `order`-th derivative by scipy: x (b, in) -> (b, in, n). Closed at the right end."""
    x, knots = np.asarray(x), np.asarray(knots)
    n = knots.shape[1] - degree - 1
    if order > degree:
        return np.zeros((*x.shape, n))
    columns = [BSpline(knots[i], np.eye(n), degree)(x[:, i], nu=order) for i in range(x.shape[1])]
    return np.stack(columns, 1)


def points_inside(knots, degree, count=40):
    """Points (b, in) that fill each domain, with both ends and every breakpoint among them."""
    ends = knots[:, degree, None], knots[:, -degree - 1, None]
    share = torch.linspace(0, 1, count, dtype=knots.dtype)
    spread = (ends[0] * (1 - share) + ends[1] * share).clamp(*ends)
    return torch.cat([spread, knots[:, degree : knots.shape[1] - degree]], 1).mT.contiguous()
