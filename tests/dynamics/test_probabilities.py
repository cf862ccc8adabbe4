"""Probabilities of laws from their scores."""

import math

import pytest

from edgewise.dynamics.judging import probabilities


def test_laws_that_could_not_be_scored_are_equal_and_lose_to_all_others():
    assert probabilities([math.inf, math.inf]) == pytest.approx([0.5, 0.5])
    assert probabilities([math.inf, 3.0, 3.0]) == pytest.approx([0, 0.5, 0.5])
