"""From noise-free samples to the last digits, without a knob."""

import math

import pytest
import torch

from edgewise.errors import InputError
from edgewise.search.approximation import approximate
from edgewise.train.problems import Regression


def samples(function, count=1000, features=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.rand(count, features, generator=generator, dtype=torch.float64) - 1
    return x, function(x)


def exp_sin(x):
    return torch.exp(torch.sin(math.pi * x[:, 0]) + x[:, 1] ** 2)


def rmse(result, function, features=2):
    x, y = samples(function, 2000, features, seed=1)
    with torch.no_grad():
        return float((result.model(x)[:, 0] - y).square().mean().sqrt())


@pytest.mark.slow
def test_a_composition_is_learned_to_nine_digits_in_the_shape_that_was_given():
    heard = []
    result = approximate(
        Regression(*samples(exp_sin)), width=[2, 1, 1], domain=(-1, 1), starts=3, progress=heard.append
    )
    assert rmse(result, exp_sin) < 1e-8
    grids = [phase.grid_size[0] for phase in result.phases]
    assert grids == sorted(grids)
    assert grids[-1] >= 32
    losses = [phase.validation_loss for phase in result.phases]
    assert losses[-1] < 1e-6 * losses[0]
    assert result.sentences
    assert all(0 <= at.share <= 1 for at in heard)
    assert len({at.stage for at in heard}) > 2


def test_the_budget_ends_the_refinement_and_the_best_model_is_returned():
    result = approximate(Regression(*samples(exp_sin, 300)), width=[2, 1, 1], starts=1, budget=0.002)
    assert result.stopped == "budget"
    assert "budget" in result.sentences[-1]
    best = min(phase.validation_loss for phase in result.phases)
    assert result.report.validation_loss == best


@pytest.mark.slow
def test_ctrl_c_returns_the_best_so_far():
    def stop(progress):
        if progress.stage.startswith("grid"):
            raise KeyboardInterrupt

    result = approximate(Regression(*samples(exp_sin)), width=[2, 1, 1], starts=2, progress=stop)
    assert result.stopped == result.report.stopped == "interrupted"
    assert rmse(result, exp_sin) < 0.1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": [3, 1]}, r"width must begin with 2 and end with 1 like the data, got \(3, 1\)"),
        ({"budget": 0}, "budget must be a positive number, got 0"),
        ({"time_limit": -1}, "time_limit must be a positive number of seconds or None, got -1"),
        ({"starts": 0}, "starts must be an integer of at least 1, got 0"),
        ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
        ({"degree": 11}, "degree must be"),
        ({"start": 3}, "approximate has no option 'start'; did you mean 'starts'\\?"),
    ],
)
def test_bad_arguments_get_a_sentence(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        approximate(Regression(*samples(exp_sin, 50)), **changes)
