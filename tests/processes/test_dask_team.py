"""Partitions of Dask are summed on its workers: the model is that of rows in memory, also after a worker is lost."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from edgewise import KANClassifier, KANRegressor
from edgewise.errors import InputError
from edgewise.estimator.columns import batches as fits
from edgewise.outcomes import OutOfTime
from edgewise.processes.dask_team import DaskTeam
from edgewise.tables.batches import Batches

REASON = "{} is not installed: pip install 'edgewise[dask]'"
dask = pytest.importorskip("dask", reason=REASON.format("dask"))
frames = pytest.importorskip("dask.dataframe", reason=REASON.format("dask.dataframe"))


def frame(number, rows=2000):
    rng = np.random.default_rng(number)
    x = rng.normal(size=(rows, 3))
    y = np.sin(2 * x[:, 0]) + x[:, 1] ** 2 / 2 + rng.normal(size=rows)
    return pd.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "kind": np.where(x[:, 2] > 0, "new", "used"), "y": y, "large": y > 1}
    )


def batches_in_memory(target, columns=("a", "b", "c")):
    return Batches([frame(number) for number in range(4)], target, columns=columns, sample_rows=1500)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_partitions_are_a_table_in_batches():
    with dask.config.set(scheduler="synchronous"):
        table = frames.from_map(frame, range(4), meta=frame(0, 1))
        table = frames.concat([table, table[table.a > 1e9]])  # partitions without rows
        batches = Batches(table, "large", columns=["a", "b", "kind"], sample_rows=1500)
        assert batches.rows == 8000 and [len(batch) for batch in batches] == [2000] * 4
        assert [batch.name for batch in batches][:2] == ["batch 1 of partition 1", "batch 1 of partition 2"]
        model = KANClassifier(effort="low").fit(batches)
        with pytest.raises(InputError, match=r"batch 1 of partition \d: a batch must have the column 'y1'"):
            KANRegressor().fit(Batches(table, "y1"))
    plain = KANClassifier(effort="low").fit(batches_in_memory("large", ("a", "b", "kind")))
    columns = frame(9)[["a", "b", "kind"]]
    assert np.allclose(model.predict_proba(columns), plain.predict_proba(columns), rtol=1e-9, atol=1e-9)
    with pytest.raises(InputError, match="target must name the column of a Dask DataFrame to predict, got None"):
        Batches(table)


def test_an_array_of_dask_is_told_what_makes_it_a_frame():
    arrays = pytest.importorskip("dask.array")
    array = arrays.from_array(np.zeros((20, 3)), chunks=(10, 3))
    with pytest.raises(InputError, match=r"got Array; dask\.dataframe\.from_dask_array makes one of an array"):
        Batches(array, "y")
    with dask.config.set(scheduler="synchronous"):
        assert Batches(frames.from_dask_array(array, columns=["a", "b", "y"]), "y").rows == 20


def test_sums_of_many_partitions():
    parts = [dask.delayed(number) for number in range(20)]
    team = DaskTeam(lambda request, number, part: None if part == 7 else (np.full(2, request * part),), parts)
    with dask.config.set(scheduler="synchronous"):
        assert team.summed(2)[0].tolist() == [2 * (sum(range(20)) - 7)] * 2
        assert team.gathered(1)[7] is None


@dataclass(frozen=True)
class Rows:
    function: Callable
    part: None = None

    def __call__(self, batch):
        return self.function(batch)


def test_the_time_of_a_pass_is_that_of_all_partitions(monkeypatch):
    now = [1e9]
    monkeypatch.setattr(fits, "time", SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0]))

    def second(batch):
        now[0] += 1.0
        return (np.ones(1),)

    survey = SimpleNamespace(is_whole=False, total=30.0, factor=1.0, rows=30, sample=np.zeros(30))
    parts = [dask.delayed(number) for number in range(30)]
    team = DaskTeam(lambda request, number, part: request([part]), parts)
    table = fits.SurveyedTable(team, survey, Batches([frame(0, 300)], "y", columns=["a", "b"]))
    everything = fits.all_rows(table, Rows, 1.0, 0)
    with dask.config.set(scheduler="synchronous"):
        with pytest.raises(OutOfTime):
            everything.total(second, 9.5, None)
        assert now[0] == 1e9 + 10
        assert everything.total(second, 40.0, None)[0] == [30.0]
