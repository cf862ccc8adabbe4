"""The reference kernel: three dense contractions in plain torch. Slow, short, obviously right."""

from torch import Tensor

from edgewise.ops.splines.bspline import basis


def to_output(v: Tensor | None, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """y[b,o] = sum_{i,g} v[b,i] B_g^(order)(x[b,i]) coef[i,g,o]; v None means ones. (batch, out)."""
    matrix = _matrix(coef)
    return _weighted(v, x, knots, degree, order).reshape(x.shape[0], matrix.shape[0]) @ matrix


def to_input(u: Tensor, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """sum_{g,o} u[b,o] B_g^(order)(x[b,i]) coef[i,g,o]. (batch, in)."""
    pulled = (u @ _matrix(coef).mT).reshape(*x.shape, coef.shape[1])
    return (basis(x, knots, degree, order) * pulled).sum(-1)


def to_coef(u: Tensor, v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """sum_b u[b,o] v[b,i] B_g^(order)(x[b,i]); v None means ones. (in, n, out)."""
    weighted = _weighted(v, x, knots, degree, order)
    inputs, n = weighted.shape[1:]
    return (weighted.reshape(x.shape[0], inputs * n).mT @ u).reshape(inputs, n, u.shape[1])


def _matrix(coef: Tensor) -> Tensor:
    # Not flatten: the older vmap in torch.autograd.functional does not know it.
    return coef.reshape(-1, coef.shape[2])


def _weighted(v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    values = basis(x, knots, degree, order)
    return values if v is None else values * v[..., None]
