"""Estimators on tables in batches: the model of the sample, fitted to all rows; small tables exactly as in memory."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from edgewise import KANClassifier, KANRegressor
from edgewise.errors import FileError, InputError
from edgewise.estimator import base
from edgewise.estimator.columns import batches as fits
from edgewise.outcomes import Budget
from edgewise.tables.batches import Batches


def table(rows, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    f = np.sin(2 * x[:, 0]) + x[:, 1] ** 2 / 2
    return x, f, f + rng.normal(size=rows)


def batches(x, y, size=1000, **options):
    return Batches([(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)], **options)


def test_a_small_table_is_fitted_as_in_memory():
    x, _, y = table(300)
    loader = DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), batch_size=64)
    plain = KANRegressor(effort="low").fit(x, y)
    for given in (batches(x, y, 70), loader):
        other = KANRegressor(effort="low").fit(given)
        assert np.array_equal(other.predict(x), plain.predict(x))
        assert other.search_.sentences == plain.search_.sentences


@pytest.mark.slow
def test_a_time_limit_ends_the_passes(monkeypatch):
    x, _, y = table(16_000)
    monkeypatch.setattr(
        Budget, "seconds_left", property(lambda self: 0.0 if self.stage.startswith("pass 1 over") else 250.0)
    )
    model = KANRegressor(effort="low", time_limit=500.0).fit(batches(x, y, sample_rows=1600))
    assert model.search_.stopped == "time_limit"
    words = "The time limit of 500 s ended the first pass over all rows; the model is that of the sample"
    assert any(sentence.startswith(words) for sentence in model.search_.sentences)
    monkeypatch.undo()
    whole = KANRegressor(effort="low").fit(batches(x, y, sample_rows=1600))
    assert 0 < abs(model.score(x, y) - whole.score(x, y)) < 0.1


@pytest.mark.parametrize(("limit", "began"), [(4.0, 113.0), (60.0, 100.0), (None, 100.0)])
def test_a_first_pass_leaves_half_of_the_time(monkeypatch, limit, began):
    now, found = [100.0], []

    class Source:
        def __iter__(self):
            now[0] += 15.0
            yield np.arange(20.0)[:, None], np.arange(20.0)

    def caught(samples, settings, *others):
        found.append(settings.began)
        raise ZeroDivisionError

    for module in (base, fits):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(base, "auto_fit", caught)
    with pytest.raises(ZeroDivisionError):
        KANRegressor(time_limit=limit).fit(Batches(Source()))
    assert found == [began]


class SlowSource:
    """Batches of which one cannot be read in time when the table is read once more."""

    def __init__(self, good):
        self.good, self.x, _, self.y = good, *table(900)

    def __len__(self):
        return 3

    def __iter__(self):
        self.good -= 1
        for number in range(3):
            if self.good < 0 and number == 1:
                raise TimeoutError("the read operation timed out")
            yield self.x[number::3], self.y[number::3]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [None, 600])
def test_a_source_that_times_out_is_no_time_limit(limit):
    model = KANRegressor(effort="low", time_limit=limit)
    with pytest.raises(TimeoutError, match="the read operation timed out"):
        model.fit(Batches(SlowSource(1), sample_rows=500))
    assert not hasattr(model, "model_")
    assert "all 900 rows" in model.fit(Batches(SlowSource(9), sample_rows=500)).search_.sentences[-2]


@pytest.mark.slow
def test_all_rows_are_used():
    x, _, y = table(16_000)
    fresh, truth, _ = table(2000, seed=1)
    model = KANRegressor(effort="low").fit(batches(x, y, sample_rows=1600))
    errors = []
    for fitted in (KANRegressor(effort="low").fit(x[:1600], y[:1600]), model, KANRegressor(effort="low").fit(x, y)):
        errors.append(np.sqrt(np.mean((fitted.predict(fresh) - truth) ** 2)))
    assert errors[1] < 0.8 * errors[0] and errors[1] < 1.2 * errors[2]
    assert model._training_rows == 16_000 and model.inference_.rows == pytest.approx(16_000)
    assert any("are those of all 16,000 rows, in one pass" in sentence for sentence in model.search_.sentences)
    low, high = model.predict_interval(fresh)
    new = truth + np.random.default_rng(2).normal(size=2000)
    assert 0.87 < np.mean((low < new) & (new < high)) < 0.93


@pytest.mark.slow
def test_classes_use_all_rows_too(tmp_path):
    x, f, _ = table(16_000)
    y = np.where(np.random.default_rng(3).random(16_000) < 1 / (1 + np.exp(-2 * f)), "yes", "no")
    frame = pa.table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "answer": y})
    pq.write_table(frame, tmp_path / "t.parquet", row_group_size=2000)
    model = KANClassifier(effort="low").fit(Batches(tmp_path, "answer", sample_rows=1600))
    assert model.classes_.tolist() == ["no", "yes"] and model.target_names_ == ("answer",)
    fresh, truth, _ = table(2000, seed=1)
    chance = 1 / (1 + np.exp(-2 * truth))
    error = np.sqrt(np.mean((model.predict_proba(fresh)[:, 1] - chance) ** 2))
    few = KANClassifier(effort="low").fit(x[:1600], y[:1600])
    assert error < 0.75 * np.sqrt(np.mean((few.predict_proba(fresh)[:, 1] - chance) ** 2))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [KANRegressor, KANClassifier])
def test_a_network_of_a_given_shape_is_that_of_all_rows(kind):
    x, _, y = table(2000)
    y = y if kind is KANRegressor else (y > 0.5).astype(int)
    options = {"hidden": 2, "grid_size": 4, "regularization": 1e-4}
    few, many, whole = (
        kind(**options).fit(*arguments) for arguments in ((x[:150], y[:150]), (batches(x, y, sample_rows=150),), (x, y))
    )
    fresh, _, noisy = table(4000, seed=1)
    target = noisy if kind is KANRegressor else noisy > 0.5
    scores = [one.score(fresh, target) for one in (few, many, whole)]
    assert scores[0] + 0.01 < scores[1] and scores[1] == pytest.approx(scores[2], abs=0.02)
    assert "its parameters are those of all 2,000 rows, after" in many.search_.sentences[-1]


@pytest.mark.slow
def test_groups_choose_the_penalty_by_folds_of_all_rows():
    rng = np.random.default_rng(0)
    place = rng.integers(0, 60, 6000)
    x = rng.normal(size=(60, 2))[place] + 0.01 * rng.normal(size=(6000, 2))  # an input that knows the place
    y = x[:, 0] + rng.normal(size=60)[place] + 0.1 * rng.normal(size=6000)
    frame = pa.table({"a": x[:, 0], "b": x[:, 1], "place": place, "y": y})
    parts = [frame.slice(i, 1000) for i in range(0, 6000, 1000)]
    plain = KANRegressor(effort="low").fit(Batches(parts, "y", columns=["a", "b"], sample_rows=1000))
    grouped = KANRegressor(effort="low").fit(Batches(parts, "y", group="place", sample_rows=1000))
    fresh = rng.uniform(-1.5, 1.5, size=(2000, 2))
    errors = [np.sqrt(np.mean((one.predict(fresh) - fresh[:, 0]) ** 2)) for one in (plain, grouped)]
    assert errors[1] < 0.8 * errors[0]
    assert grouped.feature_names_in_.tolist() == ["a", "b"]
    memory = KANRegressor(effort="low").fit(x, y, groups=place)
    assert errors[1] < 1.5 * np.sqrt(np.mean((memory.predict(fresh) - fresh[:, 0]) ** 2))


def test_bad_arguments_are_one_sentence():
    x, _, y = table(40)
    with pytest.raises(InputError, match="y must be left out where X is in batches"):
        KANRegressor(effort="low").fit(batches(x, y), y)
    with pytest.raises(InputError, match=r"groups must be left out .*group=\) names such columns"):
        KANRegressor(effort="low").fit(batches(x, y), groups=y)
    with pytest.raises(InputError, match=r"class_weight must be left out .* a column of weights does the same"):
        KANClassifier(class_weight="balanced").fit(batches(x, y > 0))
    with pytest.raises(InputError, match=r"X must be rows in memory here, got Batches"):
        KANRegressor(effort="low").fit(x, y).predict(batches(x, y))
    y = np.abs(y) + 0.1
    y[35] = -1.0
    with pytest.raises(InputError, match=r"batch 4: y must be positive for loss='gamma', got -1\.0 in row 6"):
        KANRegressor(loss="gamma", effort="low").fit(batches(x, y, 10))


class Stopped(Exception):
    pass


class Counted:
    """Batches that count the passes over them and are lost in the middle of one."""

    def __init__(self, x, y, lost):
        self.x, self.y, self.lost, self.passes = x, y, lost, 0

    def __iter__(self):
        self.passes += 1
        for number in range(4):
            if self.passes == self.lost and number == 2:
                raise Stopped
            yield self.x[number::4], self.y[number::4]


@pytest.mark.slow
def test_a_fit_that_was_stopped_goes_on_after_its_last_pass(tmp_path):
    """Poisson counts take several passes; one is lost, and the second fit makes only those that are not known."""
    x, f, _ = table(4000)
    y = np.random.default_rng(5).poisson(np.exp(f / 3)).astype(float)
    folder, alone = tmp_path / "kept", Counted(x, y, 0)
    whole = KANRegressor(effort="low", loss="poisson").fit(Batches(alone, sample_rows=500))
    assert alone.passes > 3
    lost = Counted(x, y, 3)
    with pytest.raises(Stopped):
        KANRegressor(effort="low", loss="poisson").fit(Batches(lost, sample_rows=500, checkpoint=folder))
    for change, word in (({"effort": "normal"}, "effort"), ({"random_state": 1}, "random_state")):
        other = KANRegressor(**{"effort": "low", "loss": "poisson", **change})
        with pytest.raises(FileError, match=f"the unfinished run in .*kept must have the same {word} to go on"):
            other.fit(Batches(lost, sample_rows=500, checkpoint=folder))
    assert lost.passes == 3
    again = KANRegressor(effort="low", loss="poisson", time_limit=1000.0)
    again.fit(Batches(lost, sample_rows=500, checkpoint=folder))
    assert lost.passes == alone.passes + 1 and not folder.exists()
    assert np.array_equal(again.predict(x), whole.predict(x))
    with pytest.raises(InputError, match="checkpoint must be a folder, got int"):
        Batches(lost, checkpoint=3)


def test_damaged_files_of_an_unfinished_fit_are_a_sentence(tmp_path):
    x, _, y = table(600)
    with pytest.raises(Stopped):
        KANRegressor(effort="low").fit(Batches(Counted(x, y, 2), sample_rows=200, checkpoint=tmp_path))
    (part,) = (tmp_path / ".resume").glob("*.part")
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(FileError, match="must hold an unfinished run, got damaged files; remove it"):
        KANRegressor(effort="low").fit(Batches(Counted(x, y, 0), sample_rows=200, checkpoint=tmp_path))
