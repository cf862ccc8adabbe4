"""Tables in batches: every source gives the same rows, the sample knows extremes, and bad batches are named."""

import numpy as np
import polars
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

from edgewise.errors import FileError, InputError
from edgewise.files.journal import Journal
from edgewise.tables import read_table
from edgewise.tables.batches import Batches
from edgewise.tables.batches.survey import Sampler, Survey

N = 1000


@pytest.fixture
def folder(tmp_path):
    """Three files of 400, 400 and 200 rows."""
    rng = np.random.default_rng(0)
    whole = pa.table({"a": rng.normal(size=N), "city": np.where(rng.random(N) > 0.5, "Bonn", "Ulm"), "y": np.arange(N)})
    for number in range(3):
        pq.write_table(whole.slice(400 * number, 400), tmp_path / f"part-{number}.parquet", row_group_size=150)
    return tmp_path


def surveyed(batches, size, seed, has_labels=False):
    sampler = Sampler(size, seed, has_labels=has_labels)
    for batch in batches:
        sampler.add(batch)
    return sampler.survey()


def rows_of(batches):
    parts = list(batches)
    return np.concatenate([part.y for part in parts]), np.concatenate([part.ids for part in parts])


def test_all_sources_give_the_same_rows_in_order(folder):
    x, y = torch.arange(N)[:, None].double(), torch.arange(N).double()
    frame = polars.DataFrame({"a": np.arange(N), "y": np.arange(N)})
    sources = [
        Batches(folder, "y"),
        Batches(str(folder / "*.parquet"), "y", batch_rows=70),
        Batches(sorted(folder.iterdir()), "y"),
        Batches(pyarrow.dataset.dataset(folder), "y"),
        Batches(DataLoader(TensorDataset(x, y), batch_size=64)),
        Batches([(x.numpy(), y.numpy(), np.ones(N))]),
        Batches([frame[:300], frame[300:]], "y"),
    ]
    for batches in sources:
        for _ in range(2):  # it can be read again
            y, ids = rows_of(batches)
            assert np.array_equal(y, np.arange(N)) and np.array_equal(ids, np.arange(N))
        ids = [batch.ids for process in range(3) for batch in batches.part(process, 3)]
        assert sorted(np.concatenate(ids)) == list(range(N))
    assert sources[0].rows == N and sources[4].rows is None


def test_a_sample_does_not_depend_on_batches_or_processes():
    x = np.random.default_rng(1).normal(size=(N, 2))
    x[700, 1] = np.nan
    y = np.arange(N)

    def survey(size, processes=1):
        batches = Batches([(x[i : i + size], y[i : i + size]) for i in range(0, N, size)])
        samplers = []
        for process in range(processes):
            samplers.append(Sampler(50, seed=3))
            for batch in batches.part(process, processes):
                samplers[-1].add(batch)
        whole = samplers[0].joined(samplers[1:])
        assert sum(len(rows) for _, rows in whole.kept) == 50
        return whole.survey()

    first = survey(N)
    for other in (survey(10), survey(37), survey(37, 3)):
        assert np.array_equal(first.sample.ids, other.sample.ids)
        assert other.rows == N and other.total == N and not other.is_whole
    sample = first.sample
    assert 50 < len(sample) <= 55 and 700 in sample.ids
    assert {*np.nanargmin(x, 0), *np.nanargmax(x, 0)} <= set(sample.ids.tolist())
    assert np.array_equal(sample.table.columns["x2"], x[sample.ids.astype(int), 1], equal_nan=True)
    other = surveyed(Batches([(x, y)]), 50, seed=4).sample
    assert not np.array_equal(sample.ids, other.ids)
    assert surveyed(Batches([(x, y)]), N, seed=0).is_whole


def test_every_class_is_in_the_sample():
    y = np.array(["common"] * N, dtype=object)
    y[421] = "rare"
    survey = surveyed(Batches([(np.zeros((N, 1)), y)]), 20, seed=0, has_labels=True)
    assert set(survey.sample.y) == {"common", "rare"}


def test_a_division_does_not_depend_on_batches():
    y = np.arange(N)
    divisions = []
    for size in (N, 77):
        batches = Batches([(y[i : i + size, None], y[i : i + size]) for i in range(0, N, size)])
        divisions.append([rows_of(part)[1].tolist() for part in batches.divided(0.3, seed=5)])
    assert divisions[0] == divisions[1]
    train, held = divisions[0]
    assert sorted(train + held) == list(range(N)) and abs(len(held) - 300) < 60


@pytest.mark.parametrize("kind", ["text", "numbers", "dates"])
def test_groups_are_known_by_their_labels_in_every_batch(kind):
    labels = {
        "text": pa.array(["a", "b", None, "a"]),
        "numbers": pa.array([0.0, 2.5, None, -0.0]),
        "dates": pa.array(np.array([0, 1, "NaT", 0], dtype="datetime64[us]")),
    }[kind]
    frame = pa.table({"x": np.arange(4.0), "g": labels, "y": np.arange(4.0)})
    first, second = Batches([frame, frame], "y", group="g")
    assert first.table.names == ("x",)
    a, b, alone, again = first.groups.tolist()
    assert a == again != b and second.groups.tolist()[:2] == [a, b]
    assert len({a, b, alone, second.groups.tolist()[2]}) == 4  # a row without a label is a group of its own
    sampler = surveyed([first, second], 5, seed=0)
    assert sampler.sample.groups.tolist() == [(*first.groups, *second.groups)[number] for number in sampler.sample.ids]
    divided = Batches([frame] * 5, "y", group="g").divided(0.5, seed=1)
    held, kept = ({group for batch in part for group in batch.groups.tolist()} for part in divided)
    assert held and kept and not held & kept
    assert all(batch.groups is None for batch in Batches([frame], "y", group="g").without_groups())


def good(rows=10):
    return pa.table({"a": np.arange(rows) * 1.0, "b": ["u", "v"] * (rows // 2), "y": np.arange(rows) * 1.0})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            good().rename_columns(["a", "c", "y"]),
            "batch 2: a batch must have the columns of the batches before; .* 'b'",
        ),
        (good().drop(["b"]), "batch 2: a batch must have the columns of the batches before; those have 'b'"),
        (good().drop(["y"]), "batch 2: a batch must have the column 'y', got none called 'y'"),
        (good().set_column(0, "a", pa.array(["u"] * 10)), "batch 2: column 'a' must hold numbers .* got text"),
        (good().set_column(2, "y", pa.array(["u"] * 10)), "batch 2: column 'y' must hold numbers .* got text"),
        (
            good().set_column(2, "y", pa.array([1.0, None, np.nan] + 7 * [0.0])),
            "batch 2: the target must hold finite numbers, got 2 of 10 that are missing or infinite",
        ),
        (
            (np.zeros((3, 2)), np.zeros(3)),
            "batch 2: a batch must have the columns of the batches before; those have 'a'",
        ),
        ((np.zeros((3, 2)), np.zeros(4)), "batch 2: y and weight must have a value for each of the 3 rows"),
        ((np.full((3, 2), np.inf), np.zeros(3)), "batch 2: X must hold finite numbers, got inf in row 1 of column 1"),
        ((np.zeros((3, 0)), np.zeros(3)), "batch 2: X must have at least one column, got none"),
        ("text", r"batch 2: a batch must be a frame, \(X, y\) or \(X, y, weight\), got str"),
    ],
)
def test_a_bad_batch_is_named(bad, message):
    with pytest.raises(InputError, match=message):
        list(Batches([good(), bad], "y"))


def test_columns_without_any_value_take_the_kind_of_the_others():
    empty = good().set_column(1, "b", pa.array([None] * 10, pa.float64()))
    survey = surveyed(Batches([empty, good(), empty], "y"), 100, seed=0)
    assert survey.sample.table.columns["b"].tolist() == [None] * 10 + ["u", "v"] * 5 + [None] * 10


def test_files_are_checked(folder, tmp_path):
    with pytest.raises(FileError, match="at least one Parquet file was expected, got none"):
        Batches(str(tmp_path / "*.pq"), "y")
    (folder / "part-9.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(FileError, match=r"part-9.parquet: a Parquet file was expected, got one that is damaged"):
        list(Batches(folder, "y"))
    pq.write_table(good(), folder / "part-9.parquet")
    with pytest.raises(InputError, match=r"batch 1 of part-9.parquet: .* columns of the batches before"):
        list(Batches(folder, "y"))


def test_a_table_without_any_row_is_refused(tmp_path):
    for number in range(2):
        pq.write_table(good(0), tmp_path / f"{number}.parquet")
    for read in (read_table, lambda path: list(Batches(path, "y")), lambda path: Batches(path, "y").rows):
        with pytest.raises(FileError, match=f"^{tmp_path}: at least one row of data was expected, got column names"):
            read(tmp_path)
    for source in (pa.dataset.dataset(tmp_path), [good(0)], []):
        with pytest.raises(InputError, match="at least one row with a positive weight was expected, got none"):
            surveyed(Batches(source, "y"), 10, seed=0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_weights_are_in_every_batch_or_in_none(order):
    pair = [(np.zeros((3, 1)), np.zeros(3)), (np.zeros((3, 1)), np.zeros(3), np.ones(3))]
    parts = [pair[place] for place in order]
    with pytest.raises(InputError, match=r"batch 2: weights must be given in every batch .* in batch 1"):
        surveyed(Batches(parts), 10, seed=0)
    samplers = [Sampler(10, 0), Sampler(10, 0)]
    for process, sampler in enumerate(samplers):
        for batch in Batches(parts).part(process, 2):
            sampler.add(batch)
    with pytest.raises(InputError, match="weights must be given in every batch or in none"):
        samplers[0].joined(samplers[1:])


@pytest.mark.parametrize("has_generator", [False, True])
def test_a_shuffled_loader_repeats_itself_and_leaves_random_states(has_generator):
    rows = TensorDataset(torch.arange(N)[:, None].double(), torch.arange(N).double())
    own = torch.Generator().manual_seed(7) if has_generator else None
    loader = DataLoader(rows, batch_size=64, shuffle=True, generator=own)
    before, twin = torch.get_rng_state(), torch.Generator().manual_seed(7)
    batches = Batches(loader)
    first, again = rows_of(batches)[0], rows_of(batches)[0]
    assert np.array_equal(first, again) and not np.array_equal(first, np.arange(N))
    next(iter(batches))  # a pass that ends early
    assert torch.equal(torch.get_rng_state(), before)
    assert own is None or torch.equal(torch.rand(5, generator=own), torch.rand(5, generator=twin))
    shares = []
    for process in range(2):
        torch.manual_seed(process)  # processes may differ in their random states
        shares += [batch.y for batch in batches.part(process, 2)]
    assert sorted(np.concatenate(shares)) == list(range(N))
    torch.set_rng_state(before)


def test_a_distributed_sampler_is_refused_in_several_processes():
    rows = TensorDataset(torch.zeros(8, 1), torch.zeros(8))
    loader = DataLoader(rows, batch_size=2, sampler=DistributedSampler(rows, num_replicas=2, rank=0))
    with pytest.raises(InputError, match="must be without a DistributedSampler"):
        next(Batches(loader).part(0, 2))


def test_targets_have_one_shape_and_tensors_any_precision():
    x = np.zeros((3, 1))
    with pytest.raises(InputError, match=r"batch 2: y must have the shape \(n,\) of batch 1, got \(n, 1\)"):
        surveyed(Batches([(x, np.zeros(3)), (x, np.zeros((3, 1)))]), 10, seed=0)
    (batch,) = Batches([(torch.ones(3, 2, dtype=torch.bfloat16), torch.ones(3, dtype=torch.bfloat16))])
    assert batch.y.tolist() == [1.0] * 3 and batch.y.dtype == np.float64
    (batch,) = Batches([good()], "y", columns="a")
    assert batch.table.names == ("a",)


def test_what_cannot_be_read_twice_is_refused():
    with pytest.raises(InputError, match="got generator, which ends after one pass"):
        Batches(pair for pair in [(np.zeros((2, 1)), np.zeros(2))])
    with pytest.raises(InputError, match="a table that is in memory goes to fit"):
        Batches(np.zeros((3, 2)))
    with pytest.raises(InputError, match="target must name the column of frames to predict, got None"):
        list(Batches([good()]))
    with pytest.raises(InputError, match="target must name the column of a Parquet file"):
        Batches("table.parquet")


@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_a_survey_is_the_same_after_it_was_kept(tmp_path, kind):
    """Text, dates, missing cells, weights and labels, through the file of a journal."""
    days = np.array(["2024-01-05", "NaT", "2024-03-01"], dtype="datetime64[us]")
    frame = pa.table({"n": [1.5, None, 3.0], "town": ["a", None, "b"], "day": days, "w": [0.5, 2.0, 1.0]})
    y = pa.array(["yes", "no", "yes"] if kind == "labels" else [1, 2, 3])
    source = Batches([frame.append_column("y", y)] * 2, "y", weight="w")
    sampler = Sampler(4, 0, has_labels=kind == "labels")
    for batch in source:
        sampler.add(batch)
    survey = sampler.survey()
    journal = Journal(tmp_path / "kept", {})
    journal.keep("first pass", survey.part())
    journal.write()
    later = Journal(tmp_path / "kept", {})
    later.resume()
    found = Survey.of(later.recall("first pass"))
    assert (found.rows, found.total, found.is_whole) == (6, 7.0, survey.is_whole)
    one, other = found.sample, survey.sample
    assert one.table.names == other.table.names and one.is_named and other.is_named
    pairs = [(one.y, other.y), (one.weight, other.weight), (one.ids, other.ids), (one.table.rows, other.table.rows)]
    pairs += [(one.table.columns[name], other.table.columns[name]) for name in one.table.names]
    for a, b in pairs:
        assert a.dtype == b.dtype and a.tolist().__repr__() == b.tolist().__repr__()
