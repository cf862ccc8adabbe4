"""A whole layer in one pass over the data: base function, mask and splines, where the CPU kernel takes the tensors.

y[b,o] = sum_i mask[i,o] (base[i,o] b(x[b,i]) + sum_g B_g(x[b,i]) coef[i,g,o]). The kernel gives the value and the
first derivatives; further ones are made of the contractions of `contract`, which are closed under differentiation.
"""

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

from edgewise.ops import backend
from edgewise.ops.contract import to_coef, to_input, to_output, transforms_active, without_autocast, without_transforms
from edgewise.ops.kernels import cpu


def base_values(x: Tensor, base_function: str) -> Tensor:
    """The base function of a layer at x: "silu" or "identity"."""
    return torch.nn.functional.silu(x) if base_function == "silu" else x


def _base_slope(x: Tensor, base_function: str) -> Tensor:
    if base_function != "silu":
        return torch.ones_like(x)
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))


class _LayerSum(Function):
    @staticmethod
    def forward(x, coef, base, mask, knots, degree, base_function):
        return cpu.layer(x, coef, knots, degree, base=base, mask=mask, base_function=base_function)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.degree, ctx.base_function = inputs
        ctx.save_for_backward(*tensors)
        if forward_ad._current_level >= 0:
            ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx, u):
        x, coef, base, mask, knots = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        # The others are what the kernel took in the forward pass.
        if torch.is_grad_enabled() or backend.choose(ctx.degree, u, x) is not cpu:
            gradients = _gradients(u, x, coef, base, mask, knots, ctx.degree, ctx.base_function, wanted)
        else:
            gradients = cpu.layer_gradients(
                u, x, coef, knots, ctx.degree, base=base, mask=mask, base_function=ctx.base_function, wanted=wanted
            )
        return *gradients, None, None, None, None

    @staticmethod
    def jvp(ctx, dx, dcoef, dbase, *_):
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


def _gradients(u, x, coef, base, mask, knots, degree, base_function, wanted):
    """Differentiable gradients by x, coef and base, by the contractions."""
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
    x: Tensor, coef: Tensor, base: Tensor | None, mask: Tensor, knots: Tensor, degree: int, base_function: str
) -> Tensor | None:
    """The layer's output (batch, out) from x (batch, in), coef (in, n, out), base and mask (in, out), knots (in, ...).

    None where the kernel doesn't take the tensors, and while torch compiles, exports or transforms: then the layer
    is plain torch and `spline_sum`. Differentiable to any order in x, coef and base; mask and knots are constants.
    """
    if torch.compiler.is_compiling() or transforms_active() or mask.requires_grad:
        return None
    if backend.choose(degree, x, coef, base, mask, knots) is not cpu:
        return None
    if mask.shape != coef.shape[::2] or (base is not None and base.shape != mask.shape):
        return None  # torch broadcasts or says what is wrong; the kernel would read beyond their ends
    if not torch.is_grad_enabled() and forward_ad._current_level < 0:  # nothing is differentiated
        return cpu.layer(x, coef, knots, degree, base=base, mask=mask, base_function=base_function)
    return _LayerSumPlain.apply(x, coef, base, mask, knots, degree, base_function)
