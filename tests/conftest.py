"""What every test shares: one thread, hypothesis without clock, chance or files, and a limit of CPU seconds."""

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

# CPU seconds of a test that is not marked slow: above the first it is listed, above the second it fails. The seconds
# of other processes do not count, so a busy machine changes little, and a processor a fifth as fast no verdict.
LISTED, FAILS = 1.0, 5.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    modules, begin = len(sys.modules), time.process_time()
    result = yield
    seconds = time.process_time() - begin
    # The test that imports a package first pays for all others.
    if item.get_closest_marker("slow") or len(sys.modules) > modules + 50:
        return result
    if seconds > LISTED:
        item.user_properties.append(("CPU seconds", seconds))
    if seconds > FAILS:
        pytest.fail(f"{seconds:.1f} CPU seconds, at most {FAILS:.0f}: make the test quicker or mark it slow")
    return result


def pytest_terminal_summary(terminalreporter):
    listed = [
        f"{dict(report.user_properties)['CPU seconds']:5.1f} s  {report.nodeid}"
        for report in terminalreporter.getreports("passed")
        if report.when == "call" and "CPU seconds" in dict(report.user_properties)
    ]
    if listed:
        terminalreporter.section(f"tests not marked slow of more than {LISTED:.0f} CPU second")
        terminalreporter.line("\n".join(sorted(listed, reverse=True)))
