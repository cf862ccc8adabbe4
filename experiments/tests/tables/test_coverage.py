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


def test_the_summary_is_the_mean_of_the_tables():
    rows = [
        {
            "table": "a",
            "rows": [100] * 4,
            "covered": [90, 91, 92, 80],
            "width": [1.0] * 4,
            "boosting": {"covered": 350, "width": 1.5},
        },
        {
            "table": "b",
            "rows": [10] * 4,
            "covered": [9, 9, 9, 10],
            "width": [3.0] * 4,
            "boosting": {"covered": 40, "width": 2.0},
        },
        {"table": "c", "rows": None, "reason": "no error bars"},
    ]
    outcome = coverage.summary(rows)
    assert outcome.tables[0].rows[-1][2:7] == ("90.0", "90.5", "91.0", "90.0", "90.4")
    assert outcome.key_figures["quarters within two points of 90 %"] == "4 of 4"
    assert outcome.tables[0].rows[0][-2:] == ("87.5", "1.50")
    assert outcome.key_figures["tables where they are narrower than boosting's"] == "1 of 2"
