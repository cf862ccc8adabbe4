"""The degree + 1 active B-splines at every point, with all their derivatives at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from edgewise.errors import InputError
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
    if degree not in range(MAX_PRODUCT_DEGREE + 1):
        raise InputError(f"degree must be an integer from 0 to {MAX_PRODUCT_DEGREE}, got {degree!r}")
    if not isinstance(orders, int) or orders < 0:
        raise InputError(f"orders must be an integer, 0 or more, got {orders!r}")
    if knots.ndim != 2 or knots.shape[1] < 2 * degree + 2:
        raise InputError(f"knots must have shape (in, grid_size + {2 * degree + 1}), got {tuple(knots.shape)}")
    if x.ndim != 2 or x.shape[1] != knots.shape[0]:
        raise InputError(f"x must have shape (batch, {knots.shape[0]}), got {tuple(x.shape)}")
    if knots.dtype != x.dtype:
        raise InputError(f"knots must have the dtype of x, {x.dtype}, got {knots.dtype}")
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
