"""Tables that are too large for memory: what is a sample, what is all rows, and what is refused."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgewise.cli.shared import large
from edgewise.cli.shared.preparation import FitJob, prepare_table, split_sentence
from edgewise.cli.table.training import train_model
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
    assert trained.estimator._training_rows == prepared.training_rows
    assert trained.score > (0.8 if target == "y" else 0.85)
    assert any(f"all {prepared.training_rows:,} rows" in one for one in trained.estimator.search_.sentences)
    if target == "high":
        assert trained.estimator.classes_.tolist() == [0, 1]


def with_places(folder, count):
    """Add a column of groups, words of so many places, and one of names of the rows."""
    for name in sorted(folder.glob("*.parquet")):
        frame = pq.read_table(name)
        place = np.array([f"place {number % count}" for number in frame["number"].to_pylist()])
        names = pa.array([f"row {number}" for number in frame["number"].to_pylist()])
        pq.write_table(frame.append_column("place", pa.array(place)).append_column("name", names), name)


@pytest.mark.parametrize("count", [2, 5, 900])
def test_no_group_of_a_large_table_is_divided(folder, little_memory, count):
    with_places(folder, count)
    job = FitJob(str(folder), target="y", group="place", id="name", drop=("high",), test=0.3)
    prepared = prepare_table(job)
    held = prepared.rows[prepared.test] - 1
    groups = set((held % count).tolist())
    seen = np.concatenate([batch.ids for batch in prepared.large.batches]).astype(int)
    assert groups and not groups & set((seen % count).tolist())
    assert len(seen) == prepared.training_rows == N - prepared.large.test_rows
    assert 0.2 * N < prepared.large.test_rows < 0.55 * N
    assert prepared.ids.tolist() == [f"row {number - 1}" for number in prepared.rows]
    assert not {"place", "name", "high", "y"} & set(prepared.frame.names)
    assert "chosen by 'place', so that no group is divided" in split_sentence(job, prepared)
    assert len(set(prepared.groups.tolist())) == len(set((prepared.rows - 1) % count))
    kept = next(iter(prepared.large.batches)).groups
    assert kept is None if count == 2 else len(set(kept.tolist())) <= count - 1


def without_targets(folder, rows):
    """Take away the targets of the first rows of the second file."""
    name = folder / "part-1.parquet"
    frame = pq.read_table(name)
    broken = frame.set_column(3, "y", pa.array([None] * rows + frame["y"].to_pylist()[rows:]))
    pq.write_table(broken, name, row_group_size=1000)


def test_rows_without_a_target_are_left_out(folder, little_memory, monkeypatch):
    without_targets(folder, 1100)  # more than a whole row group
    prepared = prepare_table(FitJob(str(folder), target="y"))
    assert "1,100 of 9,000 rows were left out: their target 'y' is missing." in prepared.notes
    seen = np.concatenate([batch.ids for batch in prepared.large.batches])
    assert len(seen) == prepared.training_rows and not set(range(3000, 4100)) & set(seen.tolist())
    assert prepared.training_rows + prepared.large.test_rows == 7900 and prepared.table_rows == N
    without_targets(folder, 3000)
    monkeypatch.setattr(large, "machine_memory", lambda: 1e12)
    small = prepare_table(FitJob(str(folder), target="y"))
    assert small.large is None and len(small.train) + len(small.test) == 6000


@pytest.mark.parametrize(("words", "task"), [(True, None), (False, None), (False, "classification")])
def test_a_rare_class_is_in_the_sample(folder, little_memory, words, task):
    for number in range(3):
        name = folder / f"part-{number}.parquet"
        frame = pq.read_table(name)
        label = np.where(np.isin(frame["number"], [4321, 8765]), 2, frame["high"])
        frame = frame.append_column("label", pa.array(np.array(["no", "yes", "rare"])[label] if words else label))
        pq.write_table(frame, name, row_group_size=1000)
    prepared = prepare_table(FitJob(str(folder), target="label", task=task, seed=1))
    assert prepared.labels == (("no", "rare", "yes") if words else (0, 1, 2))
    assert sum(len(batch) for batch in prepared.large.batches) == prepared.training_rows
