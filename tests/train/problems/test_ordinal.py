"""Ordered classes against a direct computation, finite differences and automatic derivatives, with every method."""

from itertools import pairwise

import pytest
import torch
from torch.func import functional_call, hessian, jacrev
from torch.nn.functional import softplus

from edgewise import KAN, fit
from edgewise.nn import MLP
from edgewise.train import LBFGS, Adam, LevenbergMarquardt, OrdinalClassification, SSBroyden
from edgewise.train.blocks import THRESHOLD_STEPS, OrdinalBlock
from edgewise.train.jacobian import RowSource
from edgewise.train.parameters import trainable_slots

G = torch.Generator().manual_seed(0)
X = 2 * torch.rand(40, 2, generator=G, dtype=torch.float64) - 1
LABELS = torch.arange(40) % 4
WEIGHT = torch.rand(40, generator=G, dtype=torch.float64)
STEPS = torch.tensor([-1.2, 0.3, -2.0], dtype=torch.float64)


def problem(steps=STEPS, **settings):
    made = OrdinalClassification(X, LABELS, **settings)
    with torch.no_grad():
        made.unknowns[THRESHOLD_STEPS].copy_(steps)
    return made


def direct(z, steps):
    """The probabilities as the definition has them, one threshold after the other."""
    thresholds = [steps[0]]
    for step in steps[1:]:
        thresholds.append(thresholds[-1] + torch.log(1 + torch.exp(step)))
    under = [torch.zeros_like(z), *(1 / (1 + torch.exp(z - t)) for t in thresholds), torch.ones_like(z)]
    return torch.stack([b - a for a, b in pairwise(under)], -1)


def test_loss_and_probabilities_are_those_of_the_definition():
    z = 3 * X[:, :1]
    made = problem(weight=WEIGHT)
    shares = direct(z[:, 0], STEPS)
    assert torch.allclose(made.probabilities(z), shares, rtol=1e-13)
    assert torch.equal(made.classify(z), shares.argmax(1))
    picked = shares.gather(1, LABELS[:, None])[:, 0]
    assert torch.allclose(made.loss(z, made.train), -(made.train.weight * picked.log()).mean(), rtol=1e-13)
    right = made.train.weight[shares.argmax(1) == LABELS].sum() / 40
    assert made.metric(z, made.train) == ("accuracy", pytest.approx(float(right), rel=1e-13))


def test_rows_are_the_second_derivative_and_slopes_the_first():
    z = 3 * X[:, :1]
    made = problem(weight=WEIGHT)
    part = made.train
    local = OrdinalBlock("data", part).local_model(z[None], part, made.unknowns)
    rows = torch.cat([local.rows[:, 0], local.unknowns[THRESHOLD_STEPS][:2]], -1)  # by z, then by the steps
    slopes = torch.cat([local.slope[0], local.unknowns[THRESHOLD_STEPS][2]], -1)

    def loss(point, label):
        limits = torch.cat([point.new_tensor([-1e3]), point[1:], point.new_tensor([1e3])])
        return -torch.log(torch.sigmoid(limits[label + 1] - point[0]) - torch.sigmoid(limits[label] - point[0]))

    for i in range(12):
        label = int(part.y[i])
        point = torch.cat([z[i], made.thresholds])
        to_steps = torch.autograd.functional.jacobian(
            lambda s, i=i: torch.cat([z[i], torch.cat([s[:1], softplus(s[1:])]).cumsum(0)]), STEPS
        )
        chain = torch.cat([torch.eye(4, 1, dtype=torch.float64), to_steps], 1)
        second = chain.T @ hessian(loss)(point, label) @ chain * part.weight[i]
        assert torch.allclose(2 * rows[:, i].T @ rows[:, i], second, atol=1e-12)
        assert torch.allclose(slopes[i], jacrev(loss)(point, label) @ chain * part.weight[i], atol=1e-12)


@pytest.mark.parametrize("wrapped", [False, True], ids=["layers", "any module"])
def test_the_gauss_newton_matrix_is_pulled_back(wrapped):
    model = KAN([2, 2, 1], 3, dtype=torch.float64)
    model = torch.nn.Sequential(model) if wrapped else model
    made = problem(weight=WEIGHT)
    names = dict(model.named_parameters())

    def outputs(parameters, steps):
        z = functional_call(model, parameters, (X,))[:, 0]
        thresholds = torch.cat([steps[:1], softplus(steps[1:])]).cumsum(0)
        return torch.cat([z[:, None], thresholds.expand(len(z), -1)], 1)

    by_parameters, by_steps = jacrev(outputs, (0, 1))({k: v.detach() for k, v in names.items()}, STEPS)
    jacobian = torch.cat([*(by_parameters[k].flatten(2) for k in names), by_steps], 2)

    def loss(point, label):
        limits = torch.cat([point.new_tensor([-1e3]), point[1:], point.new_tensor([1e3])])
        return -torch.log(torch.sigmoid(limits[label + 1] - point[0]) - torch.sigmoid(limits[label] - point[0]))

    points = outputs({k: v.detach() for k, v in names.items()}, STEPS)
    expected = sum(
        made.train.weight[i] / 40 * jacobian[i].T @ hessian(loss)(points[i], int(LABELS[i])) @ jacobian[i]
        for i in range(40)
    )
    upper = RowSource(model, made, trainable_slots(model, made)).normal_equations().matrix.triu()
    found = upper + upper.triu(1).mT
    assert torch.allclose(found, expected, atol=1e-10 * float(expected.abs().max()))


def staircase(count=300):
    x = 2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1
    noise = torch.randn(count, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    height = 3 * torch.sin(2 * x[:, 0]) + x[:, 1] ** 2 + 0.2 * noise
    return x, torch.bucketize(height, torch.tensor([-1.5, 0.0, 2.0], dtype=torch.float64))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["KAN", "MLP"])
@pytest.mark.parametrize(
    ("method", "steps"),
    [
        (LevenbergMarquardt(), 30),
        (LevenbergMarquardt(factorised=5), 30),
        (LBFGS(), 150),
        (SSBroyden(), 150),
        (Adam(lr=0.05), 400),
    ],
    ids=["direct", "free", "lbfgs", "broyden", "adam"],
)
def test_every_method_learns_a_staircase(kind, method, steps):
    x, y = staircase()
    model = KAN([2, 1], 4, dtype=torch.float64) if kind == "KAN" else MLP([2, 6, 1], dtype=torch.float64)
    made = OrdinalClassification(x, y)
    before = made.thresholds
    report = fit(model, made, method, steps=steps)
    assert report.metric[0] == "accuracy"
    assert report.metric[1] > 0.9
    assert bool((made.thresholds.diff() > 0).all())
    assert not torch.equal(made.thresholds, before)
    if method.monotone and isinstance(method, LevenbergMarquardt):
        assert all(b.loss < a.loss for a, b in pairwise(report.history))


def test_it_starts_where_the_shares_of_the_classes_are():
    y = torch.tensor([0] * 10 + [1] * 25 + [3] * 5)
    made = OrdinalClassification(X, y, classes=5)  # classes 2 and 4 have no sample
    shares = made.probabilities(torch.zeros(1, 1, dtype=torch.float64))[0]
    counts = torch.tensor([10.0, 25, 0, 5, 0], dtype=torch.float64) + 0.5
    assert torch.allclose(shares, counts / counts.sum(), rtol=1e-12)
    report = fit(MLP([2, 1], dtype=torch.float64), made, LevenbergMarquardt(), steps=20)
    assert report.loss < report.history[0].loss


def test_two_classes_are_logistic_regression():
    made = OrdinalClassification(X, LABELS % 2)
    z = 3 * X[:, :1]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        z[:, 0] - made.thresholds, (LABELS % 2).to(torch.float64)
    )
    assert torch.allclose(made.loss(z, made.train), expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", [LBFGS(), SSBroyden(), LevenbergMarquardt(), Adam()], ids=lambda m: type(m).__name__)
def test_fixed_thresholds_stay_with_every_method(method, dtype):
    given = OrdinalClassification(X.to(dtype), LABELS)
    fixed = given.with_fixed_unknowns()
    before = fixed.thresholds.clone()
    report = fit(KAN([2, 1], 3, seed=0, dtype=dtype), fixed, method, steps=5)
    assert torch.equal(fixed.thresholds, before) and torch.equal(given.thresholds, before)
    assert report.history[-1].loss < report.history[0].loss
