"""Tests of edgewise.model_selection.search.jobs: order, threads and limits of BLAS."""

import threading

import pytest
import threadpoolctl

from edgewise.errors import InputError
from edgewise.model_selection.search.jobs import count_of_jobs, one_blas_thread, run_jobs


def test_results_come_in_order_from_threads():
    names = set()

    def piece(number):
        names.add(threading.current_thread().name)
        return number**2

    assert list(run_jobs(piece, range(20), 2)) == [number**2 for number in range(20)]
    assert threading.main_thread().name not in names


@pytest.mark.parametrize("jobs", [0, 1.5, True, "2"])
def test_a_bad_number_is_named(jobs):
    with pytest.raises(InputError, match=r"^n_jobs must be"):
        count_of_jobs(jobs)


def test_the_threads_of_blas_are_restored():
    before = threadpoolctl.threadpool_info()
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        assert all(one["num_threads"] == 1 for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas")
        raise ZeroDivisionError
    assert threadpoolctl.threadpool_info() == before
