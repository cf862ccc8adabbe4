"""A whole layer in one pass over the data: base function, mask and splines, where the CPU kernel takes the tensors.

y[b,o] = sum_i mask[i,o] (base[i,o] b(x[b,i]) + sum_g B_g(x[b,i]) coef[i,g,o]). The kernel computes the value and the
first derivatives; higher ones are made of the contractions of `contract`, which are closed under differentiation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

from edgewise.ops import backend
from edgewise.ops.activation import Function as BaseFunction
from edgewise.ops.activation import activation_of
from edgewise.ops.contract import to_coef, to_input, to_output, transforms_active, without_autocast, without_transforms
from edgewise.ops.kernels import cpu
from edgewise.ops.kernels.cpu import BASE_CODES, LayerCall

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


def base_values(x: Tensor, base_function: str | BaseFunction) -> Tensor:
    """Compute the base function of a layer, a name in `ACTIVATIONS` or any function of one variable, at x."""
    return activation_of(base_function)(x)


def _base_slope(x: Tensor, base_function: str) -> Tensor:
    if base_function != "silu":
        return torch.ones_like(x)
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))


class _LayerSum(Function):
    @staticmethod
    def forward(*inputs: Any) -> Tensor:
        x, coef, base, mask, knots, degree, base_function = inputs
        return cpu.layer(LayerCall(x, coef, knots, degree, base, mask, base_function))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor | None) -> None:
        *tensors, ctx.degree, ctx.base_function = inputs
        ctx.save_for_backward(*tensors)
        if forward_ad._current_level >= 0:
            ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (u,) = grad_outputs
        x, coef, base, mask, knots = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        call = LayerCall(x, coef, knots, ctx.degree, base, mask, ctx.base_function)
        # The other tensors are the kernel's in the forward pass.
        if torch.is_grad_enabled() or backend.choose(ctx.degree, u, x) is not cpu:
            gradients = _differentiable_gradients(u, call, wanted)
        else:
            gradients = cpu.layer_gradients(u, call, wanted=wanted)
        return *gradients, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        dx, dcoef, dbase, *_ = tangents
        x, coef, base, mask, knots = ctx.saved_tensors
        change = x.new_zeros(x.shape[0], coef.shape[2])
        with without_autocast(x):
            if dx is not None:
                change = change + to_output(dx, x, coef * mask[:, None, :], knots, ctx.degree, 1)
                if base is not None:
                    change = change + (dx * _base_slope(x, ctx.base_function)) @ (base * mask)
            if dcoef is not None:
                change = change + to_output(None, x, dcoef * mask[:, None, :], knots, ctx.degree, 0)
            if dbase is not None:
                change = change + base_values(x, ctx.base_function) @ (dbase * mask)
        return change


_LayerSumPlain = without_transforms(_LayerSum)


def _differentiable_gradients(u: Tensor, call: LayerCall, wanted: tuple[bool, bool, bool]) -> Gradients:
    """Compute the gradients by x, coef and base with the contractions, so that they can be differentiated again."""
    x, coef, knots, degree, base, mask, base_function, _, _ = call
    assert coef is not None and mask is not None
    grad_x = grad_coef = grad_base = None
    with without_autocast(x):
        if wanted[0]:
            grad_x = to_input(u, x, coef * mask[:, None, :], knots, degree, 1)
            if base is not None:
                grad_x = grad_x + (u @ (base * mask).mT) * _base_slope(x, base_function)
        if wanted[1]:
            grad_coef = to_coef(u, None, x, knots, degree, 0) * mask[:, None, :]
        if wanted[2] and base is not None:
            grad_base = (base_values(x, base_function).mT @ u) * mask
    return grad_x, grad_coef, grad_base


def layer_sum(
    x: Tensor,
    coef: Tensor,
    base: Tensor | None,
    mask: Tensor,
    knots: Tensor,
    degree: int,
    base_function: str | BaseFunction,
) -> Tensor | None:
    """Compute the output of a layer in one pass, differentiable to any order in x, coef and base.

    Parameters
    ----------
    x : Tensor
        Points, (batch, in).
    coef : Tensor
        Spline coefficients, (in, n, out).
    base : Tensor or None
        Weights of the base function, (in, out).
    mask, knots : Tensor
        (in, out) and (in, n + degree + 1); both are constants.
    degree : int
        Degree of the splines.
    base_function : str or callable
        The base function or its name, "zero", no function; the kernel has "identity" and "silu".

    Returns
    -------
    Tensor or None
        (batch, out). None where the kernel does not take the tensors, and while torch compiles, exports or transforms:
        then the layer is computed in plain torch and by `spline_sum`.

    Examples
    --------
    >>> from edgewise.nn import KANLayer
    >>> layer, x = KANLayer(2, 3, generator=torch.Generator().manual_seed(0)), torch.rand(5, 2)
    >>> with torch.no_grad():
    ...     y = layer_sum(x, layer.coef, layer.base, layer.mask, layer.knots, layer.degree, "silu")
    >>> y is None or torch.allclose(y, layer(x), atol=1e-6)
    True
    """
    if torch.compiler.is_compiling() or transforms_active() or mask.requires_grad:
        return None
    if not isinstance(base_function, str) or base_function not in BASE_CODES:
        return None
    if backend.choose(degree, x, coef, base, mask, knots) is not cpu:
        return None
    if mask.shape != coef.shape[::2] or (base is not None and base.shape != mask.shape):
        return None  # torch broadcasts or reports the error; the kernel would read beyond the ends
    if not torch.is_grad_enabled() and forward_ad._current_level < 0:  # nothing is differentiated
        return cpu.layer(LayerCall(x, coef, knots, degree, base, mask, base_function))
    return _LayerSumPlain.apply(x, coef, base, mask, knots, degree, base_function)
