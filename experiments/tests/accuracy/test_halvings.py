"""The experiment that halves the grid: errors fall from grid to grid, and seconds to an error are read off."""

import pytest
from experiments.tests.made_rows import halvings_row

from edgewise_experiments.accuracy import halvings
from edgewise_experiments.accuracy.halvings import halvings_job, seconds_to
from edgewise_experiments.data.functions import TOY_FUNCTIONS


@pytest.mark.slow
def test_errors_fall_from_grid_to_grid(monkeypatch):
    monkeypatch.setattr(halvings, "GRIDS", (4, 8, 16))
    monkeypatch.setattr(halvings, "TEST", 500)
    for name, grids in (("toy 1", [4, 8, 16]), ("toy 2", [4, 4, 8, 16])):
        job = halvings_job(TOY_FUNCTIONS[name], 0)
        row = {**job.key, **job.work(lambda *_: None)}
        assert (row["kind"], row["seed"], row["shape"]) == ("halvings", 0, list(TOY_FUNCTIONS[name].shape))
        assert [point["grid"] for point in row["curve"]] == grids
        spent = [point["cpu_seconds"] for point in row["curve"]]
        assert spent == sorted(spent) and spent[0] > 0
        errors = [point["test_rmse"] for point in row["curve"]]
        assert min(errors) == errors[-1] == row["rmse"] < 0.1 * errors[0]


def test_an_interrupted_row_is_none(monkeypatch):
    monkeypatch.setattr(halvings, "fit", lambda *_, **__: type("Report", (), {"stopped": "interrupted"}))
    with pytest.raises(KeyboardInterrupt):
        halvings_job(TOY_FUNCTIONS["toy 1"], 0).work(lambda *_: None)


def test_seconds_are_the_smaller_of_wall_and_cpu():
    row = halvings_row("toy 2", 0, [(1e-1, 0.1), (1e-3, 0.25)])
    assert seconds_to(row, 1e-2) == 0.25
    assert seconds_to(row, 0.5) == 0.1
    assert seconds_to(row, 1e-4) is None
