"""A clock that counts how often it is read, so that a time limit is the same work on every machine."""

import time

import pytest

READING = 1e-3  # seconds for which a reading stands: about as many pass between two looks at the clock


class CountedSeconds:
    """Stands in for `time.perf_counter`: each reading is a thousandth of a second after the one before."""

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
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock
