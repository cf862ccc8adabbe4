"""Tests of edgewise.search.automatic: the way that samples take, and interruptions."""

import itertools
from typing import get_args

import numpy as np
import pytest
import torch
from tests.night import at_night

from edgewise import KANRegressor
from edgewise.cli.terminal import options
from edgewise.gam.families.named import FAMILIES, Loss, family_of, family_of_classes
from edgewise.gam.families.robust import Huber
from edgewise.outcomes import StopReason
from edgewise.search.automatic import auto_fit
from edgewise.search.candidates import Samples
from edgewise.search.policy import SearchSettings
from edgewise.search.records import SearchReport, Trial

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (200, 2))
Y = np.sin(3 * X[:, :1]) + X[:, 1:] ** 2
NOISE = RNG.standard_normal((200, 1))
FIXED = {"hidden": (2,), "grid_size": 4, "strength": 1e-4}


def samples(noise=0.1, rows=200):
    return Samples(X[:rows], (Y + noise * NOISE)[:rows], np.ones(rows))


def test_airy_is_found_to_nine_digits():
    from scipy.special import airy

    x = np.linspace(-6, 6, 3000)[:, None]
    result = auto_fit(Samples(x, airy(x)[0], np.ones(3000)), SearchSettings())
    fresh = np.linspace(-6, 6, 997)[:, None]
    error = result.model(torch.from_numpy(fresh)).detach().numpy() - airy(fresh)[0]
    assert np.abs(error).max() < 1e-9 and "free of noise" in result.search.sentences[0]
    assert result.error_bars is not None


@pytest.mark.parametrize("outputs", [1, 2])
def test_grids_are_halved_where_a_polynomial_of_one_input_is_no_good(outputs):
    x = np.random.default_rng(1).uniform(-1, 1, (300, 1))
    y = np.concatenate([1 / (1 + 25 * x**2), np.sin(5 * x)], 1)[:, :outputs]
    result = auto_fit(Samples(x, y - y.mean(), np.ones(300)), SearchSettings())
    fresh = np.linspace(-0.95, 0.95, 500)[:, None]
    wanted = np.concatenate([1 / (1 + 25 * fresh**2), np.sin(5 * fresh)], 1)[:, :outputs] - y.mean()
    error = result.model(torch.from_numpy(fresh)).detach().numpy() - wanted
    assert result.search.chosen.startswith(f"network [1, {outputs}]") and np.sqrt(np.mean(error**2)) < 1e-6


def test_two_classes_have_the_logits_of_their_log_odds():
    y = (X[:, 0] + 0.3 * NOISE[:, 0] > 0).astype(float)
    settings = SearchSettings(family=family_of_classes((0, 1)), effort="low")
    result = auto_fit(Samples(X, y, np.ones(200)), settings)
    logits = result.model(torch.from_numpy(X)).detach()
    assert logits.shape == (200, 2) and float(logits.sum(1).abs().max()) < 1e-12
    probability = torch.from_numpy(result.fitted.predict(X)[:, 0])
    torch.testing.assert_close(logits.softmax(1)[:, 1], probability)


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "when"), [({}, 0.5), ({}, 0.9), *at_night((FIXED, 0.9))])
def test_ctrl_c_raises_or_keeps_the_best_model(settings, when):
    count = []
    auto_fit(samples(), SearchSettings(**settings), count.append)
    for keep in (False, True):
        left = itertools.count()

        def stop(event, left=left):
            if next(left) == int(when * (len(count) - 1)):
                raise KeyboardInterrupt

        if not keep:
            with pytest.raises(KeyboardInterrupt):
                auto_fit(samples(), SearchSettings(**settings), stop)
            continue
        result = auto_fit(samples(), SearchSettings(**settings, keep_interrupted=True), stop)
        assert "interrupted" in (result.report.stopped, result.search.stopped)
        assert torch.isfinite(result.model(torch.from_numpy(X))).all()


def test_types_and_pages_name_every_loss_of_the_registry():
    names = get_args(Loss)
    assert {*FAMILIES, "absolute", "auto"} == {name for name in names if not name.startswith("quantile:")}
    assert all(family_of(name).name == name for name in FAMILIES)
    assert [family_of(name).name for name in names if ":" in name] == ["quantile"] * 7
    assert all(f'"{name}"' in KANRegressor.__doc__ for name in (*FAMILIES, "absolute", "auto"))
    assert all(name in get_args(options.Loss)[1].help for name in (*FAMILIES, "absolute", "auto"))


@pytest.mark.parametrize(
    "x",
    [
        np.ones((30, 2)),
        np.c_[X[:30, :1], X[:30, :1]],
        RNG.standard_normal((20, 40)),
        np.c_[X[:30, :1], np.r_[1e12, np.zeros(29)]],
        X[:2],
        X[:1],
    ],
    ids=["constant", "collinear", "wide", "outlier", "two rows", "one row"],
)
def test_odd_tables_get_a_sane_model(x):
    y = np.sin(x[:, :1]) + 0.1 * RNG.standard_normal((len(x), 1))
    result = auto_fit(Samples(x, y, np.ones(len(x))), SearchSettings())
    far = np.clip(np.full((1, x.shape[1]), 1e9), *result.limits.T)
    predicted = result.model(torch.from_numpy(np.r_[x, far])).detach().numpy()
    assert np.isfinite(predicted).all() and np.abs(predicted).max() < 100 * (1 + np.abs(y).max())


def test_the_coefficients_of_the_chosen_model_are_those_of_the_fit_to_all_rows():
    x = np.random.default_rng(0).uniform(-1, 1, (150, 2))
    y = np.sin(3 * x[:, :1]) + 0.3 * np.random.default_rng(1).standard_normal((150, 1))
    settings = SearchSettings(family=Huber(), effort="low")
    result = auto_fit(Samples(x, y, np.ones(150)), settings)
    assert result.search.chosen_trial.parameters == np.count_nonzero(result.fitted.model.coef)
    trials = (Trial("constant", 1.0, 0.1, 1, 5), Trial("additive", 0.2, 0.1, 40, 5, taken=True))
    report = SearchReport("additive", trials, (), 5, 0.0, StopReason.CONVERGED).with_coefficients(38)
    assert [trial.parameters for trial in report.trials] == [1, 38]
