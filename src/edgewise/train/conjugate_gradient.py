"""Preconditioned conjugate gradients: a linear system from products with its matrix alone."""

from collections.abc import Callable

import torch
from torch import Tensor


def conjugate_gradient(
    product: Callable[[Tensor], Tensor],
    right: Tensor,
    precondition: Callable[[Tensor], Tensor],
    *,
    tolerance: float,
    limit: int,
) -> tuple[Tensor, Tensor]:
    """x with |A x - right| <= tolerance |right|, and the residual right - A x, for A symmetric and positive definite.

    Nocedal and Wright, "Numerical Optimization" (2006), algorithm 5.3. Every iterate lowers x' A x / 2 - right' x, so
    it may be stopped early: after `limit` products, or where rounding leaves no direction of positive curvature.

    Args:
        product: v -> A v. precondition: r -> M^-1 r, with M symmetric, positive definite and near A.
    """
    x, residual = torch.zeros_like(right), right.clone()
    goal = tolerance * float(right.norm())
    pulled = precondition(residual)
    direction, size = pulled, float(residual @ pulled)
    for _ in range(limit):
        if not (float(residual.norm()) > goal and size > 0):
            break
        image = product(direction)
        bend = float(direction @ image)
        if not bend > 0:
            break
        x = x + (size / bend) * direction
        residual = residual - (size / bend) * image
        pulled = precondition(residual)
        size, before = float(residual @ pulled), size
        direction = pulled + (size / before) * direction
    return x, residual
