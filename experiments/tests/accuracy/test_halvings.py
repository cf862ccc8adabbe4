"""The experiment that halves the grid: errors fall from grid to grid, and seconds to an error are read off."""

import pytest

from edgewise_experiments.accuracy import halvings
from edgewise_experiments.accuracy.halvings import halvings_job
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
