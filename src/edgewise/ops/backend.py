"""Choice of the kernel: the compiled one where it takes the tensors, else the reference; or the requested one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

from torch import Tensor

from edgewise.errors import InputError
from edgewise.ops.kernels import cpu, reference

KERNELS = {"cpu": cpu, "reference": reference}

_requested: ContextVar[str | None] = ContextVar("edgewise_kernel", default=None)


@contextmanager
def use_kernel(name: str | None) -> Iterator[None]:
    """Run every sum of splines within a `with` block on one kernel, in this thread or task.

    Code made by torch.compile or torch.export is plain torch and uses no kernel, within the block too. A backward pass
    after the block chooses its kernel again.

    Parameters
    ----------
    name : {"cpu", "reference"} or None
        The kernel; None for the automatic choice. The automatic choice falls back to the reference where the CPU kernel
        cannot take the tensors; a requested kernel raises an InputError with the reason instead.

    Raises
    ------
    InputError
        If there is no kernel of that name.

    Examples
    --------
    >>> import torch
    >>> from edgewise.nn.layers.spline import KANLayer
    >>> layer, x = KANLayer(2, 1), torch.zeros(3, 2)
    >>> with use_kernel("reference"):
    ...     y = layer(x)
    """
    if name is not None and name not in KERNELS:
        raise InputError(f'kernel must be "cpu", "reference" or None, got {name!r}')
    token = _requested.set(name)
    try:
        yield
    finally:
        _requested.reset(token)


def choose(degree: int, *tensors: Tensor | None) -> ModuleType:
    """Return the kernel for these tensors. Raises InputError if the requested one cannot take them."""
    requested = _requested.get()
    if requested == "reference":
        return reference
    reason = cpu.refuses(degree, *tensors)
    if reason is None:
        return cpu
    if requested == "cpu":
        raise InputError(f'kernel "cpu" was requested, but {reason}')
    return reference
