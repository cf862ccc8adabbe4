"""The reference kernel: three dense contractions in plain torch. Slow, short, obviously right."""

from torch import Tensor

from edgewise.ops.bspline import basis


def to_output(v: Tensor | None, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """y[b,o] = sum_{i,g} v[b,i] B_g^(order)(x[b,i]) coef[i,g,o]; v None means ones. (batch, out)."""
    return _weighted(v, x, knots, degree, order).flatten(1) @ coef.flatten(0, 1)


def to_input(u: Tensor, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """sum_{g,o} u[b,o] B_g^(order)(x[b,i]) coef[i,g,o]. (batch, in)."""
    pulled = (u @ coef.flatten(0, 1).mT).reshape(*x.shape, coef.shape[1])
    return (basis(x, knots, degree, order) * pulled).sum(-1)


def to_coef(u: Tensor, v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """sum_b u[b,o] v[b,i] B_g^(order)(x[b,i]); v None means ones. (in, n, out)."""
    weighted = _weighted(v, x, knots, degree, order)
    return (weighted.flatten(1).mT @ u).reshape(*weighted.shape[1:], u.shape[1])


def _weighted(v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    values = basis(x, knots, degree, order)
    return values if v is None else values * v[..., None]
