"""Solutions without warnings, and a clock that counts how often it is read.

Most tests of solutions that end early look at what `trust` and `message` say; tests/pde/solver/test_solution.py at the
warning. With the clock a time limit is the same work on every machine.
"""

import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore::edgewise.errors.SolutionWarning"))


READING = 1e-3  # seconds for which a reading stands: about as many pass between two looks at the clock


class CountedSeconds:
    """Stands in for `time.monotonic`, the clock of limits: a reading is a thousandth of a second after the last one."""

    def __init__(self):
        self.readings = 0

    @property
    def now(self):
        """Seconds, without a reading."""
        return READING * self.readings

    def __call__(self):
        self.readings += 1
        return self.now


@pytest.fixture
def counted_seconds(monkeypatch):
    clock = CountedSeconds()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock
