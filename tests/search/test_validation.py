"""Tests of edgewise.search.validation: folds, clipped losses and their comparison."""

import numpy as np
import pytest

from edgewise.search.validation import LARGEST_ERROR, clipped_squares, folds, mean_and_error, paired_gain


@pytest.mark.parametrize("rows", [2, 3, 17, 100])
def test_every_row_is_held_out_once_in_each_division(rows):
    divided = folds(rows, 1, parts=5, repeats=2)
    assert len(divided) == 2 * min(5, rows)
    for one in divided:
        assert np.array_equal(np.sort(np.r_[one.train, one.held]), np.arange(rows))
    times = np.bincount(np.concatenate([one.held for one in divided]), minlength=rows)
    assert (times == 2).all()


def test_classes_are_spread_over_the_folds():
    labels = np.r_[np.zeros(90, int), np.ones(10, int)]
    assert all((labels[fold.held] == 1).sum() == 2 for fold in folds(100, 0, labels=labels))


def test_a_far_miss_counts_a_limited_amount():
    losses = clipped_squares(np.array([[1e9], [np.inf], [np.nan], [0.5]]), np.array([[0.0], [0.0], [0.0], [100.0]]))
    assert losses.tolist() == [LARGEST_ERROR, LARGEST_ERROR, LARGEST_ERROR, 99.5**2]


def test_a_comparison_is_paired_and_a_weight_makes_no_further_rows():
    rng = np.random.default_rng(0)
    simple = rng.random(50)
    rich = simple - 0.1
    gain, error = paired_gain(simple, rich, np.ones(50))
    assert abs(gain - 0.1) < 1e-12 and error < 1e-12
    weight = rng.integers(1, 4, 50).astype(float)
    copies = np.repeat(np.arange(50), weight.astype(int))
    expected = mean_and_error(simple[copies], np.ones(len(copies)), blocks=copies)
    np.testing.assert_allclose(mean_and_error(simple, weight), expected)
    assert paired_gain(simple, np.full(50, np.nan), weight)[0] == -np.inf


@pytest.mark.parametrize("parts", [2, 5, 50])
def test_blocks_are_held_out_whole_and_evenly(parts):
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 12, 200)
    divided = folds(200, 1, blocks=blocks, parts=parts, repeats=2)
    assert len(divided) == 2 * min(parts, 12)
    for one in divided:
        assert not set(blocks[one.train]) & set(blocks[one.held])
    times = np.bincount(np.concatenate([one.held for one in divided]), minlength=200)
    assert (times == 2).all()
    if parts < 12:
        sizes = [len(one.held) for one in divided]
        assert max(sizes) < 1.6 * min(sizes)
    assert folds(4, 0, blocks=np.zeros(4)) == []


def test_standard_errors_of_blocks_are_those_of_their_means():
    rng = np.random.default_rng(0)
    means = rng.normal(size=40)
    values, blocks = np.repeat(means, 5), np.repeat(np.arange(40), 5)
    expected = means.std(ddof=1) / np.sqrt(40)
    assert abs(mean_and_error(values, np.ones(200), blocks)[1] - expected) < 1e-12
