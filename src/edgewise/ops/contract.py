"""Sums of splines, differentiable to any order, in reverse and forward mode, whichever kernel runs.

All that a KAN layer needs is a partial derivative of one multilinear form,

    F_d(u, v, x, coef) = sum_{b,i,g,o} u[b,o] v[b,i] B_g^(d)(x[b,i]) coef[i,g,o],

namely `to_output` = dF/du, `to_input` = dF/dv, `to_coef` = dF/dcoef, and dF_d/dx = v dF_{d+1}/dv. The three are
closed under differentiation: every backward and every jvp below is made of the same three, one order higher in x.
A kernel is therefore three plain functions with no autograd inside (`kernels/reference.py`, `kernels/cpu.py`), and
`backend` chooses one for the tensors that come. vmap over points makes one longer batch of them; where coefficients or
knots are mapped over too, or a gradient of coefficients is wanted for each, the reference runs.

Under autocast the contractions keep the dtype of their inputs: bfloat16 has 8 bits for a position among the knots.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.autograd import Function

from edgewise.errors import InputError
from edgewise.ops.backend import choose
from edgewise.ops.kernels import reference
from edgewise.ops.splines.bspline import MAX_DEGREE


def _as_one_batch(contraction, size: int, dims, tensors, *rest) -> tuple[Tensor, int]:
    """All `size` calls of vmap as one with size * batch rows; a tensor is the same for each where its dim is None."""
    stacks = [
        None if tensor is None else tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        for tensor, dim in zip(tensors, dims, strict=True)
    ]
    rows = stacks[1].shape[1]
    result = contraction(*(None if t is None else t.reshape(size * rows, t.shape[2]) for t in stacks), *rest)
    return result.reshape(size, rows, result.shape[1]), 0


def _mapped(contraction, in_dims, tensors, degree: int, order: int) -> tuple[Tensor, int]:
    """The reference's contraction, in plain torch, mapped by torch."""
    return torch.vmap(lambda *each: contraction(*each, degree, order), in_dims=tuple(in_dims[:-2]))(*tensors), 0


class _Contraction(Function):
    """What the three have in common: `inputs` are tensors (or None), then degree and order."""

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.degree, ctx.order = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)


class _ToOutput(_Contraction):
    @staticmethod
    def forward(v, x, coef, knots, degree, order):
        return choose(degree, v, x, coef, knots).to_output(v, x, coef, knots, degree, order)

    @staticmethod
    def vmap(info, in_dims, v, x, coef, knots, degree, order):
        if in_dims[2] is not None or in_dims[3] is not None:
            return _mapped(reference.to_output, in_dims, (v, x, coef, knots), degree, order)
        return _as_one_batch(to_output, info.batch_size, in_dims[:2], (v, x), coef, knots, degree, order)

    @staticmethod
    def backward(ctx, u):
        v, x, coef, knots = ctx.saved_tensors
        want_v, want_x, want_coef = ctx.needs_input_grad[:3]
        grad_v = to_input(u, x, coef, knots, ctx.degree, ctx.order) if want_v else None
        grad_x = _times(v, to_input(u, x, coef, knots, ctx.degree, ctx.order + 1)) if want_x else None
        grad_coef = to_coef(u, v, x, knots, ctx.degree, ctx.order) if want_coef else None
        return grad_v, grad_x, grad_coef, None, None, None

    @staticmethod
    def jvp(ctx, dv, dx, dcoef, *_):
        v, x, coef, knots = ctx.saved_tensors
        change = _zeros_like_output(x, coef)
        if dv is not None:
            change = change + to_output(dv, x, coef, knots, ctx.degree, ctx.order)
        if dx is not None:
            change = change + to_output(_times(v, dx), x, coef, knots, ctx.degree, ctx.order + 1)
        if dcoef is not None:
            change = change + to_output(v, x, dcoef, knots, ctx.degree, ctx.order)
        return change


class _ToInput(_Contraction):
    @staticmethod
    def forward(u, x, coef, knots, degree, order):
        return choose(degree, u, x, coef, knots).to_input(u, x, coef, knots, degree, order)

    @staticmethod
    def vmap(info, in_dims, u, x, coef, knots, degree, order):
        if in_dims[2] is not None or in_dims[3] is not None:
            return _mapped(reference.to_input, in_dims, (u, x, coef, knots), degree, order)
        return _as_one_batch(to_input, info.batch_size, in_dims[:2], (u, x), coef, knots, degree, order)

    @staticmethod
    def backward(ctx, w):
        u, x, coef, knots = ctx.saved_tensors
        want_u, want_x, want_coef = ctx.needs_input_grad[:3]
        grad_u = to_output(w, x, coef, knots, ctx.degree, ctx.order) if want_u else None
        grad_x = w * to_input(u, x, coef, knots, ctx.degree, ctx.order + 1) if want_x else None
        grad_coef = to_coef(u, w, x, knots, ctx.degree, ctx.order) if want_coef else None
        return grad_u, grad_x, grad_coef, None, None, None

    @staticmethod
    def jvp(ctx, du, dx, dcoef, *_):
        u, x, coef, knots = ctx.saved_tensors
        change = torch.zeros_like(x)
        if du is not None:
            change = change + to_input(du, x, coef, knots, ctx.degree, ctx.order)
        if dx is not None:
            change = change + dx * to_input(u, x, coef, knots, ctx.degree, ctx.order + 1)
        if dcoef is not None:
            change = change + to_input(u, x, dcoef, knots, ctx.degree, ctx.order)
        return change


class _ToCoef(_Contraction):
    @staticmethod
    def forward(u, v, x, knots, degree, order):
        return choose(degree, u, v, x, knots).to_coef(u, v, x, knots, degree, order)

    @staticmethod
    def vmap(info, in_dims, u, v, x, knots, degree, order):
        return _mapped(reference.to_coef, in_dims, (u, v, x, knots), degree, order)

    @staticmethod
    def backward(ctx, c):
        u, v, x, knots = ctx.saved_tensors
        want_u, want_v, want_x = ctx.needs_input_grad[:3]
        grad_u = to_output(v, x, c, knots, ctx.degree, ctx.order) if want_u else None
        grad_v = to_input(u, x, c, knots, ctx.degree, ctx.order) if want_v else None
        grad_x = _times(v, to_input(u, x, c, knots, ctx.degree, ctx.order + 1)) if want_x else None
        return grad_u, grad_v, grad_x, None, None, None

    @staticmethod
    def jvp(ctx, du, dv, dx, *_):
        u, v, x, knots = ctx.saved_tensors
        n = knots.shape[-1] - ctx.degree - 1
        change = x.new_zeros(x.shape[1], n, u.shape[1])
        if du is not None:
            change = change + to_coef(du, v, x, knots, ctx.degree, ctx.order)
        if dv is not None:
            change = change + to_coef(u, dv, x, knots, ctx.degree, ctx.order)
        if dx is not None:
            change = change + to_coef(u, _times(v, dx), x, knots, ctx.degree, ctx.order + 1)
        return change


def without_transforms(kind: type[Function]) -> type[Function]:
    """The same function for calls outside of torch.func's transforms.

    For a Function with `setup_context` torch binds the arguments by `inspect.signature`, 50 microseconds a call:
    more than the rest of a small layer. Those that save in `forward` itself are spared that, but know no transforms.
    """

    def forward(ctx, *inputs):
        kind.setup_context(ctx, inputs, None)
        return kind.forward(*inputs)

    own = {"forward": staticmethod(forward), "setup_context": Function.setup_context, "generate_vmap_rule": False}
    return type(kind.__name__ + "Plain", (kind,), own)


_ToOutputPlain, _ToInputPlain, _ToCoefPlain = map(without_transforms, (_ToOutput, _ToInput, _ToCoef))


def transforms_active() -> bool:
    """Whether a transform of torch.func (vmap, grad, jvp ...) is running; what torch's own `Function.apply` asks."""
    return torch._C._are_functorch_transforms_active()


def to_output(v, x, coef, knots, degree, order):
    """dF/du, (batch, out); differentiable in v (None: ones), x and coef."""
    with without_autocast(x):
        return (_ToOutput if transforms_active() else _ToOutputPlain).apply(v, x, coef, knots, degree, order)


def to_input(u, x, coef, knots, degree, order):
    """dF/dv, (batch, in); differentiable in u, x and coef."""
    with without_autocast(x):
        return (_ToInput if transforms_active() else _ToInputPlain).apply(u, x, coef, knots, degree, order)


def to_coef(u, v, x, knots, degree, order):
    """dF/dcoef, (in, n, out); differentiable in u, v (None: ones) and x."""
    with without_autocast(x):
        return (_ToCoef if transforms_active() else _ToCoefPlain).apply(u, v, x, knots, degree, order)


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Switches autocast off on x's device, if it is on."""
    kind = x.device.type
    on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # "meta", for one, knows none
    return torch.autocast(kind, enabled=False) if on else nullcontext()


def _times(v: Tensor | None, other: Tensor) -> Tensor:
    return other if v is None else v * other


def _zeros_like_output(x: Tensor, coef: Tensor) -> Tensor:
    return x.new_zeros(x.shape[0], coef.shape[2])


def spline_sum(
    x: Tensor, coef: Tensor, knots: Tensor, degree: int, *, weight: Tensor | None = None, order: int = 0
) -> Tensor:
    """Sum over inputs of weighted splines, or of their derivatives: y[b,o] = sum_i v[b,i] s_io^(order)(x[b,i]).

    Differentiable to any order in `x`, `coef` and `weight`; `knots` are constants.

    Args:
        x: points, (batch, in).
        coef: spline coefficients, (in, n, out).
        knots: increasing knots of each input, (in, n + degree + 1).
        degree: 0 .. 5.
        weight: v, (batch, in); ones when left out.
        order: derivative order; above `degree` the sum is zero.

    Returns:
        (batch, out), in the dtype of `x`, under autocast too.

    Raises:
        InputError: a shape or dtype does not fit, or degree or order is not as above.
    """
    _check(x, coef, knots, degree, weight, order)
    if torch.compiler.is_compiling():  # plain torch: what is compiled or exported needs no Edgewise to run
        with without_autocast(x):
            return reference.to_output(weight, x, coef, knots, degree, order)
    return to_output(weight, x, coef, knots, degree, order)


def _check(x: Tensor, coef: Tensor, knots: Tensor, degree: int, weight: Tensor | None, order: int) -> None:
    if degree not in range(MAX_DEGREE + 1):
        raise InputError(f"degree must be an integer from 0 to {MAX_DEGREE}, got {degree!r}")
    if not isinstance(order, int) or order < 0:
        raise InputError(f"order must be an integer, 0 or more, got {order!r}")
    if coef.ndim != 3:
        raise InputError(f"coef must have shape (in, n, out), got {tuple(coef.shape)}")
    if x.ndim != 2 or x.shape[1] != coef.shape[0]:
        raise InputError(f"x must have shape (batch, {coef.shape[0]}), got {tuple(x.shape)}")
    expected = (coef.shape[0], coef.shape[1] + degree + 1)
    if tuple(knots.shape) != expected:
        raise InputError(f"knots must have shape {expected} for degree {degree}, got {tuple(knots.shape)}")
    if weight is not None and weight.shape != x.shape:
        raise InputError(f"weight must have the shape of x, {tuple(x.shape)}, got {tuple(weight.shape)}")
    for name, tensor in (("coef", coef), ("knots", knots), ("weight", weight)):
        if tensor is not None and tensor.dtype != x.dtype:
            raise InputError(f"{name} must have the dtype of x, {x.dtype}, got {tensor.dtype}")
