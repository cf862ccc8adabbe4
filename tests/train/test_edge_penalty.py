"""Tests of EdgePenalty against integrals, and of its strengths (fellner_schall) against the marginal likelihood."""

import numpy as np
import pytest
import torch

from edgewise.nn.model import KAN
from edgewise.ops.splines.bspline import basis
from edgewise.train.blocks import Data
from edgewise.train.jacobian.linearised import linearise
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt
from edgewise.train.penalties import ROUGHNESS_UNIT, EdgePenalty
from edgewise.train.problems import Regression
from edgewise.train.smoothing import fellner_schall

F64 = {"dtype": torch.float64}


def tensor(values) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


def test_bending_is_the_integral_of_the_third_derivative_squared():
    """An edge that is u^3 on a domain of length 4, u from 0 to 1 over it: 36; its base weight counts as its square."""
    model = KAN([1, 1], 4, domain=(-1, 3), **F64)
    x = torch.linspace(-1, 3, 50, **F64)[:, None]
    rows = basis(x, model.layers[0].knots, 3)[:, 0]
    with torch.no_grad():
        model.layers[0].coef[0] = torch.linalg.lstsq(rows, ((x + 1) / 4) ** 3).solution
        model.layers[0].base.fill_(0.5)
    bend = EdgePenalty.uniform(model, roughness=2.0, ridge=0.0).value(model).detach()
    assert float(bend) == pytest.approx(2 * 36 * ROUGHNESS_UNIT, rel=1e-9)
    size = EdgePenalty.uniform(model, roughness=0.0, ridge=3.0).value(model).detach()
    assert float(size) == pytest.approx(3 * (float(model.layers[0].coef.detach().square().mean()) + 0.25), rel=1e-12)


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("base", ["silu", "zero"])
def test_curvature_is_the_second_derivative(degree, base):
    model = KAN([2, 2, 1], 3, degree, base=base, seed=1, **F64)
    with torch.no_grad():
        model.layers[0].mask[1, 0] = 0
    generator = torch.Generator().manual_seed(0)
    parts = [tuple(torch.rand(s, generator=generator, **F64) for s in ((2, 2), (2, 1))) for _ in range(2)]
    penalty = EdgePenalty(*parts)
    value = penalty.value(model)
    slopes = torch.autograd.grad(value, list(model.parameters()))
    slope = torch.cat([s.flatten() for s in slopes])
    theta = torch.cat([p.detach().flatten() for p in model.parameters()])
    found = linearise(model, Data(torch.rand(5, 2, **F64), torch.rand(5, 1, **F64)), penalty).curvature
    torch.testing.assert_close(found @ theta, slope, rtol=1e-9, atol=1e-12)  # quadratic: H t is the slope,
    assert float(value.detach()) == pytest.approx(float(theta @ found @ theta) / 2, rel=1e-9)  # t'Ht / 2 the value


def test_one_update_of_the_strengths_is_that_of_fellner_and_schall():
    """l (s^2 / N) (tr(S^-1 P) - tr(A^-1 P)) / (t'Pt), with A = J'J / N + S, written out for one edge."""
    x = np.random.default_rng(0).uniform(-1, 1, 40)
    y = np.sin(4 * x) + 0.3 * np.random.default_rng(1).normal(size=40)
    model, problem = KAN([1, 1], 3, domain=(-1, 1), seed=0, **F64), Regression(tensor(x[:, None]), tensor(y))
    bend, size = 0.02, 0.05
    penalty = EdgePenalty.uniform(model, bend, size)
    fit(model, problem, LevenbergMarquardt(damping=1e-9), steps=3, penalty=penalty)
    updated, _ = fellner_schall(model, problem.train, penalty)
    layer = model.layers[0]
    rows = np.column_stack([basis(problem.train.x, layer.knots, 3)[:, 0].numpy(), x / (1 + np.exp(-x))])
    theta = np.append(layer.coef.detach().numpy().ravel(), layer.base.item())
    roughness, ridge = np.zeros((7, 7)), np.diag([1 / 6] * 6 + [1.0])
    roughness[:6, :6] = penalty.gram(layer)[0].numpy()
    prior = bend * roughness + size * ridge
    normal = rows.T @ rows / 40
    effective = np.trace(np.linalg.solve(normal + prior, normal))
    noise = np.mean((rows @ theta - y) ** 2) / (1 - effective / 40)
    for found, strength, part in ((updated.roughness, bend, roughness), (updated.ridge, size, ridge)):
        degrees = strength * np.trace(np.linalg.solve(prior, part) - np.linalg.solve(normal + prior, part))
        assert float(found[0]) == pytest.approx(noise / 40 * degrees / (theta @ part @ theta), rel=1e-6)


def test_settings_are_the_strengths_of_each_edge():
    penalty = EdgePenalty.uniform(KAN([2, 1], 3, **F64), 0.1, 0.3).scaled(2)
    assert penalty.settings() == {"name": "EdgePenalty", "roughness": [[[0.2], [0.2]]], "ridge": [[[0.6], [0.6]]]}
