"""Choice of the kernel: the requested one; else the compiled one on the CPU, a dense product on other devices."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

import torch
from torch import Tensor

from edgewise.checks import check_kind, is_integer
from edgewise.errors import InputError
from edgewise.ops.kernels import cpu, dense, reference
from edgewise.ops.splines.bspline import MAX_EDGE_DEGREE

KERNELS = ("cpu", "dense", "reference", "triton")

_requested: ContextVar[str | None] = ContextVar("edgewise_kernel", default=None)


@contextmanager
def use_kernel(name: str | None) -> Iterator[None]:
    """Run every sum of splines within a `with` block on one kernel, in this thread or task.

    Code made by torch.compile or torch.export is plain torch and uses no kernel, within the block too. A backward pass
    after the block chooses its kernel again.

    Parameters
    ----------
    name : {"cpu", "dense", "reference", "triton"} or None
        The kernel; None for the automatic choice. That is "cpu" where it takes the tensors, "dense" on other devices
        and in bfloat16 and float16, and else the reference, as inside torch.func's transforms. A requested kernel that
        cannot take the tensors raises an InputError with the reason instead. "triton" needs the package triton and
        tensors on a CUDA device; it runs on request alone, because it has not been measured on a GPU.

    Raises
    ------
    InputError
        If there is no kernel of that name, or its package is not installed.

    Examples
    --------
    >>> import torch
    >>> from edgewise.nn.layers.spline import KANLayer
    >>> layer, x = KANLayer(2, 1), torch.zeros(3, 2)
    >>> with use_kernel("reference"):
    ...     y = layer(x)
    """
    if name is not None and name not in KERNELS:
        raise InputError(f'kernel must be "cpu", "dense", "reference", "triton" or None, got {name!r}')
    if name == "triton":
        _triton()  # an error here instead of in the first layer
    token = _requested.set(name)
    try:
        yield
    finally:
        _requested.reset(token)


def requested_kernel() -> str | None:
    """Return the name that the innermost block of `use_kernel` around this call gave; None for the automatic choice."""
    return _requested.get()


def kernel_for(x: Tensor, degree: int = 3) -> str:
    """Return the name of the kernel that runs for points like x, within a block of `use_kernel` too.

    Parameters
    ----------
    x : Tensor
        Points; the coefficients are taken to have its dtype and device.
    degree : int
        Degree of the splines.

    Returns
    -------
    str
        "reference", "cpu", "dense" or "triton".

    Raises
    ------
    InputError
        If x is no tensor of floating-point numbers, the degree is no integer from 0 to 10, or a requested kernel cannot
        take such tensors.

    Examples
    --------
    >>> import torch
    >>> kernel_for(torch.zeros(3, 2, dtype=torch.bfloat16))
    'dense'
    >>> with use_kernel("reference"):
    ...     kernel_for(torch.zeros(3, 2))
    'reference'
    """
    demand = "x must be a tensor of floating-point numbers"
    check_kind(x, Tensor, demand)
    if not x.is_floating_point():
        raise InputError(f"{demand}, got {x.dtype}")
    if not is_integer(degree) or not 0 <= degree <= MAX_EDGE_DEGREE:
        raise InputError(f"degree must be an integer from 0 to {MAX_EDGE_DEGREE}, got {degree!r}")
    return choose(degree, x).__name__.rpartition(".")[2]


def choose(degree: int, *tensors: Tensor | None) -> ModuleType:
    """Return the kernel for these tensors. Raises InputError if the requested one cannot take them."""
    # The quickest kernel that takes the tensors.
    requested = requested_kernel()
    if requested is None:
        if cpu.refuses(degree, *tensors) is None:
            return cpu
        x = next(tensor for tensor in tensors if tensor is not None)
        is_reference = x.is_cpu and x.dtype in (torch.float32, torch.float64)
        if is_reference or dense.refuses(degree, *tensors) is not None:
            return reference
        return dense
    # The one that was requested.
    if requested == "reference":
        return reference
    if requested == "triton":
        kernel = _triton()
    else:
        kernel = {"cpu": cpu, "dense": dense}[requested]
    reason = kernel.refuses(degree, *tensors)
    if reason is not None:
        raise InputError(f'kernel "{requested}" was requested, but {reason}')
    return kernel


def _triton() -> ModuleType:
    """Return the Triton kernel, imported only when it is chosen."""
    try:
        return importlib.import_module("edgewise.ops.kernels.triton")
    except ImportError as error:
        raise InputError(
            f"kernel \"triton\" needs the package triton, which does not load ({error}): pip install 'edgewise[triton]'"
        ) from error
