"""The degree + 1 active B-splines at every point, with all their derivatives at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from edgewise.ops import backend
from edgewise.ops.contract import transforms_active
from edgewise.ops.kernels import cpu
from edgewise.ops.splines.bspline import MAX_PRODUCT_DEGREE, local_basis


def active_basis(x: Tensor, knots: Tensor, degree: int, orders: int = 0) -> tuple[Tensor, Tensor]:
    """Compute the B-splines that can differ from zero at each x, and their derivatives up to `orders`.

    Shapes: x (batch, in), knots (in, grid_size + 2 degree + 1); returns interval (batch, in), values (orders + 1,
    batch, in, degree + 1).
    """
    # Outside the domain a spline continues as the straight line of its end point. The values are differentiable by `x`.
    assert degree in range(MAX_PRODUCT_DEGREE + 1) and orders >= 0
    assert x.ndim == 2 and knots.ndim == 2 and x.shape[1] == len(knots) and knots.shape[1] >= 2 * degree + 2
    assert knots.dtype == x.dtype
    is_differentiated = (  # autograd, torch.func and the compiler need plain torch
        torch.compiler.is_compiling()
        or transforms_active()
        or (x.requires_grad and torch.is_grad_enabled())
        or forward_ad.unpack_dual(x).tangent is not None
    )
    if not is_differentiated and backend.choose(degree, x, knots) is cpu:
        return cpu.active_basis(x, knots, degree, orders)
    interval, values = local_basis(x, knots, degree, min(orders, degree))
    if orders > degree:
        above = values[:1].clamp(0, 0)  # clamped: infinity * 0 would be NaN
        values = torch.cat([values, above.expand(orders - degree, *above.shape[1:])])
    return interval, values
