"""Tests of edgewise.model_selection.cross_validation: folds, and clipped losses."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgewise.model_selection.cross_validation import LARGEST_ERROR, clipped_losses, folds
from edgewise.nn.model import KAN
from edgewise.train.problems.classification import Classification
from edgewise.train.problems.data import Data
from edgewise.train.problems.ordinal import OrdinalClassification
from edgewise.train.problems.regression import Regression

X = torch.rand(80, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ADDITIVE = Regression(X, X.sum(1))


class TestFolds:
    @given(st.integers(2, 120), st.integers(2, 6), st.integers(0, 5))
    def test_they_hold_out_each_sample_once_and_spread_the_classes(self, rows, classes, seed):
        generator = torch.Generator().manual_seed(seed)
        y = torch.randint(0, classes, (rows,), generator=generator)
        problem = Classification(torch.zeros(rows, 1, dtype=torch.float64), y, classes=classes)
        found = folds(problem, seed)
        assert sorted(torch.cat([held for _, held in found]).tolist()) == list(range(rows))
        for train, held in found:
            assert sorted([*train.tolist(), *held.tolist()]) == list(range(rows))
            assert len(train) > 0 and len(held) > 0
            for label in range(classes):
                share = int((y == label).sum()) / len(found)
                assert abs(int((y[held] == label).sum()) - share) < 2

    @pytest.mark.parametrize(("rows", "parts"), [(2, 2), (59, 3), (60, 5), (500, 5), (501, 3), (3000, 3), (3001, 1)])
    def test_their_number_follows_the_samples(self, rows, parts):
        problem = Regression(torch.zeros(rows, 1, dtype=torch.float64), torch.arange(rows, dtype=torch.float64))
        found = folds(problem, 0)
        assert len(found) == parts
        assert all(abs(len(held) - rows / max(parts, 2 if rows < 60 else 3)) < rows / 4 for _, held in found)

    def test_another_seed_gives_other_folds(self):
        held = [folds(ADDITIVE, seed)[0][1].tolist() for seed in (0, 0, 1)]
        assert held[0] == held[1] != held[2]


class TestLosses:
    def test_regression_is_weighted_and_a_miss_is_a_miss(self):
        model = KAN((1, 1), dtype=torch.float64)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        y = torch.tensor([[0.5], [3.0], [-100.0]], dtype=torch.float64)
        data = Data(torch.zeros(3, 1, dtype=torch.float64), y, torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64))
        assert clipped_losses(ADDITIVE, model, data).tolist() == [0.25, 18.0, 5000.0]
        with torch.no_grad():
            model.layers[0].coef.fill_(1e6)
        assert clipped_losses(ADDITIVE, model, data).tolist() == [LARGEST_ERROR, 2 * LARGEST_ERROR, 5000.0]

    def test_classification_is_cross_entropy(self):
        problem = Classification(ADDITIVE.train.x, torch.arange(80) % 3, classes=3)
        losses = clipped_losses(problem, KAN((2, 3), dtype=torch.float64), problem.train)
        assert losses.shape == (80,) and float(losses.mean()) == pytest.approx(math.log(3), abs=0.5)

    def test_a_part_keeps_weights_and_classes(self):
        weight = torch.linspace(1, 2, 80, dtype=torch.float64)
        whole = Classification(ADDITIVE.train.x, torch.arange(80) % 4, classes=4, weight=weight)
        part = whole.subset(torch.tensor([0, 4, 8]))
        assert part.classes == 4 and part.train.y.tolist() == [0, 0, 0]
        torch.testing.assert_close(part.train.weight / part.train.weight[0], weight[[0, 4, 8]] / weight[0])

    def test_ordered_classes_keep_their_loss_and_their_order(self):
        whole = OrdinalClassification(ADDITIVE.train.x, torch.arange(80) % 4, classes=4)
        model = KAN((2, 1), dtype=torch.float64)
        part = whole.subset(torch.tensor([0, 1, 5, 7]))
        assert isinstance(part, OrdinalClassification) and part.classes == 4 and len(part.train) == 4
        held = whole.train.select(slice(8, 20))
        losses = clipped_losses(part, model, held)
        expected = -part.probabilities(model(held.x)).gather(1, held.y[:, None])[:, 0].log()
        torch.testing.assert_close(losses, expected)

    def test_ordered_classes_are_spread_over_the_folds(self):
        problem = OrdinalClassification(ADDITIVE.train.x, torch.arange(80) // 20)
        for _, held in folds(problem, 0):
            assert torch.bincount(problem.train.y[held]).tolist() == [4, 4, 4, 4]
