"""Tables that are too large for memory: what is a sample, what is all rows, and what is refused."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgewise.cli.shared import large
from edgewise.cli.shared.preparation import FitJob, prepare_table, split_sentence
from edgewise.cli.table.training import train_model
from edgewise.errors import InputError
from edgewise.tables import read_table
from edgewise.tables.batches import Batches

N = 9000


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, N))
    y = np.sin(2 * a) + b / 2 + 0.3 * rng.normal(size=N)
    frame = pa.table({"a": a, "b": b, "number": np.arange(N), "y": y, "high": (y > 0).astype(int)})
    for number in range(3):
        pq.write_table(frame.slice(3000 * number, 3000), tmp_path / f"part-{number}.parquet", row_group_size=1000)
    return tmp_path


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(large, "machine_memory", lambda: 10_000)
    monkeypatch.setattr(large, "TEST_ROWS", 500)
    monkeypatch.setitem(Batches.__init__.__kwdefaults__, "sample_rows", 1600)


def test_a_folder_that_fits_is_one_table(folder):
    for data in (folder, folder / "*.parquet"):
        table = read_table(data)
        assert table.columns["number"].tolist() == list(range(N)) and table.rows[-1] == N
    prepared = prepare_table(FitJob(str(folder), target="y"))
    assert prepared.large is None and prepared.training_rows == len(prepared.train)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["y", "high"])
def test_all_training_rows_of_a_large_table_are_used(folder, little_memory, target):
    job = FitJob(f"{folder}/*.parquet", target=target, drop=("high" if target == "y" else "y", "number"), effort="low")
    prepared = prepare_table(job)
    assert 1600 <= len(prepared.train) < 1620 and 500 <= len(prepared.test) < 520
    assert prepared.table_rows == N and abs(prepared.training_rows - 0.8 * N) < 150
    held = N - prepared.training_rows
    assert f"{prepared.training_rows:,} training rows and" in split_sentence(job, prepared)
    assert f"of {held:,} held-out rows, chosen at random (seed 0)" in split_sentence(job, prepared)
    seen = np.concatenate([batch.ids for batch in prepared.large.batches])
    assert len(seen) == prepared.training_rows and not set(prepared.rows[prepared.test] - 1) & set(seen.tolist())
    trained = train_model(job, prepared)
    assert trained.estimator.training_rows_ == prepared.training_rows
    assert trained.score > (0.8 if target == "y" else 0.85)
    assert any(f"all {prepared.training_rows:,} rows" in one for one in trained.estimator.search_.sentences)
    if target == "high":
        assert trained.estimator.classes_.tolist() == [0, 1]


def test_options_that_need_all_rows_are_refused(folder, little_memory):
    for options in ({"group": "number"}, {"id": "number"}, {"hidden": (3,)}, {"grid_size": 5}):
        with pytest.raises(InputError, match=r"needs a table in memory; .* has 9,000 rows, .* and is read in batches"):
            prepare_table(FitJob(str(folder), target="y", **options))
    name = folder / "part-1.parquet"
    frame = pq.read_table(name)
    broken = frame.set_column(3, "y", pa.array([None, *frame["y"].to_pylist()[1:]]))
    pq.write_table(broken, name, row_group_size=1000)
    with pytest.raises(
        InputError, match=r"batch 1 of part-1.parquet, row group 1: the target must hold finite numbers"
    ):
        prepare_table(FitJob(str(folder), target="y"))
