"""The Bessel function J0 with its derivatives of any order, differentiable in every mode of autograd."""

import math

import torch
from torch import Tensor
from torch.autograd import Function

# torch.special.bessel_j0 is wrong by 3e-7 around 5, so values are made here: up to _FAR by a quadrature, beyond it by
# Hankel's expansion, whose terms fall to rounding there.
_FAR, _NODES, _TERMS = 32.0, 26, 18
# While exporting, one quadrature serves all x: 64 nodes hold to rounding up to |x| = 150.
_EXPORT_NODES = 64


class _Bessel(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, order: int) -> Tensor:
        return _derivative(x, order)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.order = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx, grad):
        return grad * bessel_j0(ctx.saved_tensors[0], ctx.order + 1), None

    @staticmethod
    def jvp(ctx, tangent, _):
        return tangent * bessel_j0(ctx.saved_tensors[0], ctx.order + 1)


def bessel_j0(x: Tensor, order: int = 0) -> Tensor:
    """The order-th derivative of J0 at x, in the shape of x; differentiable as often as wanted."""
    if torch.compiler.is_compiling() or torch.compiler.is_exporting():
        return _quadrature(x, order, _EXPORT_NODES)
    return _Bessel.apply(x, order)


def _derivative(x: Tensor, order: int) -> Tensor:
    near = _quadrature(x, order, _NODES)
    is_far = x.abs() > _FAR
    far = torch.where(is_far, x.abs(), torch.full_like(x, _FAR))
    older, below, last = torch.zeros_like(far), _hankel(far, 0), -_hankel(far, 1)
    if order == 0:
        last = below
    # x J^(n+2) = -(n+1) J^(n+1) - x J^(n) - n J^(n-1): Bessel's equation x J'' + J' + x J = 0, differentiated n times.
    for n in range(order - 1):
        older, below, last = below, last, -((n + 1) * last + far * below + n * older) / far
    return torch.where(is_far, last * x.sign() ** (order % 2), near)


def _hankel(x: Tensor, order: int) -> Tensor:
    """J_order at large positive x; F. Olver et al., "NIST Handbook" (2010), eq. 10.17.3."""
    sums, coefficient = [torch.zeros_like(x), torch.zeros_like(x)], 1.0
    for k in range(_TERMS):
        sums[k % 2] = sums[k % 2] + (-1) ** (k // 2) * coefficient * x**-k
        coefficient *= (4 * order**2 - (2 * k + 1) ** 2) / (8 * (k + 1))
    angle = x - (order / 2 + 0.25) * math.pi
    return (2 / math.pi / x).sqrt() * (sums[0] * angle.cos() - sums[1] * angle.sin())


def _quadrature(x: Tensor, order: int, nodes: int) -> Tensor:
    """J0(x) = (1/2 pi) integral of cos(x sin t) over a period, differentiated under the integral.

    The rule of equal weights on 4 * nodes points of a period converges faster than any power; by symmetry a quarter of
    the points does. See L. Trefethen, J. Weideman, SIAM Review 56 (2014), section 2.
    """
    angle = (torch.arange(nodes, dtype=x.dtype, device=x.device) + 0.5) * (math.pi / 2 / nodes)
    sine = angle.sin()
    return ((x[..., None] * sine + order * math.pi / 2).cos() * sine**order).mean(-1)
