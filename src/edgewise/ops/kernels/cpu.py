"""The CPU kernel: the three contractions, and a whole layer, in the compiled library (`csrc/`) by ctypes.

A call costs a few microseconds: numbers and pointers are packed into the C struct `Problem` (csrc/problem.h) at once.
Nothing here knows autograd.
"""

import ctypes
import hashlib
import os
import struct
import sys
import warnings
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from edgewise.errors import EdgewiseError, EdgewiseWarning
from edgewise.ops.splines.bspline import MAX_DEGREE

BASES = {"zero": 0, "identity": 1, "silu": 2}

# csrc/problem.h, field by field, in the platform's own layout.
_PROBLEM = struct.Struct("@5q3i P2q P2q P2q P P P P Pq P i P P P P 0q")
_INDEX_LIMIT = 2**31 - 1  # knot intervals are numbered with 32 bits
_DTYPES = (torch.float32, torch.float64)
_PLAIN = (Tensor, torch.nn.Parameter)


def _load() -> tuple[ctypes.CDLL | None, str]:
    """The library and "", or None and why there is none."""
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    named = os.environ.get("EDGEWISE_CPU_LIBRARY")  # another build, to test it: sanitizers, other compilers
    path = named or resources.files("edgewise.ops.kernels").joinpath(f"libedgewise_cpu{suffix}")
    if not named and not path.is_file():
        return None, "the CPU kernel is not there: no C++ compiler was found when Edgewise was installed"
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        return None, f"the CPU kernel does not load: {error}"
    for function in (library.edgewise_forward, library.edgewise_backward, library.edgewise_basis):
        function.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_char_p]
        function.restype = ctypes.c_int
    library.edgewise_variant.argtypes = [ctypes.c_int]
    library.edgewise_variant.restype = library.edgewise_built_from.restype = ctypes.c_char_p
    if _sources() not in ("", library.edgewise_built_from().decode()):
        return None, "the CPU kernel is older than its sources in csrc: install Edgewise again"
    library.edgewise_lend_threads.argtypes, library.edgewise_lend_threads.restype = [ctypes.c_void_p], None
    library.edgewise_lend_threads(_torch_threads())
    return library, ""


def _torch_threads() -> int | None:
    """The address of GOMP_parallel in the OpenMP runtime that torch is linked to; None where it has another one.

    Found through torch's own library, for a process may have loaded several runtimes. On Linux alone: elsewhere the
    runtime lacks that function, or a handle to a library doesn't lead to those it needs.
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
    """The hash that CMakeLists.txt makes of csrc; "" in a wheel, which has none."""
    folder = resources.files("edgewise").joinpath("csrc")
    if not folder.is_dir():
        return ""
    parts = sorted((part.name, part) for part in folder.iterdir() if part.name.endswith((".h", ".cpp")))
    hashes = "".join(hashlib.sha256(part.read_bytes()).hexdigest() + "\n" for _, part in parts)
    return hashlib.sha256(hashes.encode()).hexdigest()


_LIBRARY, _MISSING = _load()
if _LIBRARY is None:
    warnings.warn(
        f"{_MISSING[0].upper()}{_MISSING[1:]}. The slower reference kernel runs.", EdgewiseWarning, stacklevel=1
    )


def library() -> ctypes.CDLL | None:
    """The compiled library; None where it is missing."""
    return _LIBRARY


def variants() -> list[str]:
    """Instruction sets of this processor that the kernel is compiled for, best first; none where it is missing."""
    names: list[str] = []
    while _LIBRARY is not None and (name := _LIBRARY.edgewise_variant(len(names))):
        names.append(name.decode())
    return names


def refuses(degree: int, *tensors: Tensor | None) -> str | None:
    """Why the kernel can't take these tensors, in a sentence; None if it can."""
    if _LIBRARY is None:
        return _MISSING
    if degree > MAX_DEGREE:
        return f"the CPU kernel has degrees up to {MAX_DEGREE}, got {degree}"
    dtype = None
    for tensor in tensors:
        if tensor is None:
            continue
        if type(tensor) not in _PLAIN or tensor.layout != torch.strided or tensor.is_neg():
            return f"the CPU kernel takes plain dense tensors, got {type(tensor).__name__}"
        if not tensor.is_cpu:
            return f"the CPU kernel takes tensors on the CPU, got one on {tensor.device}"
        if dtype is None:
            dtype = tensor.dtype
            if dtype not in _DTYPES:
                return f"the CPU kernel takes float32 and float64, got {dtype}"
        elif tensor.dtype != dtype:
            return f"the CPU kernel takes tensors of one dtype, got {dtype} and {tensor.dtype}"
        count = tensor.numel()
        try:
            absent = tensor.data_ptr() == 0 and count > 0
        except RuntimeError:  # a wrapper: batched by vmap, tracked by torch.func
            absent = True
        if absent:
            return "the CPU kernel takes tensors with memory of their own, not those of vmap or of symbolic zeros"
        if count > _INDEX_LIMIT and tensor.shape[-1] > _INDEX_LIMIT:
            return "the CPU kernel numbers knots with 32 bits"
    return None


def to_output(v: Tensor | None, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """y[b,o] = sum_{i,g} v[b,i] B_g^(order)(x[b,i]) coef[i,g,o]; v None means ones. (batch, out)."""
    return layer(x, coef, knots, degree, v=v, order=order)


def to_input(u: Tensor, x: Tensor, coef: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """sum_{g,o} u[b,o] B_g^(order)(x[b,i]) coef[i,g,o]. (batch, in)."""
    grad_x, _, _ = layer_gradients(u, x, coef, knots, degree, x_order=order, wanted=(True, False, False))
    return grad_x


def to_coef(u: Tensor, v: Tensor | None, x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    """sum_b u[b,o] v[b,i] B_g^(order)(x[b,i]); v None means ones. (in, n, out)."""
    _, grad_coef, _ = layer_gradients(u, x, None, knots, degree, v=v, order=order, wanted=(False, True, False))
    return grad_coef


def layer(
    x: Tensor,
    coef: Tensor,
    knots: Tensor,
    degree: int,
    *,
    base: Tensor | None = None,
    mask: Tensor | None = None,
    base_function: str = "zero",
    v: Tensor | None = None,
    order: int = 0,
    variant: str | None = None,
) -> Tensor:
    """sum_i mask[i,o] (base[i,o] b(x[b,i]) + v[b,i] sum_g B_g^(order)(x[b,i]) coef[i,g,o]), (batch, out)."""
    y = x.new_empty(x.shape[0], coef.shape[2])
    coef = coef if coef.stride(2) == 1 else coef.contiguous()
    inputs, n, outputs = coef.shape
    _call(
        _LIBRARY.edgewise_forward,
        (x, knots, base, mask),
        (x.shape[0], inputs, n, outputs, degree, order, BASES[base_function]),
        (v, coef, y, None, 0, None, 0, None, None, None, None),
        variant,
    )
    return y


def layer_gradients(
    u: Tensor,
    x: Tensor,
    coef: Tensor | None,
    knots: Tensor,
    degree: int,
    *,
    base: Tensor | None = None,
    mask: Tensor | None = None,
    base_function: str = "zero",
    v: Tensor | None = None,
    order: int = 0,
    x_order: int = 1,
    wanted: tuple[bool, bool, bool] = (True, True, True),
    variant: str | None = None,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of sum_bo u[b,o] y[b,o] by x, coef and base; None where not wanted.

    x_order is the derivative order of the splines in the gradient by x, which leaves v out.
    """
    want_x, want_coef, want_base = wanted
    u = u if u.stride(1) == 1 else u.contiguous()
    inputs, n, outputs = x.shape[1], knots.shape[1] - degree - 1, u.shape[1]
    if coef is not None and coef.stride(2) != 1:
        coef = coef.contiguous()
    grad_x = x.new_empty(x.shape) if want_x else None
    grad_coef = x.new_empty(inputs, n, outputs) if want_coef or want_base else None
    grad_base = x.new_empty(inputs, outputs) if base_function != "zero" and grad_coef is not None else None
    _call(
        _LIBRARY.edgewise_backward,
        (x, knots, base, mask),
        (x.shape[0], inputs, n, outputs, degree, order, BASES[base_function]),
        (v, coef, None, u, u.stride(0), grad_x, x_order, grad_coef, grad_base, None, None),
        variant,
    )
    return grad_x, grad_coef if want_coef else None, grad_base if want_base else None


def active_basis(
    x: Tensor, knots: Tensor, degree: int, orders: int, variant: str | None = None
) -> tuple[Tensor, Tensor]:
    """Interval (batch, in) of each x and the active functions' derivatives (orders + 1, batch, in, degree + 1)."""
    values = x.new_empty(orders + 1, *x.shape, degree + 1)
    interval = x.new_empty(x.shape, dtype=torch.int64)
    _call(
        _LIBRARY.edgewise_basis,
        (x, knots, None, None),
        (x.shape[0], x.shape[1], knots.shape[1] - degree - 1, 1, degree, orders, BASES["zero"]),
        (None, None, None, None, 0, None, 0, None, None, values, interval),
        variant,
    )
    return interval, values


def _call(function, constants, sizes, rest, variant) -> None:
    x, knots, base, mask = constants
    v, coef, y, u, u_row, grad_x, x_order, grad_coef, grad_base, values, interval = rest
    if 0 in (sizes[0], sizes[1], sizes[3]):  # sums over nothing
        for result in (y, grad_x, grad_coef, grad_base, values, interval):
            if result is not None:
                result.zero_()
        return
    knots = knots.contiguous()
    base = None if base is None else base.contiguous()
    mask = None if mask is None else mask.contiguous()
    problem = _PROBLEM.pack(
        *sizes[:4],
        0,
        *sizes[4:],
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
        u_row,
        _pointer(grad_x),
        x_order,
        _pointer(grad_coef),
        _pointer(grad_base),
        _pointer(values),
        _pointer(interval),
    )
    is_double = x.dtype == torch.float64
    failed = function(problem, is_double, torch.get_num_threads(), None if variant is None else variant.encode())
    if failed == 1:
        raise MemoryError("the CPU kernel found no memory for its working arrays")
    if failed:
        raise EdgewiseError(f"the CPU kernel has no variant {variant!r} on this processor, it has {variants()}")


def _pointer(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()
