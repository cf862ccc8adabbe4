"""Problems: weights, splits, losses, and the checks of their arguments."""

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from edgewise.errors import InputError
from edgewise.train.problems import Classification, OrdinalClassification, Regression

X = torch.arange(12.0, dtype=torch.float64).reshape(6, 2)
Y = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2, 1, 0, 2])


def test_loss_is_the_mean_square():
    problem = Regression(X, torch.stack([Y, 2 * Y], 1))
    prediction = torch.ones(6, 2, dtype=torch.float64)
    expected = (prediction - problem.train.y).square().mean()
    assert torch.allclose(problem.loss(prediction, problem.train), expected, rtol=1e-14)
    name, value = problem.metric(prediction, problem.train)
    assert name == "rmse"
    assert value == pytest.approx(float(expected) ** 0.5, rel=1e-14)


def test_weight_two_is_the_same_row_twice():
    weight = torch.tensor([2.0, 1, 1, 0, 1, 1], dtype=torch.float64)
    rows = [0, 0, 1, 2, 4, 5]
    prediction = X[:, :1].sin()
    weighted, repeated = Regression(X, Y, weight=weight), Regression(X[rows], Y[rows])
    assert torch.allclose(
        weighted.loss(prediction, weighted.train), repeated.loss(prediction[rows], repeated.train), rtol=1e-14
    )
    logits = X[:, :1].sin() * torch.tensor([1.0, 2, 3], dtype=torch.float64)
    weighted, repeated = Classification(X, LABELS, weight=weight), Classification(X[rows], LABELS[rows])
    assert torch.allclose(weighted.loss(logits, weighted.train), cross_entropy(logits[rows], LABELS[rows]), rtol=1e-14)
    assert weighted.metric(logits, weighted.train)[1] == pytest.approx(
        repeated.metric(logits[rows], repeated.train)[1], rel=1e-14
    )


def test_huge_weights_do_not_overflow():
    problem = Regression(X, Y, weight=torch.full((6,), 1e308, dtype=torch.float64))
    assert torch.equal(problem.train.weight, torch.ones(6, dtype=torch.float64))


def test_split_is_seeded_disjoint_and_complete():
    first, second = (Regression(X, Y, validation=0.34, seed=3) for _ in range(2))
    other = Regression(X, Y, validation=0.34, seed=4)
    assert torch.equal(first.validation.x, second.validation.x)
    assert not torch.equal(first.validation.x, other.validation.x)
    assert (len(first.train), len(first.validation)) == (4, 2)
    rows = torch.cat([first.train.x, first.validation.x])
    assert torch.equal(rows[rows[:, 0].argsort()], X)


def test_the_callers_tensors_are_shared_not_changed():
    problem = Regression(X, Y[:, None])
    assert problem.train.x.data_ptr() == X.data_ptr()
    leaf = X.clone().requires_grad_()
    assert not Regression(leaf, Y).train.x.requires_grad
    assert leaf.requires_grad


LOADER = DataLoader(TensorDataset(X, Y), batch_size=2)


WEIGHT = torch.tensor([2.0, 1, 1, 0, 1, 1], dtype=torch.float64)


@pytest.mark.parametrize(
    ("problem", "outputs"),
    [
        (Regression(X, torch.stack([Y, 2 * Y], 1), weight=WEIGHT), 2),
        (Classification(X, LABELS, weight=WEIGHT), 3),
        (OrdinalClassification(X, LABELS, weight=WEIGHT), 1),
    ],
    ids=["regression", "classification", "ordinal"],
)
def test_the_loss_is_the_mean_of_the_losses_of_the_samples(problem, outputs):
    model = torch.nn.Linear(2, outputs, dtype=torch.float64)
    losses = problem.sample_losses(model, problem.train)
    assert losses.shape == (6,) and not losses.requires_grad and float(losses[3]) == 0.0
    expected = problem.loss(model(X), problem.train).detach()
    torch.testing.assert_close(losses.mean(), expected, rtol=1e-14, atol=0)


def test_a_subset_is_the_same_kind_of_problem_on_fewer_samples():
    whole = OrdinalClassification(X, LABELS, classes=4, weight=WEIGHT, validation=0.4)
    part = whole.subset(torch.tensor([2, 0]))
    assert isinstance(part, OrdinalClassification) and part.classes == 4 and part.validation is None
    assert torch.equal(part.train.x, whole.train.x[[2, 0]])
    with pytest.raises(InputError, match="as tensors here, got a DataLoader"):
        Regression(LOADER).subset(torch.tensor([0]))


def test_fewer_inputs():
    whole = Regression(X, Y, weight=WEIGHT, validation=0.4)
    part = whole.with_inputs(torch.tensor([1]))
    assert torch.equal(part.train.x, whole.train.x[:, 1:]) and torch.equal(part.validation.x, whole.validation.x[:, 1:])
    assert torch.equal(part.train.weight, whole.train.weight) and whole.train.x.shape[1] == 2
