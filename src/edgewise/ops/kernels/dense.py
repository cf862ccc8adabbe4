"""The dense kernel: basis functions of a tile of samples, then one matrix product; plain torch for any device.

Matrix products are what accelerators do best, so this kernel is the automatic choice for tensors on a GPU. Tiles bound
the memory beside arguments and results. In bfloat16 and float16 the basis is computed in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

# Numbers of all working arrays of a tile: 64 MiB in float32; some thousand samples of 768 inputs at grid_size 5, which
# is enough for a matrix product on any device.
TILE_NUMBERS = 2**24


def refuses(degree: int, *tensors: Tensor | None, name: str = "dense") -> str | None:
    """Return the reason why the kernel of this name cannot take these tensors, as a clause; None if it can."""
    given = [tensor for tensor in tensors if tensor is not None]
    dtypes = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
    for tensor in given:
        wrapped = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
        is_plain = type(tensor) in (Tensor, torch.nn.Parameter) and not wrapped
        if not is_plain or tensor.layout != torch.strided or tensor._is_zerotensor():
            return f"the {name} kernel takes plain dense tensors, got {type(tensor).__name__}"
        if tensor.dtype not in dtypes:
            return f"the {name} kernel takes float16, bfloat16, float32 and float64, got {tensor.dtype}"
        if tensor.dtype != given[0].dtype:
            return f"the {name} kernel takes tensors of one dtype, got {given[0].dtype} and {tensor.dtype}"
        if tensor.device != given[0].device:
            return f"the {name} kernel takes tensors on one device, got {given[0].device} and {tensor.device}"
    return None


def to_output(v: Tensor | None, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute y[b,o] = sum_{i,g} v[b,i] B_g^(order)(x[b,i]) coef[i,g,o], (batch, out); v None means ones."""
    matrix = coef.reshape(-1, coef.shape[2])
    y = x.new_empty(x.shape[0], coef.shape[2])
    for rows in _tiles(x, knots, degree):
        tile = _basis(None if v is None else v[rows], x[rows], knots, degree, order)
        y[rows] = tile.flatten(1).to(matrix.dtype) @ matrix
    return y


def to_input(u: Tensor, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute sum_{g,o} u[b,o] B_g^(order)(x[b,i]) coef[i,g,o], (batch, in)."""
    matrix = coef.reshape(-1, coef.shape[2])
    result = torch.empty_like(x)
    for rows in _tiles(x, knots, degree):
        tile = _basis(None, x[rows], knots, degree, order)
        result[rows] = ((u[rows] @ matrix.mT).view_as(tile) * tile).sum(-1)
    return result


def to_coef(u: Tensor, v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute sum_b u[b,o] v[b,i] B_g^(order)(x[b,i]), (in, n, out); v None means ones."""
    inputs = x.shape[1]
    n = knots.shape[1] - degree - 1
    total = torch.zeros(inputs * n, u.shape[1], dtype=basis_dtype(x), device=x.device)
    for rows in _tiles(x, knots, degree):
        tile = _basis(None if v is None else v[rows], x[rows], knots, degree, order)
        total += tile.flatten(1).to(u.dtype).mT @ u[rows]
    return total.view(inputs, n, u.shape[1]).to(x.dtype)


def _tiles(x: Tensor, knots: Tensor, degree: int) -> Iterator[slice]:
    """Yield the rows of each tile. An input has n numbers in the tile and ten for each active function beside it."""
    batch, inputs = x.shape
    most = max(1, TILE_NUMBERS // max(1, inputs * (knots.shape[1] - degree - 1 + 10 * (degree + 1))))
    return (slice(first, min(first + most, batch)) for first in range(0, batch, most))


def basis_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype in which basis functions at x are computed."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _basis(v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute the basis, or its `order`-th derivative, times v: (batch, in, n).

    The recursion is that of `splines.bspline.local_basis`, with the functions of a level in one tensor, since on a GPU
    a small operation costs as much as a large one.
    """
    # Points within the knots; outside a spline goes on as a straight line.
    x = x.to(basis_dtype(x))
    knots = knots.to(x.dtype)
    n = knots.shape[1] - degree - 1
    grid_size = knots.shape[1] - 2 * degree - 1
    inside = x.clamp(knots[:, degree], knots[:, -degree - 1])
    dense = torch.zeros(*x.shape, n, dtype=x.dtype, device=x.device)
    if order > degree:
        return dense + inside[..., None] * 0  # a NaN must come out as NaN
    beyond = x - inside
    # The knot interval of each point, and the knots around it.
    inner = knots[:, degree + 1 : degree + grid_size].contiguous()
    interval = torch.searchsorted(inner, inside.mT.contiguous(), right=True).mT.contiguous()
    around = torch.arange(1, 2 * degree + 1, device=x.device)[:, None, None]
    window = knots[torch.arange(x.shape[1], device=x.device), interval + around]  # (2 degree, batch, in)
    # The recursion of de Boor and Cox, by differences for the levels that are differentiated.
    values = (inside * 0 + 1)[None]
    slope = values * 0
    for level in range(1, degree + 1):
        left = window[degree - level : degree]
        right = window[degree : degree + level]
        share = values / (right - left)
        if level > degree - max(order, 1):  # the last level's difference is also the slope of the line outside
            slope = level * (_above(share) - _below(share))
        if level > degree - order:
            values = slope
        else:
            values = _above(share * (inside - left)) + _below(share * (right - inside))
    # The straight line outside; higher derivatives vanish there.
    if order == 0:
        values = values + beyond * slope
    elif order >= 2:
        values = values.masked_fill(beyond.abs() > 0, 0)
    if v is not None:
        values = values * v
    # The active functions at their places among all functions.
    active = torch.arange(degree + 1, device=x.device)
    return dense.scatter_(2, interval[..., None] + active, values.permute(1, 2, 0))


def _above(share: Tensor) -> Tensor:
    """Shift the index of the basis function by one: (l, batch, in) -> (l + 1, batch, in)."""
    return pad(share, (0, 0, 0, 0, 1, 0))


def _below(share: Tensor) -> Tensor:
    return pad(share, (0, 0, 0, 0, 0, 1))
