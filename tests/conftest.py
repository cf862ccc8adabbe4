"""What every test shares: one thread, hypothesis without clock, chance or files, and a limit of CPU seconds."""

import gc
import os
import signal
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch starts, and for the processes that tests start

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
# A shell that starts the tests in the background lets them ignore Ctrl-C, which some tests send to themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("edgewise", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("edgewise")

# CPU seconds of a test that is not marked slow: above the first it is listed, above the second it fails. The seconds of
# other processes do not count, and where the processor is slow or shared the limit is as many times longer as the
# yardstick takes there, right after the test. The yardstick takes YARDSTICK seconds on a 2.5 GHz core of a server.
LISTED, FAILS, YARDSTICK = 0.5, 1.0, 0.055


class Collections:
    """CPU seconds of garbage collections, which the test in which they fall does not owe: it is that of all before."""

    seconds = 0.0
    begin = 0.0

    @classmethod
    def note(cls, phase, info):
        if phase == "start":
            cls.begin = time.process_time()
        else:
            cls.seconds += time.process_time() - cls.begin


gc.callbacks.append(Collections.note)


def slowness() -> float:
    """How many times as long as on the core of YARDSTICK the same work takes now, at least 1; the slowest of three."""
    took = []
    for _ in range(3):
        begin = time.process_time()
        square, total = torch.ones(64, 64, dtype=torch.float64) / 64, 0
        for _ in range(2000):
            square = square @ square * 64 / 64
            total += sum(range(100))
        took.append(time.process_time() - begin)
    return max(1.0, max(took) / YARDSTICK)


def is_measured() -> bool:
    """Whether the package coverage follows the lines of this process."""
    coverage = sys.modules.get("coverage")
    return coverage is not None and coverage.Coverage.current() is not None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What runs at night is slow too."""
    for item in items:
        if item.get_closest_marker("nightly"):
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    modules = len(sys.modules)
    begin = time.process_time() - Collections.seconds
    result = yield
    seconds = time.process_time() - Collections.seconds - begin
    # The test that imports a package first pays for all others, and under coverage the seconds are the tracer's.
    is_free = item.get_closest_marker("slow") or len(sys.modules) > modules + 50 or is_measured()
    if is_free or seconds <= LISTED:
        return result
    times = slowness()
    item.user_properties.append(("CPU seconds", seconds / times))
    if seconds > FAILS * times:
        pytest.fail(f"{seconds / times:.1f} CPU seconds, at most {FAILS:.0f}: make the test quicker or mark it slow")
    return result


def pytest_terminal_summary(terminalreporter):
    listed = [
        f"{dict(report.user_properties)['CPU seconds']:5.1f} s  {report.nodeid}"
        for report in terminalreporter.getreports("passed")
        if report.when == "call" and "CPU seconds" in dict(report.user_properties)
    ]
    if listed:
        terminalreporter.section(f"tests not marked slow of more than {LISTED} CPU seconds")
        terminalreporter.line("\n".join(sorted(listed, reverse=True)))
