"""The cost of symbolify is measured in a process of its own."""

import pytest

from edgewise.errors import EdgewiseError
from edgewise_experiments.formulas import symbolified


@pytest.mark.slow
def test_a_fresh_process_measures_itself():
    row = symbolified.measured(0, 0.5)
    assert 0 < row["seconds"] < 60 and 5e7 < row["peak_bytes"] < 2e9
    assert row["complexity"] > 1 and row["formula"] and row["said"]


def test_a_process_that_fails_says_how(monkeypatch):
    monkeypatch.setattr(symbolified, "IN_A_PROCESS", "raise ValueError('no such thing')")
    with pytest.raises(EdgewiseError, match="no such thing"):
        symbolified.measured(0)
