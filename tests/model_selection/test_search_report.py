"""Tests of edgewise.train.search_report: what a search tells."""

import math

import pytest

from edgewise.model_selection.search import ProgressEvent


def test_the_time_left_goes_on_at_the_pace_so_far():
    assert ProgressEvent("search", 0.25, 0.1, 0.2, 10.0).seconds_left == pytest.approx(30)
    assert ProgressEvent("search", 1.0, 0.1, 0.2, 10.0).seconds_left == 0
    assert math.isfinite(ProgressEvent("search", 0.0, math.nan, math.nan, 1.0).seconds_left)
