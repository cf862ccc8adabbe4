"""The experiment under noise: its samples, its models, its summary."""

import numpy as np
import pytest

from edgewise_experiments import experiments, load_experiment
from edgewise_experiments.accuracy import noise
from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS
from edgewise_experiments.runner.store import Store


def test_the_equations_are_the_first_ten():
    assert experiments()["noise"].startswith("Noisy samples of ten Feynman equations")
    assert load_experiment("noise") is noise
    assert noise.EQUATIONS[:3] == ("I.6.2", "I.6.2b", "I.12.11") and noise.EQUATIONS[-1] == "I.29.16"
    assert len(noise.EQUATIONS) == 10 and "I.9.18" not in noise.EQUATIONS


def test_the_noise_is_five_per_cent():
    target = FEYNMAN_EQUATIONS["I.12.11"]
    X, y, spread = noise.noisy_samples(target, 0)
    assert (X.shape, y.shape) == ((500, 2), (500,))
    assert spread == pytest.approx(np.sqrt(1 / 6), rel=0.02)  # of a sin(theta), a in [-1, 1]
    assert np.std(y - target(X)) / spread == pytest.approx(0.05, rel=0.1)
    assert not np.array_equal(noise.noisy_samples(target, 1)[1], y)


def rows_of(errors):
    return [
        {
            "problem": problem,
            "seed": seed,
            "model": model,
            "samples": 500,
            "noise": 0.05,
            "relative": error,
            "parameters": 10,
            "seconds": 2.0,
            "cpu_seconds": 3.0,
        }
        for problem, models in errors.items()
        for model, each in models.items()
        for seed, error in enumerate(each)
    ]


@pytest.mark.slow
def test_rows_of_other_settings_are_not_taken_as_done(monkeypatch):
    monkeypatch.setattr(noise, "QUICK", noise.EQUATIONS[:1])
    monkeypatch.setattr(noise, "MODELS", {"smoothing spline": noise.MODELS["smoothing spline"]})
    store, other = Store(None), {"smoothing spline": {"intervals": {"2": [4, 8]}}}
    for settings, rows in ((noise.SETTINGS, 1), (noise.SETTINGS, 1), (other, 2)):
        monkeypatch.setattr(noise, "SETTINGS", settings)
        monkeypatch.setattr(noise, "summary", lambda rows: rows)
        noise.run(quick=True, store=store, seeds=None, progress=lambda update: None)
        assert len(store.rows) == rows


def test_summary():
    others = {"boosting": [0.2] * 3, "MLP": [0.04, 0.05, 0.06], "smoothing spline": [0.03] * 3}
    rows = rows_of({"a": {"KAN": [0.02, 0.01, 0.5], **others}, "b": {"KAN": [0.04, None, 0.01], **others}})
    stale = {**rows[0], "relative": 0.9}
    outcome = noise.summary([stale, *rows])
    assert outcome.tables[0].rows == (
        ("a", "2.00", "20.00", "5.00", "3.00", "10", "2.0"),
        ("b", "4.00", "20.00", "5.00", "3.00", "10", "2.0"),
    )
    figures = outcome.key_figures
    assert figures["equations for which the KAN has the lowest error"] == "1 of 2"
    assert (figures["noise"], figures["seeds"]) == ("5 %", "3")
    fewer = [row for row in rows if row["problem"] == "a" or row["seed"] == 0]
    assert noise.summary(fewer).key_figures["seeds"] == "1 to 3"


def test_without_rows_there_is_nothing_to_show():
    assert noise.summary([]).tables == ()
