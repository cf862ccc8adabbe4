"""The reference kernel: the three contractions as dense products in plain torch, slow and short."""

from __future__ import annotations

from torch import Tensor

from edgewise.ops.splines.bspline import basis


def to_output(v: Tensor | None, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute y[b,o] = sum_{i,g} v[b,i] B_g^(order)(x[b,i]) coef[i,g,o], (batch, out); v None means ones."""
    matrix = _matrix(coef)
    return _weighted(v, x, knots, degree, order).reshape(x.shape[0], matrix.shape[0]) @ matrix


def to_input(u: Tensor, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute sum_{g,o} u[b,o] B_g^(order)(x[b,i]) coef[i,g,o], (batch, in)."""
    pulled = (u @ _matrix(coef).mT).reshape(*x.shape, coef.shape[1])
    return (basis(x, knots, degree, order) * pulled).sum(-1)


def to_coef(u: Tensor, v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute sum_b u[b,o] v[b,i] B_g^(order)(x[b,i]), (in, n, out); v None means ones."""
    weighted = _weighted(v, x, knots, degree, order)
    inputs, n = weighted.shape[1:]
    return (weighted.reshape(x.shape[0], inputs * n).mT @ u).reshape(inputs, n, u.shape[1])


def _matrix(coef: Tensor) -> Tensor:
    # Not flatten, which the older vmap of torch.autograd.functional does not support.
    return coef.reshape(-1, coef.shape[2])


def _weighted(v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    values = basis(x, knots, degree, order)
    if v is None:
        return values
    return values * v[..., None]
