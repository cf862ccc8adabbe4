"""Tests of edgewise.search.jobs: order, threads and limits of BLAS."""

import threading

import joblib
import numpy as np
import pytest
import threadpoolctl
import torch
from tests.night import at_night

from edgewise import KANRegressor
from edgewise.outcomes import Budget, OutOfTime, check_time
from edgewise.search.jobs import one_blas_thread, run_jobs


def test_results_come_in_order_from_threads():
    names = set()

    def piece(number):
        names.add(threading.current_thread().name)
        return number**2

    assert list(run_jobs(piece, range(20), 2)) == [number**2 for number in range(20)]
    assert threading.main_thread().name not in names


@pytest.mark.parametrize("backend", ["threading", *at_night("loky")])
def test_the_time_of_the_caller_ends_pieces_in_threads_and_processes(backend):
    with Budget(seconds=0.0).holds(), joblib.parallel_config(backend=backend), pytest.raises(OutOfTime):
        list(run_jobs(timed, range(2), 2))
    assert list(run_jobs(timed, range(2), 2)) == [0, 1]


def timed(piece):
    """A piece that asks for the time."""
    check_time()
    return piece


def test_the_threads_of_blas_are_restored():
    before = threadpoolctl.threadpool_info()
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        assert all(one["num_threads"] == 1 for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas")
        raise ZeroDivisionError
    assert threadpoolctl.threadpool_info() == before


class Registered(joblib._parallel_backends.ThreadingBackend):
    """A backend of another package."""

    calls = 0

    def effective_n_jobs(self, n_jobs):
        type(self).calls += 1
        return super().effective_n_jobs(n_jobs)


def test_a_registered_backend_runs_the_pieces():
    joblib.register_parallel_backend("registered", Registered)
    with joblib.parallel_config(backend="registered"):
        assert list(run_jobs(abs, [-1, -2, 3], 2)) == [1, 2, 3]
    assert Registered.calls > 0


def threads(piece):
    """Threads of torch and of BLAS that a piece may use."""
    blas = [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]
    return torch.get_num_threads(), max(blas, default=1)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_the_bits_do_not_depend_on_the_number_of_threads(two_threads):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=300)
    found = [KANRegressor(effort="low", n_jobs=jobs).fit(x, y).predict(x) for jobs in (None, 2, 3)]
    torch.set_num_threads(1)
    found.append(KANRegressor(effort="low").fit(x, y).predict(x))
    assert all(np.array_equal(found[0], other) for other in found[1:])
