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
    row = coverage.measure(coverage.Case("noise", Table(x, y, "regression")), 2, 0, lambda at: None)
    assert sum(row["rows"]) == 410 and max(row["rows"]) - min(row["rows"]) <= 4
    assert all(0.75 < a / b <= 1 for a, b in zip(row["covered"], row["rows"], strict=True))
    assert row["width"][3] > 2 * row["width"][0]  # the noise grows with the prediction


def test_a_table_is_set_apart_only_by_more_rows_than_chance_allows():
    covered = np.array([180, 172, 860, 1000])
    rows = np.array([200, 200, 1000, 1000])
    figures = coverage.Coverage(np.zeros((4, 4)), covered, rows).figures("tables")
    assert figures["tables whose coverage is within two points of 90 %"] == "1 of 4"
    # .86 of 200 rows is two thirds of a chance in ten, .86 of 1,000 rows is four standard errors away.
    assert figures["tables that a binomial test sets apart from 90 %, at 5 %"] == "2 of 4"
    # 90 % +- 2.1 points of 200 rows, and +- .95 of 1,000: twice .70 and twice .97.
    assert figures["tables expected there if coverage is 90 % exactly"] == "3 of 4"


def test_counts_have_the_poisson_distribution_and_few_rows_the_robust_losses(monkeypatch):
    rng = np.random.default_rng(0)
    tables = {
        "few": Table(rng.uniform(size=(200, 1)), rng.standard_normal(200), "regression"),
        "counts": Table(rng.uniform(size=(1200, 1)), rng.poisson(2.0, 1200).astype(float), "regression"),
        "tiny": Table(rng.uniform(size=(20, 1)), rng.standard_normal(20), "regression"),
    }
    makers = {name: (lambda table=table: table) for name, table in tables.items()}
    monkeypatch.setattr(coverage, "chosen_tables", lambda quick: makers)
    labels = [case.label for case in coverage.cases(False, lambda at: None)]
    assert labels == ["few", "few, huber", "few, quantile:0.5", "counts", "counts, poisson"]
