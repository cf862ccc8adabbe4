"""What a model learned from earlier samples, kept without the samples."""

import numpy as np
import pytest
import torch

from edgewise import KAN, Regression, fit
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.train import LBFGS, Adam, LevenbergMarquardt
from edgewise.train.remembering import remember


def samples(rows, seed=0, inputs=2):
    x = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (rows, inputs)))
    return x, torch.exp(-3 * ((x - 0.3) ** 2).sum(1, keepdim=True))


def product_model():
    points = torch.linspace(-1, 1, 4, dtype=torch.float64)
    return torch.nn.Sequential(TensorLayer([points, points], 1, degree=2))


def learn(model, problem, penalty=None, method=None, steps=30):
    method = LevenbergMarquardt() if method is None else method
    return fit(model, problem, method, steps=steps, tolerance=0.0, adapt_domain=False, penalty=penalty)


@pytest.mark.slow
@pytest.mark.parametrize("method", [LevenbergMarquardt(), LBFGS()])
def test_groups_one_by_one_give_least_squares_on_all_samples(method):
    x, y = samples(240)
    weight = torch.linspace(0.5, 1.5, 240, dtype=torch.float64)
    order = x[:, 0].argsort()  # each group has its own range of the first input
    model, earlier = product_model(), None
    for group in order.split([100, 80, 60]):
        problem = Regression(x[group], y[group], weight=weight[group] / weight[group].mean())
        learn(model, problem, None if earlier is None else earlier.beside(problem), method, steps=200)
        earlier = remember(model, problem, earlier)
    assert earlier.samples == 240
    design = torch.stack([basis(x) for basis in unit_models()], 1)
    means = torch.cat([(weight[g] / weight[g].mean()) for g in order.split([100, 80, 60])])[order.argsort()]
    root = means.sqrt()[:, None]
    exact = np.linalg.lstsq((root * design).numpy(), (root * y).numpy(), rcond=None)[0]
    found = model[0].coef.detach().reshape(-1, 1).numpy()
    np.testing.assert_allclose(found, exact, atol=1e-7 if isinstance(method, LevenbergMarquardt) else 1e-3)


def unit_models():
    """Give each basis function of the product model as a function."""
    for number in range(product_model()[0].coef.numel()):
        model = product_model()
        with torch.no_grad():
            model[0].coef.view(-1)[number] = 1.0
        yield lambda x, model=model: model(x).detach()[:, 0]


def test_the_penalty_has_the_slope_and_curvature_of_the_loss():
    x, y = samples(40)
    model = KAN([2, 2, 1], 3, domain=(-1, 1), base="zero", dtype=torch.float64)
    problem = Regression(x, y)
    penalty = remember(model, problem).beside(problem)
    parameters = list(model.parameters())
    loss = problem.loss(model(x), problem.train)
    wanted = torch.autograd.grad(loss, parameters)
    for found, exact in zip(torch.autograd.grad(penalty.value(model), parameters), wanted, strict=True):
        torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-12)
    (entry,) = penalty.bind(model).curvature((), ())
    jacobian = torch.func.jacrev(lambda p: torch.func.functional_call(model, p, x)[:, 0])(
        dict(model.named_parameters())
    )
    rows = torch.cat([part.reshape(40, -1) for part in jacobian.values()], 1)
    torch.testing.assert_close(entry.values, 2 / 40 * rows.mT @ rows, rtol=1e-8, atol=1e-10)


def test_single_precision_and_the_caller_stay_as_they_are():
    x, y = samples(50)
    model = KAN([2, 1], 3, domain=(-1, 1))
    before = [p.clone() for p in model.parameters()]
    problem = Regression(x.float(), y.float())
    penalty = remember(model, problem).beside(problem)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert penalty.value(model).dtype == torch.float32 and model.layers[0].coef.dtype == torch.float32
    fit(model, problem, Adam(), steps=3, penalty=penalty)
    assert penalty.settings() == {"name": "Remembered", "samples": 50, "new_samples": 50}
