"""Networks for pictures: sizes below a common limit, SIREN's initial weights, training by CPU time."""

import math

import pytest
import torch

from edgewise_experiments.images.imaging import SETTINGS
from edgewise_experiments.images.networks import (
    BUILDERS,
    FourierFeatures,
    Sine,
    build,
    parameters_of,
    train,
)

X = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
Y = (X[:, :1] * X[:, 1:]).sin()
TIME = 0.3  # CPU seconds; L-BFGS passes through all of these samples after twice as long and ends by itself


@pytest.mark.slow
@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("most", [2000, 5000])
def test_no_wider_network_would_do(kind, most):
    for setting in SETTINGS[kind]:
        model = build(kind, setting, most, 0)
        assert 0.75 * most < parameters_of(model) <= most
        assert model(X).shape == (200, 1) and model(X).dtype == torch.float32


@pytest.mark.parametrize("kind", BUILDERS)
def test_the_seed_decides(kind):
    same, again, other = (build(kind, SETTINGS[kind][0], 500, seed)(X) for seed in (0, 0, 1))
    assert torch.equal(same, again) and not torch.equal(same, other)


def test_siren_starts_with_the_weights_of_its_paper():
    model = build("SIREN", {"omega": 20}, 5000, 0)
    linear = [layer for layer in model if not isinstance(layer, Sine)]
    size = linear[1].in_features
    assert [layer.omega for layer in model if isinstance(layer, Sine)] == [20, 30, 30]
    assert linear[0].weight.abs().max() <= 0.5
    assert 0.9 < linear[1].weight.abs().max() / (math.sqrt(6 / size) / 30) <= 1


def test_random_waves_are_not_trained():
    features = FourierFeatures(7, 3.0, torch.Generator().manual_seed(0))
    assert features(X).shape == (200, 14) and parameters_of(features) == 0
    assert torch.allclose(features(X)[:, :7].square() + features(X)[:, 7:].square(), torch.ones(200, 7), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1e-2, None])
@pytest.mark.parametrize("kind", ["KAN", "SiLU MLP"])
def test_training_lowers_the_error_within_its_time(kind, rate):
    model, events = build(kind, SETTINGS[kind][0], 500, 0), []

    @torch.no_grad()
    def error(model):
        return float((model(X) - Y).square().mean())

    before = error(model)
    found = train(model, X, Y, TIME, rate, error, events.append)
    assert error(model) < 0.2 * before
    assert TIME <= found["seconds"] < 1.5 and found["steps"] > 8
    times = [seconds for seconds, _ in found["evaluations"]]
    assert times == sorted(times) and len(times) == len(events) >= 4
    assert events[-1].stage == "training" and events[-1].loss == found["evaluations"][-1][1]
