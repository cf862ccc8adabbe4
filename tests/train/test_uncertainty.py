"""Tests of edgewise.train.uncertainty: against the textbook's linear regression, and by what intervals cover."""

import math

import numpy as np
import pytest
import torch

from edgewise.checkpoint import codec
from edgewise.errors import CheckpointError
from edgewise.nn.layers.spline import KANLayer
from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train import uncertainty as module
from edgewise.train.blocks import Data
from edgewise.train.penalties import Ridge
from edgewise.train.uncertainty import ErrorBars, prediction_uncertainty

RNG = np.random.default_rng(0)
THREE = torch.ones(3, 2, dtype=torch.float64)


def tensor(values) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


def design(n: int) -> np.ndarray:
    return np.column_stack([RNG.normal(size=(n, 2)), np.ones(n)])


def least_squares(X: np.ndarray, Y: np.ndarray) -> MLP:
    """A linear model with as many outputs as Y has columns."""
    theta = np.linalg.lstsq(X, Y, rcond=None)[0]
    model = MLP([2, Y.shape[1]], dtype=torch.float64)
    with torch.no_grad():
        model.layers[0].weight.copy_(tensor(theta[:2]))
        model.layers[0].bias.copy_(tensor(theta[2]))
    return model


@pytest.fixture(scope="module")
def linear():
    X = design(30)
    Y = np.column_stack([X @ [1, 2, 3] + 0.5 * RNG.normal(size=30), X @ [0, -1, 1] + 5 * RNG.normal(size=30)])
    model = least_squares(X, Y)
    data = Data(tensor(X[:, :2]), tensor(Y))
    return X, Y, model, data, prediction_uncertainty(model, data)


def test_standard_deviations_are_the_textbooks(linear):
    """Ordinary least squares: s^2 = RSS / (n - 3), s^2 x'(X'X)^-1 x for the mean, plus s^2 for a new observation."""
    X, Y, model, _, bars = linear
    residuals = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
    s2 = (residuals**2).sum(0) / (30 - 3)
    new = design(5)
    mean = np.einsum("bi,ij,bj->b", new, np.linalg.inv(X.T @ X), new)[:, None] * s2
    x = tensor(new[:, :2])
    np.testing.assert_allclose(bars.noise**2, s2, rtol=1e-7)
    np.testing.assert_allclose((bars.std(model, x, noise=False) / bars.stretch) ** 2, mean, rtol=1e-6)
    np.testing.assert_allclose((bars.std(model, x) / bars.stretch) ** 2, mean + s2, rtol=1e-6)


def test_scores_are_those_of_models_without_the_sample(linear):
    X, Y, model, data, bars = linear
    scores = []
    for i in range(30):
        rest = np.arange(30) != i
        theta = np.linalg.lstsq(X[rest], Y[rest], rcond=None)[0]
        s2 = bars.noise.numpy() ** 2
        away = X[i] @ np.linalg.inv(X[rest].T @ X[rest]) @ X[i]
        scores.append(np.abs(Y[i] - X[i] @ theta) / np.sqrt(s2 * (1 + away)))
    np.testing.assert_allclose(bars.sizes.scores, np.sort(scores, 0), rtol=1e-5)
    np.testing.assert_allclose(bars.sizes.levels[:, 0], np.arange(1, 31) / 31)
    np.testing.assert_allclose(bars.stretch, np.sqrt(np.mean(np.square(scores), 0)), rtol=1e-5)
    # 25 of 31 is the first level of at least 0.8: the 25th score.
    width = bars.half_width(model, data.x[:1], 0.8) / (bars.std(model, data.x[:1]) / bars.stretch)
    np.testing.assert_allclose(width[0], bars.sizes.scores[24])


def test_a_weight_is_the_same_as_repeats():
    X = design(20)
    y = X @ [1.0, 2, 3] + RNG.normal(size=20)
    count = np.arange(20) % 3 + 1
    X2, y2 = X.repeat(count, 0), y.repeat(count)
    model = least_squares(X2, y2[:, None])
    one = prediction_uncertainty(model, Data(tensor(X2[:, :2]), tensor(y2[:, None])))
    weighted = Data(tensor(X[:, :2]), tensor(y[:, None]), tensor(count / count.mean()))
    other = prediction_uncertainty(model, weighted, samples=float(count.sum()))
    x = tensor(design(4)[:, :2])
    for noise in (True, False):
        plain = [bars.std(model, x, noise=noise) / bars.stretch for bars in (one, other)]
        torch.testing.assert_close(*plain)
    # Copies are left out one by one in the first, all at once in the second.
    assert 0.8 < float(one.stretch / other.stretch) < 1


def test_edges_of_an_additive_model_have_the_textbooks_band():
    """y = a (x1 - mean) + b (x2 - mean) + c by least squares: the band of an edge is |x - mean| times its slope's."""
    X = design(50)
    y = X @ [1.0, 2, 3] + RNG.normal(size=50)
    model = least_squares(X, y[:, None])
    bars = prediction_uncertainty(model, Data(tensor(X[:, :2]), tensor(y[:, None])))
    points = tensor([[-1.0, 0.0], [2.0, 0.5]])
    slope = np.sqrt(np.diag(np.linalg.inv(X.T @ X))[:2]) * float(bars.noise * bars.stretch)
    expected = np.abs(points.numpy() - X[:, :2].mean(0)) * slope
    found = bars.edges(model, 0, tensor(X[:, :2])).std(points)
    np.testing.assert_allclose(found[:, :, 0], expected, rtol=1e-6)
    both = (points.numpy() - X[:, :2].mean(0)) @ np.linalg.cholesky(np.linalg.inv(X.T @ X)[:2, :2])
    found = bars.edges(model, 0, tensor(X[:, :2])).std(points, [[0, 1]])  # their sum, with the covariance of the slopes
    expected = np.linalg.norm(both, axis=1) * float(bars.noise * bars.stretch)
    np.testing.assert_allclose(found[:, 0, 0], expected, rtol=1e-6)


def test_edges_of_hidden_layers_have_finite_bands():
    x = tensor(RNG.uniform(-1, 1, (80, 3)))
    model = KAN([3, 2, 2], 3, dtype=torch.float64)
    with torch.no_grad():
        data = Data(x, model(x) + 0.01 * tensor(RNG.normal(size=(80, 2))))
    bars = prediction_uncertainty(model, data, Ridge(1e-6))
    trace = model.trace(x)
    for layer, shape in enumerate([(5, 3, 2), (5, 2, 2)]):
        inputs = trace.inputs[layer].detach()
        errors = bars.edges(model, layer, inputs)
        found = errors.std(inputs[:5])
        assert found.shape == shape and bool(found.isfinite().all()) and bool((found > 0).all())
        alone = [errors.std(inputs[:5], [[i]]) for i in range(shape[1])]
        assert torch.equal(found, torch.cat(alone, 1))


SIZES = {"parameters": 6, "outputs": 2, "inputs": 2}


def test_a_file_gives_them_back(linear):
    _, _, model, data, bars = linear
    again = codec.read(ErrorBars, codec.plain(bars), "bars", SIZES)
    assert torch.equal(again.half_width(model, data.x, 0.9), bars.half_width(model, data.x, 0.9))
    assert torch.equal(again.factor, bars.factor) and (again.rows, again.folds) == (30, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"factor": torch.zeros(5)},
        {"factor": torch.full((6, 6), math.nan, dtype=torch.float64)},
        {"noise": torch.full((2,), float("nan"), dtype=torch.float64)},
        {"noise": -torch.ones(2, dtype=torch.float64)},
        {"sizes": {"levels": THREE, "scores": torch.ones(4, 2, dtype=torch.float64)}},
        {"sizes": {"levels": None, "scores": THREE}},
        {"rows": 2.0},
        {"more": 2.0},
    ],
)
def test_bad_fields_are_refused(linear, changes):
    with pytest.raises(CheckpointError, match=r"^must have .* bars"):
        codec.read(ErrorBars, {**codec.plain(linear[-1]), **changes}, "bars", SIZES)


def test_every_parameter_belongs_to_one_edge():
    layer = KANLayer(5, 2, grid_size=3, functions=[["sin", "x"]] + [["0", "exp"]] * 4)
    seen = torch.cat([part for o in range(2) for part in module.edge_parameters(layer, o)])
    assert sorted(seen.tolist()) == list(range(sum(p.numel() for p in layer.parameters())))
    # Those of an edge are the ones that its value depends on, and no others.
    x = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    gradient = torch.autograd.grad(layer.edges(x)[:, 4, 1].sum(), list(layer.parameters()), allow_unused=True)
    flat = torch.cat(
        [
            torch.zeros(p.numel()) if g is None else g.flatten()
            for g, p in zip(gradient, layer.parameters(), strict=True)
        ]
    )
    assert set(flat.nonzero()[:, 0].tolist()) <= set(module.edge_parameters(layer, 1)[4].tolist())
