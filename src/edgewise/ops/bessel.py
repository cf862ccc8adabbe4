"""The Bessel function J0 with its derivatives of any order, differentiable in every mode of autograd."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from edgewise.ops.contract import must_be_plain

# torch.special.bessel_j0 has errors of 3e-7 around 5, so J0 is computed here: up to |x| = 32 by a quadrature with 26
# nodes, beyond it by 18 terms of Hankel's expansion. Both are exact to rounding (tests/ops/test_bessel.py).


class _Bessel(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, order: int) -> Tensor:
        near = _quadrature(x, order, 26)
        # Hankel's expansion of J0 and of its derivative, -J1.
        limit = 32.0
        is_far = x.abs() > limit
        far = torch.where(is_far, x.abs(), torch.full_like(x, limit))
        older = torch.zeros_like(far)
        below = _hankel(far, 0)
        last = -_hankel(far, 1)
        if order == 0:
            last = below
        # Bessel's equation x J'' + J' + x J = 0, differentiated n times, is
        # x J^(n+2) = -(n+1) J^(n+1) - x J^(n) - n J^(n-1).
        for n in range(order - 1):
            older, below, last = below, last, -((n + 1) * last + far * below + n * older) / far
        return torch.where(is_far, last * x.sign() ** (order % 2), near)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.order = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return grad_outputs[0] * bessel_j0(ctx.saved_tensors[0], ctx.order + 1), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return tangents[0] * bessel_j0(ctx.saved_tensors[0], ctx.order + 1)


def bessel_j0(x: Tensor, order: int = 0) -> Tensor:
    """Compute the order-th derivative of J0 at x, in the shape of x; differentiable to any order."""
    if must_be_plain() or torch.compiler.is_exporting():
        return _quadrature(x, order, 64)  # one rule for all x, exact to rounding up to |x| = 150
    return _Bessel.apply(x, order)


def _hankel(x: Tensor, order: int) -> Tensor:
    """Compute J_order at large positive x; F. Olver et al., "NIST Handbook" (2010), eq. 10.17.3."""
    sums = [torch.zeros_like(x), torch.zeros_like(x)]
    coefficient = 1.0
    for k in range(18):
        sums[k % 2] = sums[k % 2] + (-1) ** (k // 2) * coefficient * x**-k
        coefficient *= (4 * order**2 - (2 * k + 1) ** 2) / (8 * (k + 1))
    angle = x - (order / 2 + 0.25) * math.pi
    return (2 / math.pi / x).sqrt() * (sums[0] * angle.cos() - sums[1] * angle.sin())


def _quadrature(x: Tensor, order: int, nodes: int) -> Tensor:
    """Compute J0(x) = (1/2 pi) integral of cos(x sin t) over a period, differentiated under the integral.

    The rule of equal weights on 4 * nodes points of a period converges faster than any power; by symmetry a quarter of
    the points suffices. See L. Trefethen, J. Weideman, SIAM Review 56 (2014), section 2.
    """
    angle = (torch.arange(nodes, dtype=x.dtype, device=x.device) + 0.5) * (math.pi / 2 / nodes)
    sine = angle.sin()
    return ((x[..., None] * sine + order * math.pi / 2).cos() * sine**order).mean(-1)
