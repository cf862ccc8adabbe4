"""Problems: weights, splits, losses, and the checks of their arguments."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from edgewise.errors import InputError
from edgewise.train.blocks import Data
from edgewise.train.problems import Classification, OrdinalClassification, Regression

X = torch.arange(12.0, dtype=torch.float64).reshape(6, 2)
Y = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2, 1, 0, 2])


def test_a_vector_y_becomes_one_column():
    assert Regression(X, Y).train.y.shape == (6, 1)


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


def test_chunks_add_up():
    weight = torch.arange(1.0, 7, dtype=torch.float64)
    problem = Regression(X, Y, weight=weight)
    prediction = X[:, :1].cos()
    parts = prediction.split(4)
    total = sum(
        share * problem.loss(p, part) for p, (part, share) in zip(parts, problem.train.chunks(1, 4), strict=True)
    )
    assert torch.allclose(total, problem.loss(prediction, problem.train), rtol=1e-14)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True, "a"])
def test_a_bad_seed_gets_a_sentence(seed):
    with pytest.raises(InputError, match=r"seed must be an integer from 0 to 2\*\*63 - 1"):
        Regression(X, Y, validation=0.34, seed=seed)


def test_split_is_seeded_disjoint_and_complete():
    first, second = (Regression(X, Y, validation=0.34, seed=3) for _ in range(2))
    other = Regression(X, Y, validation=0.34, seed=4)
    assert torch.equal(first.validation.x, second.validation.x)
    assert not torch.equal(first.validation.x, other.validation.x)
    assert (len(first.train), len(first.validation)) == (4, 2)
    rows = torch.cat([first.train.x, first.validation.x])
    assert torch.equal(rows[rows[:, 0].argsort()], X)


def test_split_leaves_a_row_on_either_side():
    for share in (0.01, 0.99):
        problem = Regression(X[:2], Y[:2], validation=share)
        assert (len(problem.train), len(problem.validation)) == (1, 1)


def test_validation_tensors():
    problem = Regression(X, Y, validation=(X[:2], Y[:2], torch.tensor([1.0, 3.0])))
    assert problem.validation.weight.tolist() == [0.5, 1.5]


def test_classes_are_counted():
    assert Classification(X, LABELS).classes == 3
    assert Classification(X, torch.zeros(6, dtype=torch.long)).classes == 2
    assert Classification(X, LABELS.to(torch.int8), classes=5).train.y.dtype == torch.int64


def test_the_callers_tensors_are_shared_not_changed():
    problem = Regression(X, Y[:, None])
    assert problem.train.x.data_ptr() == X.data_ptr()
    leaf = X.clone().requires_grad_()
    assert not Regression(leaf, Y).train.x.requires_grad
    assert leaf.requires_grad


def test_to_another_dtype():
    single = Regression(X, Y, weight=torch.ones(6), validation=0.5).to(torch.float32)
    assert {single.train.x.dtype, single.train.y.dtype, single.validation.weight.dtype} == {torch.float32}
    assert Classification(X, LABELS).to(torch.float32).train.y.dtype == torch.int64


def nan(tensor):
    broken = tensor.clone()
    broken.view(-1)[1] = math.nan
    return broken


LOADER = DataLoader(TensorDataset(X, Y), batch_size=2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Regression(X.numpy(), Y), "x must be a torch.Tensor, got ndarray"),
        (lambda: Regression(X.long(), Y), "x must be float32 or float64, got torch.int64"),
        (lambda: Regression(X[0], Y), r"x must have shape \(N, in\)"),
        (lambda: Regression(X[:0], Y[:0]), r"at least one row and column, got \(0, 2\)"),
        (lambda: Regression(X[:, :0], Y), r"at least one row and column, got \(6, 0\)"),
        (lambda: Regression(nan(X), Y), "x must be finite, got 1 NaN"),
        (lambda: Regression(X / 0, Y), "x must be finite, got 12 NaN or infinite"),
        (lambda: Regression(X, nan(Y)), "y must be finite, got 1 NaN"),
        (lambda: Regression(X, Y[:3]), r"y must have 6 rows like x, got shape \(3,\)"),
        (lambda: Regression(X), "y must be a torch.Tensor, got NoneType"),
        (lambda: Regression(X, Y.float()), "y must have the dtype of x, torch.float64, got torch.float32"),
        (lambda: Regression(X, LABELS), "y must have the dtype of x, torch.float64, got torch.int64"),
        (lambda: Regression(X, Y[:, None, None]), r"y must have shape \(N, out\) or \(N,\), got \(6, 1, 1\)"),
        (lambda: Regression(X, Y[:, None][:, :0]), r"y must have shape \(N, out\)"),
        (lambda: Regression(X, Y, weight=Y[:2]), r"weight must be a tensor of shape \(6,\), got \(2,\)"),
        (lambda: Regression(X, Y, weight=[1.0] * 6), r"weight must be a tensor of shape \(6,\), got list"),
        (lambda: Regression(X, Y, weight=Y), "weight must not be negative, got -1"),
        (lambda: Regression(X, Y, weight=nan(X[:, 0])), "weight must be finite"),
        (lambda: Regression(X, Y, weight=0 * X[:, 0]), "weight must have a positive entry, got only zeros"),
        (lambda: Regression(X, Y, validation=1.5), r"validation must be a share in \(0, 1\), got 1.5"),
        (lambda: Regression(X, Y, validation="0.2"), "validation must be a share .* got str"),
        (lambda: Regression(X[:1], Y[:1], validation=0.5), "x must have at least 2 rows"),
        (lambda: Regression(X, Y, validation=(X[:, :1], Y)), r"validation x must have shape \(N, 2\)"),
        (lambda: Regression(X, Y, validation=(X, X)), r"validation y must have shape \(N, 1\), got \(6, 2\)"),
        (lambda: Regression(X, Y, validation=(nan(X), Y)), "validation x must be finite"),
        (lambda: Regression(LOADER, Y), "y and weight must be left out where x is a DataLoader"),
        (lambda: Regression(LOADER, validation=0.2), "validation must be a DataLoader or tensors"),
        (lambda: Regression(LOADER).batch(X), r"the DataLoader must yield \(x, y\)"),
        (lambda: Classification(X, Y), "classes must be given where y is not a tensor of integer labels"),
        (lambda: Classification(X, Y, classes=3), "y must hold integer labels"),
        (lambda: Classification(X, LABELS, classes=2), r"y must hold labels 0 .. 1, got 0 .. 2"),
        (lambda: Classification(X, LABELS - 1), r"y must hold labels 0 .. 1, got -1 .. 1"),
        (lambda: Classification(X, LABELS[:, None]), "y must hold integer labels"),
        (lambda: Classification(X, LABELS, classes=True), "classes must be an integer of at least 2, got True"),
        (lambda: Classification(LOADER), "classes must be given"),
    ],
)
def test_bad_input_gets_a_sentence(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_select_keeps_weights_with_their_rows():
    data = Data(X, Y[:, None], Y.abs())
    picked = data.select(torch.tensor([4, 1]))
    assert picked.weight.tolist() == [0.5, 1.0]
    assert torch.equal(picked.x, X[[4, 1]])


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


def test_samples_of_a_loader_are_no_tensors():
    problem = Regression(LOADER)
    assert problem.train_tensors is None
    with pytest.raises(InputError, match="must hold its training samples as tensors here, got a DataLoader"):
        len(problem.train)


def test_an_unknown_argument_is_refused_by_the_class_that_was_called():
    with pytest.raises(InputError, match=r"^Regression has no argument 'validations'; did you mean 'validation'\?$"):
        Regression(torch.ones(3, 1), torch.ones(3, 1), validations=0.2)
