"""Coverage by quarter: rows are counted in the quarter of their prediction, and means are those of the tables."""

import numpy as np
import pytest

from edgewise_experiments.tables import coverage
from edgewise_experiments.tables.real_tables import Table


@pytest.mark.slow
def test_every_row_is_in_one_quarter_and_wide_intervals_cover_it():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (410, 1))
    y = 3 * x[:, 0] + (0.1 + x[:, 0]) * rng.standard_normal(410)
    row = coverage.measure(Table(x, y, "regression"), 2, 0, lambda at: None)
    assert sum(row["rows"]) == 410 and max(row["rows"]) - min(row["rows"]) <= 4
    assert all(0.75 < a / b <= 1 for a, b in zip(row["covered"], row["rows"], strict=True))
    assert row["width"][3] > 2 * row["width"][0]  # the noise grows with the prediction
