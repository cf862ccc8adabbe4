"""Formulas and relations of the knot table: the summary of stored rows, and a quick run of both parts."""

import numpy as np

from edgewise_experiments.knots import knot_relations


def test_the_accuracy_is_that_of_a_line_rounded_to_even():
    values = np.linspace(0, 10, 200)
    y = 2 * np.round(values / 2)
    rows = np.arange(200)
    assert knot_relations.line_accuracy(3 * values - 7, y, rows[:150], rows) > 0.9
    assert knot_relations.line_accuracy(np.full(200, np.nan), y, rows[:150], rows) is None
