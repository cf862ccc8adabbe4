"""Knot tables: found in the data folders, refused with a sentence if absent, split without cutting a group."""

import numpy as np
import pytest
import torch

from edgewise.datasets.knots import KNOT_FEATURES, Knots, knots_path, load_knots
from edgewise.errors import FileError
from edgewise.tables.reading import read_table
from edgewise_experiments.knots import table
from edgewise_experiments.knots.table import DEEPMIND, WHOLE, KnotSplit, find_table, read_knots


def deepmind_like(folder, count=50, columns=KNOT_FEATURES):
    """A CSV as DeepMind's: an index without a name, the 17 columns, the signature, no groups."""
    knots = load_knots()
    names = [name for name in KNOT_FEATURES if name in columns]
    lines = [",".join(["", *names, "signature"])]
    for i in range(count):
        numbers = [repr(float(knots.X[i, KNOT_FEATURES.index(name)])) for name in names]
        lines.append(",".join([str(i), *numbers, str(knots.y[i])]))
    folder.mkdir(exist_ok=True)
    (folder / DEEPMIND).write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_deepminds_table_works_unchanged(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "data_folders", lambda: (tmp_path / "data",))
    assert find_table(DEEPMIND) is None
    with pytest.raises(FileError, match=rf"{DEEPMIND} was expected in .*data, got none: a clone"):
        read_knots(DEEPMIND)
    deepmind_like(tmp_path / "data")
    assert find_table(DEEPMIND) == tmp_path / "data" / DEEPMIND
    knots, sample = read_knots(DEEPMIND), load_knots()
    assert np.array_equal(knots.X, sample.X[:50])
    assert np.array_equal(knots.y, sample.y[:50])
    assert len(np.unique(knots.group)) == 50


def test_a_table_without_a_column_gets_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "data_folders", lambda: (tmp_path / "data",))
    deepmind_like(tmp_path / "data", columns=KNOT_FEATURES[1:])
    with pytest.raises(FileError, match="must have the columns of the knot table, got none called chern_simons"):
        read_knots(DEEPMIND)


@pytest.mark.slow
@pytest.mark.skipif(find_table(WHOLE) is None, reason="the whole table is part of a clone alone")
def test_the_whole_table_has_the_packaged_rows():
    with knots_path() as path:
        sample = read_table(path).columns
    whole = read_table(find_table(WHOLE)).columns
    places = {name: i for i, name in enumerate(whole["name"])}
    assert len(places) == len(whole["name"]) == 313_209
    rows = [places[name] for name in sample["name"]]
    for name in (*KNOT_FEATURES, "signature", "group"):
        np.testing.assert_allclose(sample[name], whole[name][rows], rtol=1e-6)
    knots = read_knots(WHOLE)
    assert np.array_equal(knots.y[rows], load_knots().y)


def test_a_split_cuts_no_group_and_survives_rare_classes():
    knots = load_knots()
    split = KnotSplit.of(knots)
    sides = (split.train, split.validation, split.test)
    assert sorted(np.concatenate(sides)) == list(range(8000))
    assert [round(len(side) / 8000, 1) for side in sides] == [0.7, 0.1, 0.2]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not set(knots.group[sides[one]]) & set(knots.group[sides[other]])
    assert np.bincount(knots.y + 12)[0] == 1  # class -12 occurs once
    assert split.lowest == -12
    labels = split.labels(np.arange(8000))
    assert int(labels.min()) == 0 and int(labels.max()) < split.classes
    assert np.array_equal(2 * labels.numpy() + split.lowest, knots.y)


def test_inputs_are_standardised_by_the_training_rows():
    split = KnotSplit.of(load_knots())
    x = split.inputs(KNOT_FEATURES, split.train, torch.float64)
    varies = split.knots.X[split.train].std(0) > 0
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-10)
    np.testing.assert_allclose(x.std(0, correction=0), varies.astype(float), atol=1e-10)


def test_the_error_of_a_share_counts_groups():
    """Mutants that are all right or all wrong together count as one."""
    X = np.zeros((400, 17))
    y = np.zeros(400, dtype=np.int64)
    guess = np.where(np.arange(400) // 4 % 4 == 0, 2, 0)

    def error(group):
        split = KnotSplit(Knots(X, y, group, KNOT_FEATURES), np.arange(0), np.arange(0), np.arange(400))
        return split.accuracy(guess)

    alone, together = error(np.arange(400)), error(np.arange(400) // 4)
    assert alone[0] == together[0] == 0.75
    assert alone[1] == pytest.approx((0.75 * 0.25 / 400) ** 0.5)
    assert together[1] == pytest.approx(2 * alone[1])
