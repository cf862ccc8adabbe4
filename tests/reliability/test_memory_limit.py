"""The memory limit is kept by the system, and what has a smaller result ends with it."""

import os
import subprocess
import sys

import pytest

from edgewise.errors import InputError
from edgewise.processes import memory_limit
from tests.night import at_night

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux enforces the limit")


ALLOCATE = """
import {library}
from edgewise.processes import memory_limit

try:
    with memory_limit("50 MB"):
        {library}.ones(10**8)
except MemoryError as error:
    print(type(error).__name__, error, sep=": ")
print(len({library}.ones(10**8)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("library", ["numpy", *at_night("torch")])
def test_what_needs_more_is_refused_and_the_limit_ends_with_its_block(library):
    # In a process of its own: the C library may serve even this request from memory that earlier tests have freed.
    done = subprocess.run([sys.executable, "-c", ALLOCATE.format(library=library)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sentence, size = done.stdout.splitlines()
    assert sentence.startswith("MemoryLimitError: the work needs more memory than its limit of 50 MB; ")
    assert size == str(10**8)


def test_other_errors_and_no_limit_pass():
    with pytest.raises(ZeroDivisionError), memory_limit("1 GB"):
        raise ZeroDivisionError
    with pytest.raises(RuntimeError, match="shapes"), memory_limit(10**9):
        raise RuntimeError("shapes differ")
    with memory_limit(None):
        pass


@pytest.mark.parametrize("limit", ["many", "2 GiB", 0, -1, float("nan"), float("inf"), True])
def test_bad_limits_are_refused(limit):
    with pytest.raises(InputError, match="memory_limit must be a number of bytes or a text"), memory_limit(limit):
        pass


FIT = """
import numpy as np
from edgewise import KANRegressor
from edgewise.processes import memory_limit

def growth():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1000

draw = np.random.default_rng(0)
X = draw.normal(size=(20_000, 10))
y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + 0.3 * draw.normal(size=20_000)
KANRegressor(effort="low").fit(X[:500], y[:500])  # which imports what is imported late
before = growth()
with memory_limit("40 MB"):
    model = KANRegressor(effort="low").fit(X, y)
print(model.search_.stopped, round(growth() - before), "|", *model.search_.sentences)
"""


@pytest.mark.nightly
def test_a_search_ends_with_the_best_model_so_far():
    # In a process of its own, as above.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", FIT], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    facts, _, sentences = done.stdout.partition("|")
    stopped, megabytes = facts.split()
    assert stopped == "memory_limit" and float(megabytes) <= 60  # 40, and buffers of OpenBLAS
    assert "The search stopped because of the memory limit, before: " in sentences
