"""The CPU kernel: the three contractions, and a whole layer, in the compiled library (`csrc/`) through ctypes.

A call costs a few microseconds: all numbers and pointers are packed at once into the C struct `Problem`
(csrc/problem.h). No function here takes part in autograd.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import struct
import sys
import warnings
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from edgewise.errors import EdgewiseError, EdgewiseWarning
from edgewise.ops.splines.bspline import MAX_DEGREE

BASE_CODES = {"zero": 0, "identity": 1, "silu": 2}

# The struct of csrc/problem.h, field by field, in the platform's own layout.
_PROBLEM = struct.Struct("@5q3i P2q P2q P2q P P P P Pq P i P P P P 0q")


class LayerCall(NamedTuple):
    """Tensors and settings of a layer as the kernel sees it.

    The layer computes sum_i mask[i,o] (base[i,o] b(x[b,i]) + v[b,i] sum_g B_g^(order)(x[b,i]) coef[i,g,o]).
    """

    x: Tensor  # points, (batch, in)
    coef: Tensor | None  # spline coefficients, (in, n, out); None where only their gradient is computed
    knots: Tensor  # (in, n + degree + 1)
    degree: int  # degree of the splines
    base: Tensor | None = None  # weights of the base function and mask, (in, out); without a mask every edge counts
    mask: Tensor | None = None
    base_function: str = "zero"  # the base function b
    v: Tensor | None = None  # weights of the splines, (batch, in); ones by default
    order: int = 0  # derivative order of the splines


class _Results(NamedTuple):
    """Arrays of a call beside those of its layer; None where the function does not use them."""

    y: Tensor | None = None
    u: Tensor | None = None
    grad_x: Tensor | None = None
    x_order: int = 0
    grad_coef: Tensor | None = None
    grad_base: Tensor | None = None
    values: Tensor | None = None
    interval: Tensor | None = None


def _load() -> tuple[ctypes.CDLL | None, str]:
    """Return the library and "", or None and the reason why there is none."""
    # The library beside this module, or another build.
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    named = os.environ.get("EDGEWISE_CPU_LIBRARY")  # path of another build, for tests with sanitizers or compilers
    path: Any = named or resources.files("edgewise.ops.kernels").joinpath(f"libedgewise_cpu{suffix}")
    if not named and not path.is_file():
        return None, "the CPU kernel is not there: no C++ compiler was found when Edgewise was installed"
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        return None, f"the CPU kernel does not load: {error}"
    # Types of its functions.
    for function in (library.edgewise_forward, library.edgewise_backward, library.edgewise_basis):
        function.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_char_p]
        function.restype = ctypes.c_int
    library.edgewise_variant.argtypes = [ctypes.c_int]
    library.edgewise_variant.restype = library.edgewise_built_from.restype = ctypes.c_char_p
    # An editable install may be older than its sources.
    if _sources() not in ("", library.edgewise_built_from().decode()):
        return None, "the CPU kernel is older than its sources in csrc: install Edgewise again"
    library.edgewise_lend_threads.argtypes = [ctypes.c_void_p]
    library.edgewise_lend_threads.restype = None
    library.edgewise_lend_threads(_torch_threads())
    return library, ""


def _torch_threads() -> int | None:
    """Return the address of GOMP_parallel in the OpenMP runtime that torch is linked to, or None.

    It is looked up in torch's own library, because a process may have loaded several runtimes; on Linux only, because
    elsewhere the runtime has no such function, or the handle of a library does not give access to its dependencies.
    """
    if not sys.platform.startswith("linux") or not torch.backends.openmp.is_available():
        return None
    path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        linked = ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        return ctypes.cast(linked.GOMP_parallel, ctypes.c_void_p).value
    except (OSError, AttributeError):
        return None


def _sources() -> str:
    """Return the hash that CMakeLists.txt computes of csrc; "" in a wheel, which contains no sources."""
    folder = resources.files("edgewise").joinpath("csrc")
    if not folder.is_dir():
        return ""
    parts = {part.name: part for part in folder.iterdir() if part.name.endswith((".h", ".cpp"))}
    hashes = "".join(hashlib.sha256(parts[name].read_bytes()).hexdigest() + "\n" for name in sorted(parts))
    return hashlib.sha256(hashes.encode()).hexdigest()


_LIBRARY, _MISSING = _load()
if _LIBRARY is None:
    warnings.warn(
        f"{_MISSING[0].upper()}{_MISSING[1:]}. A slower kernel in plain torch runs.", EdgewiseWarning, stacklevel=1
    )


def library() -> ctypes.CDLL | None:
    """Return the compiled library, or None where it is missing."""
    return _LIBRARY


def variants() -> list[str]:
    """Return the instruction sets of this processor that the kernel is compiled for, best first."""
    names: list[str] = []
    while _LIBRARY is not None and (name := _LIBRARY.edgewise_variant(len(names))):
        names.append(name.decode())
    return names


def _chosen_variant() -> str | None:
    """Return the instruction set that the environment names, for tests of what a smaller processor computes."""
    chosen = os.environ.get("EDGEWISE_INSTRUCTIONS")
    if chosen is None or chosen in variants():
        return chosen
    warnings.warn(
        f"EDGEWISE_INSTRUCTIONS must be one of {', '.join(variants())} here, got {chosen!r}. {variants()[0]} runs.",
        EdgewiseWarning,
        stacklevel=1,
    )
    return None


# The instruction set of calls that name none; None stands for the best one.
_VARIANT = _chosen_variant() if _LIBRARY is not None else None


def refuses(degree: int, *tensors: Tensor | None) -> str | None:
    """Return the reason why the kernel cannot take these tensors, as a clause; None if it can."""
    if _LIBRARY is None:
        return _MISSING
    if degree > MAX_DEGREE:
        return f"the CPU kernel has degrees up to {MAX_DEGREE}, got {degree}"
    # Plain tensors on the CPU, of one dtype.
    dtype = None
    for tensor in tensors:
        if tensor is None:
            continue
        if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout != torch.strided or tensor.is_neg():
            return f"the CPU kernel takes plain dense tensors, got {type(tensor).__name__}"
        if not tensor.is_cpu:
            return f"the CPU kernel takes tensors on the CPU, got one on {tensor.device}"
        if dtype is None:
            dtype = tensor.dtype
            if dtype not in (torch.float32, torch.float64):
                return f"the CPU kernel takes float32 and float64, got {dtype}"
        elif tensor.dtype != dtype:
            return f"the CPU kernel takes tensors of one dtype, got {dtype} and {tensor.dtype}"
        # Memory of their own, with sizes that its indices can count.
        count = tensor.numel()
        try:
            absent = tensor.data_ptr() == 0 and count > 0
        except RuntimeError:  # a wrapper: batched by vmap, tracked by torch.func
            absent = True
        if absent:
            return "the CPU kernel takes tensors with memory of their own, not those of vmap or of symbolic zeros"
        if min(count, tensor.shape[-1]) >= 2**31:
            return "the CPU kernel numbers knots with 32 bits"
    return None


def to_output(v: Tensor | None, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute y[b,o] = sum_{i,g} v[b,i] B_g^(order)(x[b,i]) coef[i,g,o], (batch, out); v None means ones."""
    return layer(LayerCall(x, coef, knots, degree, v=v, order=order))


def to_input(u: Tensor, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute sum_{g,o} u[b,o] B_g^(order)(x[b,i]) coef[i,g,o], (batch, in)."""
    call = LayerCall(x, coef, knots, degree)
    grad_x, _, _ = layer_gradients(u, call, x_order=order, wanted=(True, False, False))
    assert grad_x is not None
    return grad_x


def to_coef(u: Tensor, v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """Compute sum_b u[b,o] v[b,i] B_g^(order)(x[b,i]), (in, n, out); v None means ones."""
    call = LayerCall(x, None, knots, degree, v=v, order=order)
    _, grad_coef, _ = layer_gradients(u, call, wanted=(False, True, False))
    assert grad_coef is not None
    return grad_coef


def layer(call: LayerCall, *, variant: str | None = None) -> Tensor:
    """Compute the output (batch, out) of a layer, on an instruction set of `variants()` (the best by default)."""
    assert call.coef is not None
    y = call.x.new_empty(call.x.shape[0], call.coef.shape[2])
    _run("edgewise_forward", call, call.coef.shape[1:], _Results(y=y), variant)
    return y


def layer_gradients(
    u: Tensor,
    call: LayerCall,
    *,
    x_order: int = 1,
    wanted: tuple[bool, bool, bool] = (True, True, True),
    variant: str | None = None,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Compute the gradients of sum_bo u[b,o] y[b,o] by x, coef and base; None for those not wanted.

    u is (batch, out), y the output of the layer, `x_order` the derivative order of the splines in the gradient by x,
    which leaves v out; `variant` is an instruction set of `variants()`, the best by default.
    """
    want_x, want_coef, want_base = wanted
    # Memory for the wanted gradients; those by coefficients and base are made together.
    u = u if u.stride(1) == 1 else u.contiguous()
    x = call.x
    n = call.knots.shape[1] - call.degree - 1
    outputs = u.shape[1]
    grad_x = x.new_empty(x.shape) if want_x else None
    if want_coef or want_base:
        grad_coef = x.new_empty(x.shape[1], n, outputs)
    else:
        grad_coef = None
    has_base = call.base_function != "zero" and grad_coef is not None
    if has_base:
        grad_base = x.new_empty(x.shape[1], outputs)
    else:
        grad_base = None
    results = _Results(None, u, grad_x, x_order, grad_coef, grad_base)
    _run("edgewise_backward", call, (n, outputs), results, variant)
    return grad_x, grad_coef if want_coef else None, grad_base if want_base else None


def active_basis(
    x: Tensor, knots: Tensor, degree: int, orders: int, variant: str | None = None
) -> tuple[Tensor, Tensor]:
    """Numbers of the knot intervals of x, (batch, in), int64, and derivatives of the active basis functions there.

    These have shape (orders + 1, batch, in, degree + 1).
    """
    values = x.new_empty(orders + 1, *x.shape, degree + 1)
    interval = x.new_empty(x.shape, dtype=torch.int64)
    call = LayerCall(x, None, knots, degree, order=orders)
    results = _Results(values=values, interval=interval)
    _run("edgewise_basis", call, (knots.shape[1] - degree - 1, 1), results, variant)
    return interval, values


def _run(name: str, call: LayerCall, sizes: Sequence[int], results: _Results, variant: str | None) -> None:
    """Call a function of the library; `sizes` are the numbers of basis functions per input, n, and of outputs."""
    assert _LIBRARY is not None
    x, coef, knots, degree, base, mask, base_function, v, order = call
    y, u, grad_x, x_order, grad_coef, grad_base, values, interval = results
    batch, inputs = x.shape
    n, outputs = sizes
    if 0 in (batch, inputs, outputs):  # sums without terms
        for result in (y, grad_x, grad_coef, grad_base, values, interval):
            if result is not None:
                result.zero_()
        return
    # The kernel reads rows of coefficients that are contiguous.
    if coef is not None and coef.stride(2) != 1:
        coef = coef.contiguous()
    knots = knots.contiguous()
    base = None if base is None else base.contiguous()
    mask = None if mask is None else mask.contiguous()
    # The struct of csrc, field by field.
    problem = _PROBLEM.pack(
        batch,
        inputs,
        n,
        outputs,
        0,
        degree,
        order,
        BASE_CODES[base_function],
        x.data_ptr(),
        x.stride(0),
        x.stride(1),
        *((0, 0, 0) if v is None else (v.data_ptr(), v.stride(0), v.stride(1))),
        *((0, 0, 0) if coef is None else (coef.data_ptr(), coef.stride(0), coef.stride(1))),
        knots.data_ptr(),
        _pointer(base),
        _pointer(mask),
        _pointer(y),
        _pointer(u),
        0 if u is None else u.stride(0),
        _pointer(grad_x),
        x_order,
        _pointer(grad_coef),
        _pointer(grad_base),
        _pointer(values),
        _pointer(interval),
    )
    # The call, in the instruction set that was asked for.
    is_double = x.dtype == torch.float64
    instructions = variant or _VARIANT
    encoded = None if instructions is None else instructions.encode()
    failed = getattr(_LIBRARY, name)(problem, is_double, torch.get_num_threads(), encoded)
    check_call(failed, instructions)


def check_call(failed: int, variant: str | None) -> None:
    """Raise an error for a function of the library that did not return 0."""
    if failed == 1:
        raise MemoryError("the CPU kernel found no memory for its working arrays")
    if failed:
        raise EdgewiseError(f"the CPU kernel has no variant {variant!r} on this processor, it has {variants()}")


def _pointer(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()
