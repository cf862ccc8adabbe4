"""The memory limit is kept by the system, and what has a smaller result ends with it."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from edgewise import memory_limit
from edgewise.errors import InputError, MemoryLimitError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux enforces the limit")


@pytest.mark.parametrize("allocate", [np.ones, torch.ones], ids=["numpy", "torch"])
def test_what_needs_more_is_refused_and_the_limit_ends_with_its_block(allocate):
    sentence = r"^the work needs more memory than its limit of 50 MB; [^\n]*$"
    with pytest.raises(MemoryLimitError, match=sentence), memory_limit("50 MB"):
        allocate(10**8)
    assert len(allocate(10**7)) == 10**7


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
from edgewise import KANRegressor, memory_limit

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


@pytest.mark.slow
def test_a_search_ends_with_the_best_model_so_far():
    # In a process of its own, since memory that earlier tests have freed would be used first.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", FIT], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    facts, _, sentences = done.stdout.partition("|")
    stopped, megabytes = facts.split()
    assert stopped == "memory_limit" and float(megabytes) <= 60  # 40, and buffers of OpenBLAS
    assert "The search stopped because of the memory limit, before: " in sentences
