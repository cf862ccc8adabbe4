"""Products of a Jacobian whose rows consist of runs: J'J, J'u and J v, in the compiled library or by dense rows.

In a row of a spline network's Jacobian only a few runs of parameters are nonzero. J'J is then a sum of small outer
products, whose cost grows with the square of the number of nonzeros of a row instead of the number of parameters. Where
rows are nearly full, dense products are faster, and are chosen.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from edgewise.ops.kernels import cpu

# Multiply-adds per nanosecond measured on one AVX-512 core, for outer products of runs of n numbers: RUN_RATE * n /
# (n + HALF_LENGTH), which fits the measured 2.7 at n = 6, 4.4 at 12 and 6 from 30 on.
RUN_RATE = 7.5
HALF_LENGTH = 10.0


class Runs(NamedTuple):
    """Entries of J for one parameter; the runs of a row are in order and do not overlap, as the offsets of a list."""

    offset: int  # first column of the parameter
    starts: Tensor  # (batch, s), int64; run s of row b starts in column offset + starts[b, s]
    values: Tensor  # (batch, s, length), the entries of each run


def gram_(
    matrix: Tensor, runs: Sequence[Runs], scale: float = 1.0, *, native: bool | None = None, variant: str | None = None
) -> None:
    """Add scale * J'J to the upper triangle of `matrix` (P, P), contiguous, in place; the lower one is left undefined.

    The result does not depend on the number of threads. `native` is True for outer products in the compiled library,
    False for dense products; by default the faster way. `variant` is an instruction set of `cpu.variants()`.
    """
    if not _batch(runs):
        return
    if native is None:
        native = not is_dense(runs, len(matrix))
    if not native:
        rows = dense(runs, len(matrix))
        matrix.addmm_(rows.mT, rows, alpha=scale)
        return
    _call("edgewise_gram", runs, len(matrix), scale, matrix, None, None, variant)


def is_dense(runs: Sequence[Runs], size: int) -> bool:
    """Return whether J'J is computed faster from dense rows."""
    if not _is_native(runs):
        return True
    length = active(runs) / max(sum(run.values.shape[1] for run in runs), 1)
    outer = active(runs) ** 2 / 2 / (RUN_RATE * length / (length + HALF_LENGTH))
    dense_rate = 24.0  # multiply-adds per nanosecond of dense products on the same core
    return outer >= size**2 / dense_rate


def transposed(
    runs: Sequence[Runs],
    u: Tensor,
    size: int,
    scale: float = 1.0,
    *,
    native: bool | None = None,
    variant: str | None = None,
) -> Tensor:
    """Compute scale * J'u, (size,), for u (batch,); `native` and `variant` as in `gram_`."""
    result = u.new_zeros(size)
    if not _batch(runs):
        return result
    if native is False or (native is None and not _is_native(runs)):
        for run in runs:
            index = run.offset + run.starts[..., None] + torch.arange(run.values.shape[2], device=u.device)
            result.index_add_(0, index.flatten(), (run.values * (scale * u)[:, None, None]).flatten())
        return result
    _call("edgewise_transposed", runs, size, scale, None, result, u.contiguous(), variant)
    return result


def times(runs: Sequence[Runs], v: Tensor, *, native: bool | None = None, variant: str | None = None) -> Tensor:
    """Compute J v, (batch,), for v (P,); `native` and `variant` as in `gram_`."""
    if not _batch(runs):
        return v.new_zeros(0)
    if native is False or (native is None and not _is_native(runs)):
        total = v.new_zeros(_batch(runs))
        for run in runs:
            index = run.offset + run.starts[..., None] + torch.arange(run.values.shape[2], device=v.device)
            total = total + (v[index] * run.values).sum((1, 2))
        return total
    result = v.new_empty(_batch(runs))
    _call("edgewise_times", runs, len(v), 1.0, None, result, v.contiguous(), variant)
    return result


def dense(runs: Sequence[Runs], size: int) -> Tensor:
    """Return the full J, (batch, size)."""
    batch = _batch(runs)
    rows = runs[0].values.new_zeros(batch, size)
    for run in runs:
        count, length = run.values.shape[1:]
        if count == 1 and batch and run.starts.is_cpu and not bool(run.starts.any()):  # elsewhere reading would wait
            rows[:, run.offset : run.offset + length] = run.values[:, 0]
            continue
        index = run.offset + run.starts[..., None] + torch.arange(length, device=rows.device)
        rows.scatter_(1, index.flatten(1), run.values.flatten(1))
    return rows


def active(runs: Sequence[Runs]) -> int:
    """Return the number of entries per row that may differ from zero."""
    return sum(run.values.shape[1] * run.values.shape[2] for run in runs)


def _batch(runs: Sequence[Runs]) -> int:
    return len(runs[0].values) if runs else 0


def _is_native(runs: Sequence[Runs]) -> bool:
    return cpu.library() is not None and all(
        type(run.values) is Tensor and run.values.is_cpu and run.values.dtype == torch.float64 for run in runs
    )


def _call(
    name: str,
    runs: Sequence[Runs],
    size: int,
    scale: float,
    matrix: Tensor | None,
    result: Tensor | None,
    u: Tensor | None,
    variant: str | None,
) -> None:
    """Call a function of the library; tensors that it does not use are None."""
    # The two structs of csrc/normal.h, field by field: each parameter's runs, then the rows.
    kept: list[Tensor] = []  # contiguous copies must live until the call is over
    packed = []
    for offset, starts, values in runs:
        starts = starts.contiguous()
        values = values.contiguous()
        kept += [starts, values]
        packed.append(struct.pack("@2P 3q", starts.data_ptr(), values.data_ptr(), *values.shape[1:], offset))
    pointers = [0 if tensor is None else tensor.data_ptr() for tensor in (matrix, result, u)]
    rows = struct.pack("@3q d 4P", _batch(runs), len(packed), size, scale, 0, *pointers)
    function = getattr(cpu.library(), name)
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
    encoded = None if variant is None else variant.encode()
    cpu.check_call(function(rows, b"".join(packed), torch.get_num_threads(), encoded), variant)
