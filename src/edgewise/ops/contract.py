"""Sums of splines, differentiable to any order, in reverse and forward mode, whichever kernel runs.

All computations of a KAN layer are partial derivatives of one multilinear form,

    F_d(u, v, x, coef) = sum_{b,i,g,o} u[b,o] v[b,i] B_g^(d)(x[b,i]) coef[i,g,o],

namely `to_output` = dF/du, `to_input` = dF/dv, `to_coef` = dF/dcoef, and dF_d/dx = v dF_{d+1}/dv. The three are one
function with another slot of the form left open, and closed under differentiation: its backward fills that slot with
the cotangent and opens the others in their turn, one order higher for x. A kernel therefore consists of three plain
functions without autograd (`kernels/reference.py`, `kernels/cpu.py`), and `backend` chooses the kernel for given
tensors. vmap over points turns them into one longer batch; where coefficients or knots are mapped over too, or
gradients of the coefficients are computed for each point, the reference runs.

Under autocast the contractions keep the dtype of their inputs: bfloat16 has 8 bits for a position among the knots.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import TransformType, get_interpreter_stack
from torch.autograd import Function

from edgewise.checks import is_integer
from edgewise.errors import InputError
from edgewise.ops.backend import choose, requested_kernel, use_kernel
from edgewise.ops.kernels import reference
from edgewise.ops.splines.bspline import MAX_EDGE_DEGREE

U, V, COEF = range(3)  # the slots of the form: to_output leaves u open, to_input v, to_coef coef


class _Form(Function):
    """The form F_d with one open slot: its derivative by that slot, in which the form is linear.

    Inputs are the number of the open slot, the tensors u, v, x and coef (None in the open slot, and None for a v of
    ones), the knots, the degree and the order d.
    """

    @staticmethod
    def forward(*inputs: Any) -> Tensor:
        _, *tensors, degree, _ = inputs
        return _computed(choose(degree, *tensors), *inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor | None) -> None:
        ctx.open_slot, *tensors, ctx.degree, ctx.order = inputs
        ctx.kernel = requested_kernel()
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> tuple[Tensor, int]:
        open_slot, *tensors, degree, order = inputs
        *_, coef_dim, knots_dim, _, _ = in_dims
        if open_slot != COEF and coef_dim is None and knots_dim is None:
            return _as_one_batch(info.batch_size, in_dims, inputs)

        def each(*mapped: Tensor) -> Tensor:
            return _computed(reference, open_slot, *mapped, degree, order)

        return torch.vmap(each, in_dims=tuple(in_dims[1:-2]))(*tensors), 0

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        # The cotangent fills the slot that was open, and each other slot is opened in its turn. The derivative by x is
        # v times the derivative by v, one order higher.
        u, v, x, coef, knots = ctx.saved_tensors
        slots = [u, v, coef]
        slots[ctx.open_slot] = grad_outputs[0]
        u, v, coef = slots
        _, want_u, want_v, want_x, want_coef, *_ = ctx.needs_input_grad
        grad_u = grad_v = grad_x = grad_coef = None
        with _kernel_of(ctx):
            if want_u:
                grad_u = _form(U, None, v, x, coef, knots, ctx.degree, ctx.order)
            if want_v:
                grad_v = _form(V, u, None, x, coef, knots, ctx.degree, ctx.order)
            if want_x:
                grad_x = _times(v, _form(V, u, None, x, coef, knots, ctx.degree, ctx.order + 1))
            if want_coef:
                grad_coef = _form(COEF, u, v, x, None, knots, ctx.degree, ctx.order)
        return None, grad_u, grad_v, grad_x, grad_coef, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        # The form is linear in u, v and coef, so that each tangent takes the place of its tensor.
        _, du, dv, dx, dcoef, *_ = tangents
        u, v, x, coef, knots = ctx.saved_tensors
        if ctx.open_slot == U:
            change = x.new_zeros(x.shape[0], coef.shape[2])
        elif ctx.open_slot == V:
            change = torch.zeros_like(x)
        else:
            change = x.new_zeros(x.shape[1], knots.shape[-1] - ctx.degree - 1, u.shape[1])
        if du is not None:
            change = change + _form(ctx.open_slot, du, v, x, coef, knots, ctx.degree, ctx.order)
        if dv is not None:
            change = change + _form(ctx.open_slot, u, dv, x, coef, knots, ctx.degree, ctx.order)
        if dx is not None and ctx.open_slot == V:
            change = change + dx * _form(V, u, None, x, coef, knots, ctx.degree, ctx.order + 1)
        elif dx is not None:
            change = change + _form(ctx.open_slot, u, _times(v, dx), x, coef, knots, ctx.degree, ctx.order + 1)
        if dcoef is not None:
            change = change + _form(ctx.open_slot, u, v, x, dcoef, knots, ctx.degree, ctx.order)
        return change


def _computed(kernel: ModuleType, open_slot: int, *inputs: Any) -> Tensor:
    """Compute the derivative of the form by a slot on one kernel, without autograd."""
    u, v, x, coef, knots, degree, order = inputs
    if open_slot == U:
        return kernel.to_output(v, x, coef, knots, degree, order)
    if open_slot == V:
        return kernel.to_input(u, x, coef, knots, degree, order)
    return kernel.to_coef(u, v, x, knots, degree, order)


def _as_one_batch(size: int, dims: Sequence[int | None], inputs: Sequence[Any]) -> tuple[Tensor, int]:
    """Do all `size` calls of vmap as one with size * batch rows; a tensor whose dim is None is the same in each."""
    open_slot, u, v, x, *shared = inputs
    # Rows of all calls below each other.
    rows = 0
    flat: list[Any] = []  # tensors, None for the open slot
    for tensor, dim in zip((u, v, x), dims[1:4], strict=True):
        if tensor is None:
            flat.append(None)
            continue
        if dim is None:
            stack = tensor.expand(size, *tensor.shape)
        else:
            stack = tensor.movedim(dim, 0)
        rows = stack.shape[1]
        flat.append(stack.reshape(size * rows, stack.shape[2]))
    result = _form(open_slot, *flat, *shared)
    return result.reshape(size, rows, result.shape[1]), 0


def without_transforms(kind: type[Function]) -> type[Function]:
    """Return the same function for calls outside torch.func's transforms.

    For a Function with `setup_context` torch binds the arguments by `inspect.signature`, which takes 50 microseconds a
    call, more than the rest of a small layer. A Function that saves its tensors in `forward` avoids this, but cannot
    be transformed.
    """

    def forward(ctx: Any, *inputs: Any) -> Tensor:
        kind.setup_context(ctx, inputs, None)
        return kind.forward(*inputs)

    own = {"forward": staticmethod(forward), "setup_context": Function.setup_context, "generate_vmap_rule": False}
    return type(kind.__name__ + "Plain", (kind,), own)


_PlainForm = without_transforms(_Form)


def _kernel_of(ctx: Any) -> AbstractContextManager[None]:
    """Return a context with the kernel that the forward pass requested: torch runs backward passes on a GPU in threads.

    A thread does not see the context variable of `use_kernel`.
    """
    if ctx.kernel == requested_kernel():
        return nullcontext()
    return use_kernel(ctx.kernel)


def transforms_active() -> bool:
    """Return whether a transform of torch.func (vmap, grad, jvp, ...) is running, as torch's `Function.apply` does."""
    return torch._C._are_functorch_transforms_active()


def forward_mode_is_nested() -> bool:
    """Return whether forward-mode derivatives are taken of forward-mode derivatives, as in `torch.func.jvp` of `jvp`.

    While it calls the jvp of a Function, torch switches forward mode off for all levels, so that outer derivatives
    would lack what the Function contributes, without an error. Operations of plain torch have no such gap.
    """
    if transforms_active():
        levels = get_interpreter_stack()
    else:
        levels = None
    return levels is not None and sum(level.key() == TransformType.Jvp for level in levels) > 1


def must_be_plain() -> bool:
    """Return whether only operations of plain torch will do: what is compiled or exported needs no Edgewise to run."""
    return torch.compiler.is_compiling() or forward_mode_is_nested()


def _form(
    open_slot: int,
    u: Tensor | None,
    v: Tensor | None,
    x: Tensor,
    coef: Tensor | None,
    knots: Tensor,
    degree: int,
    order: int,
) -> Tensor:
    """Compute the derivative of the form by a slot, see `_Form`; differentiable in the other tensors but the knots."""
    with without_autocast(x):
        if must_be_plain():
            return _computed(reference, open_slot, u, v, x, coef, knots, degree, order)
        function = _Form if transforms_active() else _PlainForm
        return function.apply(open_slot, u, v, x, coef, knots, degree, order)


def to_output(v: Tensor | None, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute dF/du, (batch, out); differentiable in v (None: ones), x and coef."""
    return _form(U, None, v, x, coef, knots, degree, order)


def to_input(u: Tensor, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute dF/dv, (batch, in); differentiable in u, x and coef."""
    return _form(V, u, None, x, coef, knots, degree, order)


def to_coef(u: Tensor, v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute dF/dcoef, (in, n, out); differentiable in u, v (None: ones) and x."""
    return _form(COEF, u, v, x, None, knots, degree, order)


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Return a context that switches autocast off on the device of x, if it is on."""
    kind = x.device.type
    on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # the device "meta" has none
    if on:
        return torch.autocast(kind, enabled=False)
    return nullcontext()


def _times(v: Tensor | None, other: Tensor) -> Tensor:
    return other if v is None else v * other


def spline_sum(
    x: Tensor, coef: Tensor, knots: Tensor, degree: int, *, weight: Tensor | None = None, order: int = 0
) -> Tensor:
    """Compute sums over inputs of weighted splines or their derivatives, y[b,o] = sum_i v[b,i] s_io^(order)(x[b,i]).

    The result is differentiable to any order in `x`, `coef` and `weight`; `knots` are constants.

    Parameters
    ----------
    x : Tensor
        Points, (batch, in).
    coef : Tensor
        Spline coefficients, (in, n, out).
    knots : Tensor
        Increasing knots of each input, (in, n + degree + 1).
    degree : int
        0 to 5.
    weight : Tensor, optional
        The weights v, (batch, in); ones by default.
    order : int
        Derivative order; above `degree` the sum is zero.

    Returns
    -------
    Tensor
        (batch, out), in the dtype of `x`, under autocast too.

    Raises
    ------
    InputError
        If a shape or dtype does not fit, or degree or order is not as above.

    Examples
    --------
    A spline whose coefficients are all 1 is the constant 1:

    >>> from edgewise.ops.splines.knots import uniform
    >>> knots = uniform(torch.tensor([[0.0, 1.0]]), grid_size=4, degree=3)
    >>> spline_sum(torch.tensor([[0.3]]), torch.ones(1, 7, 1), knots, degree=3).round(decimals=6).tolist()
    [[1.0]]
    """
    # Shapes, dtypes, degree and order.
    if degree not in range(MAX_EDGE_DEGREE + 1):
        raise InputError(f"degree must be an integer from 0 to {MAX_EDGE_DEGREE}, got {degree!r}")
    if not is_integer(order) or order < 0:
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
    return to_output(weight, x, coef, knots, degree, order)
