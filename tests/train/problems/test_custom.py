"""Any function of predictions and targets is a loss; what gives no number for each row is refused."""

import pytest
import torch

from edgewise.errors import InputError
from edgewise.nn.model import KAN
from edgewise.train.loop.fitting import fit
from edgewise.train.problems import CustomLoss, Regression

X = 2 * torch.rand(80, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
Y = X[:, 0] ** 2 - X[:, 1]
WEIGHT = torch.arange(80.0)


def squares(prediction, y):
    return (prediction - y) ** 2


def test_squares_are_least_squares():
    own = CustomLoss(X, Y, loss=squares, weight=WEIGHT, validation=0.25)
    usual = Regression(X, Y, weight=WEIGHT, validation=0.25)
    model = KAN([2, 2, 1], 3, dtype=torch.float64)
    for part in ("train", "validation"):
        data = getattr(own, part)
        assert torch.allclose(own.loss(model(data.x), data), usual.loss(model(data.x), getattr(usual, part)))
    assert len(own.subset(torch.arange(9)).train) == 9


def test_classes_are_learned_by_cross_entropy():
    classes = (X[:, 0] > 0).long()
    problem = CustomLoss(X, classes, loss=torch.nn.CrossEntropyLoss(reduction="none"))
    report = fit(KAN([2, 2], 3, dtype=torch.float64), problem, steps=20)
    assert report.metric == ("loss", report.loss) and report.loss < 0.2


@pytest.mark.parametrize("loss", [torch.nn.MSELoss(), lambda p, y: 3.0, lambda p, y: p[:3]])
def test_a_mean_is_refused(loss):
    with pytest.raises(InputError, match=r"loss must give one number for each of (2|80) rows"):
        fit(KAN([2, 1], 3, dtype=torch.float64), CustomLoss(X, Y, loss=loss), steps=1)


def test_a_number_is_no_loss():
    with pytest.raises(InputError, match="loss must be a function"):
        CustomLoss(X, Y, loss=3.0)
