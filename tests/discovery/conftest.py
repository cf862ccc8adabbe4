"""A clock for every search of this room that counts how often it is read, so that no result depends on the machine."""

import time

import pytest

READING = 1e-3  # seconds for which a reading stands: most stages read the clock about a thousand times a second


class CountedClock:
    """Stands in for `time.monotonic`: each reading is a thousandth of a second after the one before."""

    def __init__(self):
        self.readings = 0

    def __call__(self):
        self.readings += 1
        return READING * self.readings


@pytest.fixture(autouse=True)
def counted_clock(monkeypatch):
    clock = CountedClock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock
