"""Any function of predictions and targets is a loss; what gives no number for each row is refused."""

import torch

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
