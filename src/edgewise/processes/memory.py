"""A bound on the memory of a process, which the system enforces."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewise.checks import is_number
from edgewise.errors import InputError, MemoryLimitError, memory_errors
from edgewise.presentation import counted


@contextmanager
def memory_limit(limit: float | str | None) -> Iterator[None]:
    """Bound the memory that a block of code may take beyond what the process has when the block begins.

    What the process has includes memory that it has freed and the C library keeps, which new requests take first. The
    operating system enforces the limit (`RLIMIT_DATA` of Linux), so it holds for whatever runs in the block, and in
    all threads of the process. Searches end with the best result so far where they have one: of an estimator the best
    model of the search, of `find_formula` the formulas of the other stages. Files, tables and everything that has no
    smaller result raise the error below.

    Parameters
    ----------
    limit : float or str or None
        Bytes, or text such as "500 MB" or "2 GB" (powers of 1000). None sets no limit.

    Raises
    ------
    InputError
        The limit is not a positive size, or the system is not Linux.
    MemoryLimitError
        The work of the block needs more.

    Examples
    --------
    >>> import numpy as np
    >>> from edgewise.processes import memory_limit
    >>> try:
    ...     with memory_limit("100 MB"):
    ...         table = np.ones((100_000, 100_000))
    ... except MemoryError as error:
    ...     print(error)
    the work needs more memory than its limit of 100 MB; fewer rows or columns, or a larger limit, may help
    """
    if limit is None:
        yield
        return
    allowed = _bytes_of(limit)
    if not sys.platform.startswith("linux"):
        raise InputError(f"memory_limit needs Linux, whose kernel enforces it, got {sys.platform}")
    import resource  # not on every system

    import numpy as np  # imported late, as those below: the command line answers `--help` without them
    from scipy.linalg.blas import dgemm
    from scipy.linalg.lapack import dposv

    # OpenBLAS ends the process if it gets no memory for the buffers that it keeps, so that it has them beforehand:
    # those of numpy and of scipy, for each of its threads, among which it divides products of this size.
    square = np.eye(512)
    np.linalg.solve(square, square @ square)
    dgemm(1.0, square, square)
    dposv(square, square)
    former = resource.getrlimit(resource.RLIMIT_DATA)
    present = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert present is not None  # every Linux since 2.6 writes it
    soft = min(1024 * int(present[1]) + allowed, *(bound for bound in former if bound != resource.RLIM_INFINITY), 2**62)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, former[1]))
    try:
        with memory_errors():
            yield
    except MemoryLimitError:
        raise
    except MemoryError as error:
        size = counted(allowed, "byte")
        if isinstance(limit, str):
            size = limit
        raise MemoryLimitError(
            f"the work needs more memory than its limit of {size}; fewer rows or columns, or a larger limit, may help"
        ) from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, former)


def _bytes_of(limit: object) -> int:
    """The bytes of a limit."""
    value: object = limit
    units = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    size = r"\s*(\d+(?:\.\d*)?)\s*([KMGT]?B|)\s*"
    if isinstance(limit, str) and (match := re.fullmatch(size, limit, re.IGNORECASE)):
        value = float(match[1]) * units[match[2].upper()]
    if not is_number(value) or not 1 <= value < math.inf:
        raise InputError(f"memory_limit must be a number of bytes or a text such as '2 GB', got {limit!r:.60}")
    return int(value)


def machine_memory() -> int:
    """Return the bytes of memory that this process may use: those of the machine, or of its container if fewer."""
    try:
        bounds = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, OSError, ValueError):  # not on every system
        bounds = [4 * 10**9]  # a small machine of today
    container = Path("/sys/fs/cgroup/memory.max")  # of version 2 of control groups; "max" where there is no limit
    if container.is_file():
        text = container.read_text().strip()
        bounds += [int(text)] if text.isdecimal() else []
    return min(bounds)
