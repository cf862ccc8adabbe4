"""Estimators on tables in batches: the model of the sample, fitted to all rows; small tables exactly as in memory."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from edgewise import KANClassifier, KANRegressor
from edgewise.errors import FileError, InputError
from edgewise.estimator import base
from edgewise.estimator.columns import batches as fits
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
