"""Cases that `make test` leaves to the night."""

import pytest


def at_night(*cases, but=()):
    """Cases of a parametrised test with the mark nightly, `but` some; a tuple of values or one value each."""
    values = [case if isinstance(case, tuple) else (case,) for case in cases]
    marks = [() if case in but else pytest.mark.nightly for case in cases]
    return [pytest.param(*value, marks=mark) for value, mark in zip(values, marks, strict=True)]
