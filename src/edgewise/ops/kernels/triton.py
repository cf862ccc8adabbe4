"""The Triton kernel for CUDA: the three contractions with the basis made in registers; not measured on a GPU.

A program owns one tile of the result. It finds the knot interval of its samples, computes the degree + 1 active basis
functions in registers, spreads them over a tile of the dense basis, and multiplies this by a tile of coefficients on
tensor cores. Nothing is added atomically: a sum over samples that is divided among programs is finished by one ordered
sum, so results repeat bit for bit. Nothing waits for the device, so calls may be recorded in a CUDA graph.

Numbers are those of `splines.bspline.local_basis`; in bfloat16 and float16 the basis is computed in float32.
"""

# No `from __future__ import annotations`: triton reads the annotation of a constant as an object.
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor

from edgewise.ops.kernels import dense
from edgewise.ops.splines.bspline import MAX_PRODUCT_DEGREE

# Least samples that a part of such a sum has, far above the rows of one tile.
LEAST_PART_SAMPLES = 1024


@triton.jit
def _next_level(values, window, inside, level: tl.constexpr, degree: tl.constexpr, is_derivative: tl.constexpr):
    """Raise the degree of `level` active functions by one, or take the difference that is their derivative."""
    raised = ()
    carry = inside * 0
    for j in tl.static_range(level):
        left = window[degree - level + j]
        right = window[degree + j]
        share = values[j] / (right - left)
        if is_derivative:
            raised = raised + (carry - level * share,)
            carry = level * share
        else:
            raised = raised + (carry + share * (right - inside),)
            carry = share * (inside - left)
    return raised + (carry,)


@triton.jit
def _active(x, knots, grid_size, degree: tl.constexpr, order: tl.constexpr, halvings: tl.constexpr):
    """Return the knot intervals of x [samples, inputs] and a tuple of its active functions; knots are [1, inputs]."""
    # Points within the knots; outside a spline goes on as a straight line.
    low = tl.load(knots + degree).to(x.dtype)
    high = tl.load(knots + degree + grid_size).to(x.dtype)
    inside = tl.where(x < low, low, tl.where(x > high, high, x))  # a NaN stays
    # The knot interval by bisection, and the knots around it.
    interval = tl.zeros(x.shape, tl.int32)
    for halving in tl.static_range(halvings):
        middle = interval + (1 << (halvings - 1 - halving))
        knot = tl.load(knots + degree + tl.minimum(middle, grid_size)).to(x.dtype)
        interval = tl.where((middle < grid_size) & (inside >= knot), middle, interval)
    window = ()
    for j in tl.static_range(2 * degree):
        window = window + (tl.load(knots + interval + (1 + j)).to(x.dtype),)
    # The recursion of de Boor and Cox, by differences for the levels that are differentiated.
    values = (inside * 0 + 1,)
    for level in tl.static_range(1, degree + 1):
        if order == 0 and level == degree:  # the slope of the straight line outside
            slope = _next_level(values, window, inside, level, degree, True)
            level_values = _next_level(values, window, inside, level, degree, False)
            values = ()
            for j in tl.static_range(degree + 1):
                values = values + (level_values[j] + (x - inside) * slope[j],)
        else:
            values = _next_level(values, window, inside, level, degree, level > degree - order)
    # Derivatives that vanish: above the degree, and of second order or higher on the straight line outside.
    if order > degree:
        zeros = ()
        for _ in tl.static_range(degree + 1):
            zeros = zeros + (inside * 0,)
        values = zeros
    elif order >= 2:
        kept = ()
        for j in tl.static_range(degree + 1):
            kept = kept + (tl.where(tl.abs(x - inside) > 0, 0.0, values[j]),)
        values = kept
    return interval, values


@triton.jit
def _spread(interval, values, first, degree: tl.constexpr, functions: tl.constexpr):
    """Return the tile [samples, inputs, functions] of the dense basis that begins at function `first`."""
    offset = first + tl.arange(0, functions)[None, None, :] - interval[:, :, None]
    tile = tl.zeros(offset.shape, values[0].dtype)
    for j in tl.static_range(degree + 1):
        tile = tl.where(offset == j, values[j][:, :, None], tile)
    return tile


@triton.jit
def _points(x_ptr, x_row, x_column, rows, columns, batch, inputs, basis_type: tl.constexpr):
    """Return numbers [samples, inputs] of a matrix; beyond its ends those of its last column, and zeros."""
    at = rows.to(tl.int64)[:, None] * x_row + tl.minimum(columns, inputs - 1).to(tl.int64)[None, :] * x_column
    return tl.load(x_ptr + at, mask=(rows < batch)[:, None], other=0.0).to(basis_type)


@triton.jit
def _to_output(
    y_ptr, v_ptr, x_ptr, coef_ptr, knots_ptr,
    batch, inputs, functions, outputs, grid_size,
    v_row, v_column, x_row, x_column, coef_input, coef_function, coef_output, knots_row,
    weighted: tl.constexpr, degree: tl.constexpr, order: tl.constexpr, halvings: tl.constexpr,
    samples: tl.constexpr, group: tl.constexpr, width: tl.constexpr, block: tl.constexpr,
    basis_type: tl.constexpr, product_type: tl.constexpr, precision: tl.constexpr,
):  # fmt: skip
    # A tile of the output: samples by outputs.
    rows = tl.program_id(0) * samples + tl.arange(0, samples)
    ends = tl.program_id(1) * block + tl.arange(0, block)
    columns: tl.constexpr = group * width
    total = tl.zeros((samples, block), basis_type)
    # Sums over groups of inputs, and for each over tiles of their functions.
    for first_input in range(0, inputs, group):
        of = first_input + tl.arange(0, group)
        x = _points(x_ptr, x_row, x_column, rows, of, batch, inputs, basis_type)
        knots = knots_ptr + (tl.minimum(of, inputs - 1).to(tl.int64) * knots_row)[None, :]
        interval, values = _active(x, knots, grid_size, degree, order, halvings)
        # The tile of B-splines, dense, times its coefficients.
        for first in range(0, functions, width):
            tile = _spread(interval, values, first, degree, width)
            if weighted:
                tile = tile * _points(v_ptr, v_row, v_column, rows, of, batch, inputs, basis_type)[:, :, None]
            matrix = tl.reshape(tile, (samples, columns))
            k = tl.arange(0, columns)
            at = first_input + k // width
            function = first + k % width
            coef = tl.load(
                coef_ptr
                + (at.to(tl.int64) * coef_input + function * coef_function)[:, None]
                + (ends * coef_output)[None, :],
                mask=((at < inputs) & (function < functions))[:, None] & (ends < outputs)[None, :],
                other=0.0,
            )
            total = tl.dot(
                matrix.to(product_type), coef.to(product_type), total, input_precision=precision, out_dtype=basis_type
            )
    y_at = y_ptr + rows.to(tl.int64)[:, None] * outputs + ends[None, :]
    tl.store(y_at, total.to(y_ptr.dtype.element_ty), mask=(rows < batch)[:, None] & (ends < outputs)[None, :])


@triton.jit
def _to_input(
    result_ptr, u_ptr, x_ptr, coef_ptr, knots_ptr,
    batch, inputs, functions, outputs, grid_size,
    u_row, u_column, x_row, x_column, coef_input, coef_function, coef_output, knots_row,
    degree: tl.constexpr, order: tl.constexpr, halvings: tl.constexpr,
    samples: tl.constexpr, group: tl.constexpr, width: tl.constexpr, block: tl.constexpr,
    basis_type: tl.constexpr, product_type: tl.constexpr, precision: tl.constexpr,
):  # fmt: skip
    # A tile of the gradient: samples by inputs.
    rows = tl.program_id(0) * samples + tl.arange(0, samples)
    first_input = tl.program_id(1) * group
    of = first_input + tl.arange(0, group)
    columns: tl.constexpr = group * width
    x = _points(x_ptr, x_row, x_column, rows, of, batch, inputs, basis_type)
    knots = knots_ptr + (tl.minimum(of, inputs - 1).to(tl.int64) * knots_row)[None, :]
    interval, values = _active(x, knots, grid_size, degree, order, halvings)
    # Sums over tiles of functions: the cotangents pulled back through the coefficients, times the derivatives of the
    # B-splines.
    total = tl.zeros((samples, group), basis_type)
    for first in range(0, functions, width):
        k = tl.arange(0, columns)
        at = first_input + k // width
        function = first + k % width
        coef_at = coef_ptr + (at.to(tl.int64) * coef_input + function * coef_function)[None, :]
        is_there = ((at < inputs) & (function < functions))[None, :]
        pulled = tl.zeros((samples, columns), basis_type)
        for first_output in range(0, outputs, block):
            ends = first_output + tl.arange(0, block)
            u_at = u_ptr + rows.to(tl.int64)[:, None] * u_row + (ends * u_column)[None, :]
            u = tl.load(u_at, mask=(rows < batch)[:, None] & (ends < outputs)[None, :], other=0.0)
            coef = tl.load(
                coef_at + (ends * coef_output)[:, None], mask=is_there & (ends < outputs)[:, None], other=0.0
            )
            pulled = tl.dot(
                u.to(product_type), coef.to(product_type), pulled, input_precision=precision, out_dtype=basis_type
            )
        tile = _spread(interval, values, first, degree, width)
        total += tl.sum(tile * tl.reshape(pulled, (samples, group, width)), 2)
    to = result_ptr + rows.to(tl.int64)[:, None] * inputs + of[None, :]
    tl.store(to, total.to(result_ptr.dtype.element_ty), mask=(rows < batch)[:, None] & (of < inputs)[None, :])


@triton.jit
def _to_coef(
    parts_ptr, u_ptr, v_ptr, x_ptr, knots_ptr,
    batch, inputs, functions, outputs, grid_size, part,
    u_row, u_column, v_row, v_column, x_row, x_column, knots_row,
    weighted: tl.constexpr, degree: tl.constexpr, order: tl.constexpr, halvings: tl.constexpr,
    samples: tl.constexpr, group: tl.constexpr, width: tl.constexpr, block: tl.constexpr,
    basis_type: tl.constexpr, product_type: tl.constexpr, precision: tl.constexpr,
):  # fmt: skip
    # A tile of the gradient: the functions of some inputs by outputs.
    tiles = tl.cdiv(functions, width)
    first_input = (tl.program_id(0) // tiles) * group
    first = (tl.program_id(0) % tiles) * width
    of = first_input + tl.arange(0, group)
    ends = tl.program_id(1) * block + tl.arange(0, block)
    columns: tl.constexpr = group * width
    knots = knots_ptr + (tl.minimum(of, inputs - 1).to(tl.int64) * knots_row)[None, :]
    # Sums over a part of the samples of B-splines times cotangents.
    total = tl.zeros((columns, block), basis_type)
    begin = tl.program_id(2) * part
    for first_row in range(begin, tl.minimum(begin + part, batch), samples):
        rows = first_row + tl.arange(0, samples)
        x = _points(x_ptr, x_row, x_column, rows, of, batch, inputs, basis_type)
        interval, values = _active(x, knots, grid_size, degree, order, halvings)
        tile = _spread(interval, values, first, degree, width)
        if weighted:
            tile = tile * _points(v_ptr, v_row, v_column, rows, of, batch, inputs, basis_type)[:, :, None]
        u_at = u_ptr + rows.to(tl.int64)[:, None] * u_row + (ends * u_column)[None, :]
        u = tl.load(u_at, mask=(rows < batch)[:, None] & (ends < outputs)[None, :], other=0.0)
        matrix = tl.trans(tl.reshape(tile, (samples, columns)))
        total = tl.dot(
            matrix.to(product_type), u.to(product_type), total, input_precision=precision, out_dtype=basis_type
        )
    # Each part is stored apart, and added up afterwards.
    k = tl.arange(0, columns)
    at = first_input + k // width
    function = first + k % width
    row = (tl.program_id(2).to(tl.int64) * inputs + at) * functions + function
    mask = ((at < inputs) & (function < functions))[:, None] & (ends < outputs)[None, :]
    tl.store(parts_ptr + row[:, None] * outputs + ends[None, :], total, mask=mask)


def refuses(degree: int, *tensors: Tensor | None) -> str | None:
    """Return the reason why the kernel cannot take these tensors, as a clause; None if it can."""
    if degree > MAX_PRODUCT_DEGREE:
        return f"the Triton kernel has degrees up to {MAX_PRODUCT_DEGREE}, got {degree}"
    reason = dense.refuses(degree, *tensors, name="Triton")
    if reason is not None:
        return reason
    device = next(tensor.device for tensor in tensors if tensor is not None)
    if device.type != "cuda" and not (_is_interpreted() and device.type == "cpu"):
        return f"the Triton kernel takes tensors on a CUDA device, got one on {device}"
    return None


def to_output(v: Tensor | None, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute y[b,o] = sum_{i,g} v[b,i] B_g^(order)(x[b,i]) coef[i,g,o], (batch, out); v None means ones."""
    batch, inputs = x.shape
    outputs = coef.shape[2]
    y = x.new_empty(batch, outputs)
    if 0 in (batch, inputs, outputs):
        return y.zero_()
    shape = _shape(batch, coef.shape[1], outputs, x.dtype)
    grid = (triton.cdiv(batch, shape["samples"]), triton.cdiv(outputs, shape["block"]))
    tensors = (y, x if v is None else v, x, coef)
    sizes = (batch, inputs, *coef.shape[1:], _grid_size(knots, degree))
    _start(_to_output[grid], tensors, knots, sizes, weighted=v is not None, **_constants(knots, degree, order), **shape)
    return y


def to_input(u: Tensor, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute sum_{g,o} u[b,o] B_g^(order)(x[b,i]) coef[i,g,o], (batch, in)."""
    batch, inputs = x.shape
    outputs = coef.shape[2]
    result = x.new_empty(batch, inputs)
    if 0 in (batch, inputs, outputs):
        return result.zero_()
    shape = _shape(batch, coef.shape[1], outputs, x.dtype)
    grid = (triton.cdiv(batch, shape["samples"]), triton.cdiv(inputs, shape["group"]))
    sizes = batch, inputs, *coef.shape[1:], _grid_size(knots, degree)
    _start(_to_input[grid], (result, u, x, coef), knots, sizes, **_constants(knots, degree, order), **shape)
    return result


def to_coef(u: Tensor, v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute sum_b u[b,o] v[b,i] B_g^(order)(x[b,i]), (in, n, out); v None means ones."""
    # The tiles of the result, and parts of the samples where tiles alone would leave the GPU idle.
    batch, inputs = x.shape
    outputs = u.shape[1]
    n = knots.shape[1] - degree - 1
    if 0 in (batch, inputs, outputs):
        return x.new_zeros(inputs, n, outputs)
    shape = _shape(batch, n, outputs, x.dtype)
    tiles = triton.cdiv(inputs, shape["group"]) * triton.cdiv(n, shape["width"])
    blocks = triton.cdiv(outputs, shape["block"])
    # The sum over samples is divided up to two programs for each multiprocessor of an H100. The number is fixed instead
    # of read from the device, so that every device adds in the same order.
    programs = 264
    count = max(1, min(programs // (tiles * blocks), batch // LEAST_PART_SAMPLES))
    part = triton.cdiv(triton.cdiv(batch, count), shape["samples"]) * shape["samples"]
    count = triton.cdiv(batch, part)
    # Each part has a result of its own; their sum is the gradient.
    parts = torch.empty(count, inputs, n, outputs, dtype=dense.basis_dtype(x), device=x.device)
    tensors = (parts, u, x if v is None else v, x)
    sizes = (batch, inputs, n, outputs, _grid_size(knots, degree), part)
    program = _to_coef[(tiles, blocks, count)]
    _start(program, tensors, knots, sizes, weighted=v is not None, **_constants(knots, degree, order), **shape)
    return (parts[0] if count == 1 else parts.sum(0)).to(x.dtype)


def _start(
    program: Callable[..., object], tensors: Sequence[Tensor], knots: Tensor, sizes: Sequence[int], **constants: object
) -> None:
    """Start programs with what all kernels take: result and tensors, knots, sizes, strides without the result's."""
    knots = knots.contiguous()
    strides = [stride for tensor in tensors[1:] for stride in tensor.stride()]
    with _device(knots):
        program(*tensors, knots, *sizes, *strides, knots.stride(0), **constants)


def _shape(batch: int, functions: int, outputs: int, dtype: torch.dtype) -> dict[str, int]:
    """Return the sizes of tiles: samples, inputs in a group, functions of each (width) and outputs (block)."""
    # None is measured on a GPU: a product of tensor cores has at least 16 rows and columns, and these leave an
    # accumulator of at most 64 x 64 numbers and a basis tile of 64 x 32 in the registers of four warps.
    least = 16
    columns = 32
    most = 32 if dtype == torch.float64 else 64
    width = min(columns, triton.next_power_of_2(functions))
    return {
        "samples": min(64, max(least, triton.next_power_of_2(batch))),
        "group": columns // width,
        "width": width,
        "block": min(most, max(least, triton.next_power_of_2(outputs))),
    }


def _constants(knots: Tensor, degree: int, order: int) -> dict[str, object]:
    # Types: the basis in the dtype of the knots, products in the dtype that the GPU multiplies.
    """Return what a kernel is compiled for; the precision of products follows `set_float32_matmul_precision`."""
    basis_type = tl.float64 if knots.dtype == torch.float64 else tl.float32
    product_type = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}.get(knots.dtype, basis_type)
    if _is_interpreted():  # it multiplies the bits of bfloat16
        product_type = basis_type
    exact = knots.dtype != torch.float32 or torch.get_float32_matmul_precision() == "highest"
    return {
        "degree": degree,
        "order": min(order, degree + 1),  # all orders above the degree give zeros
        "halvings": (_grid_size(knots, degree) - 1).bit_length(),
        "basis_type": basis_type,
        "product_type": product_type,
        "precision": "ieee" if exact else "tf32",
        "enable_fp_fusion": True,  # multiply-adds, as the other kernels use; triton asks for a choice
    }


def _is_interpreted() -> bool:
    """Return whether programs run in Python, because TRITON_INTERPRET=1 was set when triton was imported."""
    return not isinstance(_to_output, triton.JITFunction)


def _grid_size(knots: Tensor, degree: int) -> int:
    return knots.shape[1] - 2 * degree - 1


def _device(x: Tensor) -> AbstractContextManager[object]:
    """Return a context in which the device of x is the current one, on which triton starts programs."""
    if x.is_cuda:
        return torch.cuda.device(x.device)
    return nullcontext()
