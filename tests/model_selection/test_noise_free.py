"""Tests of edgewise.model_selection.automatic: samples without noise are approximated to many digits."""

import pytest
import torch

from edgewise.model_selection import automatic as noise_free
from edgewise.model_selection.automatic import auto_fit
from edgewise.model_selection.settings import SearchPolicy, SearchSettings
from edgewise.train.problems.regression import Regression


def additive(rows=300, noise=0.0):
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(rows, 2, generator=generator, dtype=torch.float64) - 1
    y = torch.sin(2 * x[:, :1]) + x[:, 1:] ** 2
    y = (y - y.mean()) / y.std()
    return Regression(x, y + noise * torch.randn(rows, 1, generator=generator, dtype=torch.float64))


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def result():
    return auto_fit(additive(), SearchSettings(1))


@pytest.mark.slow
def test_samples_without_noise_are_approximated(result):
    chosen, config = result.search.chosen, result.model.config
    assert result.report.validation_loss < 1e-13
    assert (chosen.hidden, chosen.grid_size, chosen.degree) == (config.width[1:-1], config.grid_size[0], config.degree)
    assert chosen.strength == 0 and result.penalty is None
    assert any("seem free of noise" in sentence for sentence in result.search.sentences)
    assert result.search.sentences[-1].startswith("Chosen without noise: additive, grid ")


@pytest.mark.slow
def test_what_is_held_out_made_no_choice(result, monkeypatch):
    """Else error bars would be too narrow by as much as the choice among many models was lucky."""
    assert len(result.held_out) == 30
    given = []
    monkeypatch.setattr(noise_free, "approximate", lambda split, **_: given.append(split) or interrupted())
    auto_fit(additive(), SearchSettings(1))
    shown = torch.cat([given[0].train.x, given[0].validation.x])
    assert len(shown) == 270
    assert not (shown[:, None] == result.held_out.x).all(2).any()
    error = additive().train.y.new_tensor(0.0)
    with torch.no_grad():
        for x, left in zip(result.held_out.x, result.held_out.y, strict=True):
            truth = additive().train.y[(additive().train.x == x).all(1)]
            error = max(error, (truth - result.model(x[None]) - left).abs().max())
    assert float(error) < 1e-14


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits(result):
    again = auto_fit(additive(), SearchSettings(1))
    for name, value in result.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name])
    assert again.search == result.search


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "settings"),
    [
        (additive(noise=0.02), {}),
        (additive(rows=SearchPolicy().noise_free_samples - 1), {}),
        (additive(), {"hidden": ()}),
        (additive(), {"grid_size": 4}),
        (additive(), {"strength": 1e-6}),
    ],
)
def test_only_where_there_is_no_noise_and_all_is_free(problem, settings, monkeypatch):
    monkeypatch.setattr(noise_free, "approximate", None)  # would fail
    assert auto_fit(problem, SearchSettings(1, budget=0.05, **settings)).search.chosen.strength > 0


@pytest.mark.slow
def test_what_is_no_closer_is_not_taken():
    settings = SearchSettings(1, policy=SearchPolicy(approximation_gain=0.0))
    assert auto_fit(additive(), settings).search.chosen.strength > 0


def test_without_work_left_the_search_decides(monkeypatch):
    monkeypatch.setattr(noise_free, "approximate", None)
    assert auto_fit(additive(), SearchSettings(1, budget=1e-9)).search.chosen.strength > 0


@pytest.mark.slow
def test_ctrl_c_leaves_the_model_of_the_search(monkeypatch):
    monkeypatch.setattr(noise_free, "approximate", interrupted)
    found = auto_fit(additive(), SearchSettings(1))
    assert found.search.stopped == found.report.stopped == "interrupted"
    assert found.report.loss < 1e-3
