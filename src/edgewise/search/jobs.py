"""Independent pieces of a search, one after another or in threads, with the same bits for any number of threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module

from edgewise.errors import InputError
from edgewise.outcomes import Item, Result, with_budget
from edgewise.train.loop.threads import one_thread


def count_of_jobs(n_jobs: int | None) -> int:
    """Return the number of threads that `n_jobs` means, as scikit-learn counts: None is 1, -1 all processors."""
    if n_jobs is None:
        return 1
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        raise InputError(f"n_jobs must be None or an integer other than 0, got {n_jobs!r}")
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:
        processors = os.cpu_count() or 1
    if n_jobs > 0:
        return n_jobs
    return max(1, processors + 1 + n_jobs)


def run_jobs(function: Callable[[Item], Result], items: Sequence[Item], n_jobs: int) -> Iterator[Result]:
    """Yield function(item) for every item, in order.

    The pieces run in threads, since numpy and LAPACK release Python's lock: nothing is copied, and Ctrl-C reaches the
    caller without waiting for them. Inside `joblib.parallel_config(backend=...)` they run where that backend has its
    workers: processes of loky, or any backend that was registered with joblib, such as those of Dask and Ray. A piece
    takes one thread of torch and of BLAS, so that pieces do not fight for cores, and computes the same bits anywhere.
    `n_jobs` pieces run at a time and none while the caller looks at results, so that it has its own number of threads;
    with 1 everything runs in the calling thread, and lazily. A piece changes nothing that another one reads; of other
    processes only what it returns comes back.
    """
    if n_jobs == 1 or len(items) < 2:
        yield from map(function, items)
        return
    function = with_budget(function)
    joblib = import_module("joblib")
    backend, _ = joblib.parallel.get_active_backend(prefer="threads")
    if not getattr(backend, "supports_sharedmem", False):  # workers in other processes
        function = partial(_with_one_blas_thread, function)
    parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads")
    for first in range(0, len(items), n_jobs):
        with one_thread():  # of torch, in threads that begin inside; processes have their own limits
            results = parallel(joblib.delayed(function)(item) for item in items[first : first + n_jobs])
        yield from results


def _with_one_blas_thread(function: Callable[[Item], Result], item: Item) -> Result:
    """Return function(item) as the calling process would compute it, for processes with settings of their own."""
    with one_blas_thread():
        return function(item)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS use one thread inside, and as many as before afterwards.

    The matrices of a search are small: more threads gain nothing on them, and on a busy machine they wait for each
    other. Measured with an earlier version: 40 to 70 times the CPU seconds. The limit also makes sums
    independent of the number of processors. Without the package threadpoolctl, which scikit-learn brings, nothing is
    changed.
    """
    try:
        threadpoolctl = import_module("threadpoolctl")
    except ImportError:
        yield
        return
    with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
        yield
