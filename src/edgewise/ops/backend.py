"""Which kernel runs: the compiled one where it takes the tensors, else the reference; or the one that is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

from torch import Tensor

from edgewise.errors import InputError
from edgewise.ops.kernels import cpu, reference

KERNELS = {"cpu": cpu, "reference": reference}

_asked: ContextVar[str | None] = ContextVar("edgewise_kernel", default=None)


@contextmanager
def use_kernel(name: str | None) -> Iterator[None]:
    """Within the block, every sum of splines runs on this kernel, in this thread or task.

    What torch.compile or torch.export make is plain torch and asks no kernel, within the block too.

    Args:
        name: "cpu", "reference", or None for the automatic choice. A kernel that is asked for and can't take the
            tensors raises an `InputError` that says why, where the automatic choice falls back to the reference.
            What runs backward after the block is chosen anew.
    """
    if name is not None and name not in KERNELS:
        raise InputError(f'kernel must be "cpu", "reference" or None, got {name!r}')
    token = _asked.set(name)
    try:
        yield
    finally:
        _asked.reset(token)


def choose(degree: int, *tensors: Tensor | None) -> ModuleType:
    """The kernel for these tensors; raises an InputError if the one asked for refuses them."""
    asked = _asked.get()
    if asked == "reference":
        return reference
    reason = cpu.refuses(degree, *tensors)
    if reason is None:
        return cpu
    if asked == "cpu":
        raise InputError(f'kernel "cpu" was asked for, but {reason}')
    return reference
