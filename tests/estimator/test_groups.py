"""Tests of groups in `fit`: rows that depend on each other are held out together."""

import numpy as np
import pytest

from edgewise import KANClassifier, KANRegressor
from edgewise.errors import InputError
from edgewise.search import automatic
from edgewise.search.validation import block_codes


def panel(groups=24, rows=15, seed=0):
    """Rows of groups that share a level: three inputs are constant within a group, one varies and acts."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    level, within = rng.normal(size=(groups, 3))[group], rng.normal(size=(groups * rows, 1))
    y = 3 * within[:, 0] + 2 * rng.normal(size=groups)[group] + 0.3 * rng.normal(size=groups * rows)
    return np.column_stack([level, within]), y, group


@pytest.mark.slow
def test_no_fold_of_the_search_divides_a_group(monkeypatch):
    X, y, group = panel(rows=6)
    seen = []
    real = automatic.Search

    class Watched(real):
        def divided(self):
            found = super().divided()
            seen.extend((self.samples.blocks, fold) for fold, _ in found)
            return found

    monkeypatch.setattr(automatic, "Search", Watched)
    KANRegressor().fit(X, y, groups=group)
    KANClassifier().fit(X, y > 0, groups=group)
    assert seen
    for blocks, fold in seen:
        assert not set(blocks[fold.train]) & set(blocks[fold.held])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2], "groups must hold one label for each of the 4 rows, got shape"),
        ([1, 1, np.nan, 2], "groups must hold a label for each row, got 1 missing ones"),
        (["a", None, "b", None], "groups must hold a label for each row, got 2 missing ones"),
        (["a"] * 4, "groups must hold at least two different labels, got 'a' alone"),
    ],
)
def test_bad_groups(groups, message):
    with pytest.raises(InputError, match=message):
        block_codes(groups, 4)


def test_codes_of_groups_follow_the_sorted_labels():
    assert block_codes(["b", "a", "b"], 3).tolist() == [1, 0, 1]
    assert block_codes(None, 3) is None
