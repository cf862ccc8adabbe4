"""Training and test rows: shares, classes, groups, seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import InputError
from edgewise.search.validation import split_rows


def test_rows_at_random():
    train, test = split_rows(100, 0.2, 0)
    assert sorted([*train, *test]) == list(range(100))
    assert len(test) == 20
    again = split_rows(100, 0.2, 0)[1]
    assert test.tolist() == again.tolist() != split_rows(100, 0.2, 1)[1].tolist()


def test_classes_keep_their_shares():
    labels = np.repeat([0, 1, 2, 3], [500, 40, 9, 1])
    train, test = split_rows(550, 0.2, 0, labels=labels)
    assert len(test) == 110
    counts = np.bincount(labels[test], minlength=4)
    assert counts == pytest.approx([100, 8, 1.8, 0], abs=1)
    assert counts[3] == 0 and 549 in train


@given(st.lists(st.integers(0, 4), min_size=4, max_size=60), st.floats(0.05, 0.95), st.integers(0, 5))
def test_every_class_can_be_learned(labels, share, seed):
    labels = np.array(labels)
    if np.bincount(labels).max() < 2:
        return
    train, test = split_rows(len(labels), share, seed, labels=labels)
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert set(labels[train]) == set(labels)
    assert len(test) >= 1 and len(train) >= 2


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=8, max_size=60), st.integers(0, 5))
def test_groups_stay_together_and_classes_can_be_learned(rows, seed):
    groups, labels = np.array(rows).T
    try:
        train, test = split_rows(len(rows), 0.25, seed, labels=labels, groups=groups)
    except InputError:
        return
    assert sorted([*train, *test]) == list(range(len(rows)))
    assert not set(groups[train]) & set(groups[test])
    assert set(labels[train]) == set(labels)


def test_groups_fill_the_share():
    groups = np.random.default_rng(0).integers(0, 300, 1000)
    _, test = split_rows(1000, 0.2, 0, groups=groups)
    assert len(test) == pytest.approx(200, abs=3)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (2, {}, "at least 3 rows with a known target"),
        (4, {"groups": np.zeros(4)}, "at least two different values, got 1"),
        (4, {"labels": np.arange(4)}, "enough rows in the classes"),
        (4, {"groups": np.arange(4), "labels": np.arange(4)}, "enough groups"),
    ],
)
def test_too_little(rows, options, message):
    with pytest.raises(InputError, match=message):
        split_rows(rows, 0.5, 0, **options)
