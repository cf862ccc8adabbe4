"""The family of the highest likelihood."""

import numpy as np
import pytest

from edgewise import KANRegressor, load, save
from edgewise.gam.family_choice import likeliest
from edgewise.gam.policy import AdditivePolicy

DRAWS = {
    "squared": lambda mean, rng: mean + rng.standard_normal(len(mean)),
    "poisson": lambda mean, rng: rng.poisson(mean),
    "negative_binomial": lambda mean, rng: rng.poisson(mean * rng.gamma(1.5, 1 / 1.5, len(mean))),
    "log": lambda mean, rng: mean * np.exp(0.7 * rng.standard_normal(len(mean))),
    "gamma": lambda mean, rng: rng.gamma(1.2, mean / 1.2),
    "tweedie": lambda mean, rng: rng.gamma(2.0 * np.maximum(rng.poisson(mean / 2), 1e-9), 1.0),
}


def table(name):
    rng = np.random.default_rng(0)
    x = rng.random((500, 2))
    y = np.asarray(DRAWS[name](np.exp(1 + np.sin(6 * x[:, 0])), rng), float)
    return x, np.where(y < 1e-6, 0.0, y) if name == "tweedie" else y


@pytest.mark.parametrize("name", DRAWS)
def test_the_family_that_drew_the_targets_is_found(name):
    x, y = table(name)
    family, scores = likeliest(x, y, np.ones(500), AdditivePolicy())
    assert family.name == name and (not scores or min(scores, key=scores.get) == name)


def test_a_pair_is_part_of_the_choice():
    """Without it the counts look overdispersed, and the product like curves of the logarithm."""
    rng = np.random.default_rng(11)
    x = rng.uniform(-1, 1, (500, 2))
    counts = rng.poisson(np.exp(1 + 1.5 * x[:, 0] * x[:, 1])).astype(float)
    assert likeliest(x, counts, np.ones(500), AdditivePolicy())[0].name == "poisson"
    positive = np.maximum(0.5 + 1.5 * ((1 + x).prod(1)) ** 2 + 0.8 * rng.standard_normal(500), 0.02)
    assert likeliest(x, positive, np.ones(500), AdditivePolicy())[0].name == "squared"


def test_the_estimator_names_the_loss_and_keeps_it(tmp_path):
    x, y = table("poisson")
    model = KANRegressor(loss="auto", effort="low").fit(x, y)
    same = KANRegressor(loss="poisson", effort="low").fit(x, y)
    assert model.loss_ == "poisson" and model.search_.sentences[0].startswith(
        "The loss is 'poisson' (Poisson distribution, log link), which has the least"
    )
    assert np.array_equal(model.predict(x), same.predict(x))
    assert np.array_equal(model.predict_interval(x), same.predict_interval(x))
    save(model, tmp_path / "counts.kan")
    again = load(tmp_path / "counts.kan")
    assert again.loss == "auto" and again.loss_ == "poisson" and np.array_equal(again.predict(x), model.predict(x))


def test_a_model_of_the_logarithm_stands_beside_lines_of_the_logarithm_in_its_summary():
    x, y = table("log")
    model = KANRegressor(loss="auto").fit(x, y)
    assert model.loss_ == "log" and "ahead of a linear model" in str(model.summary())


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["negative_binomial", "auto"])
def test_a_product_in_the_rate_of_overdispersed_counts_is_found(loss):
    """Richer candidates have a larger theta, whose deviance of the same predictions is larger."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 2))
    mean = np.exp(1 + 1.5 * x[:, 0] * x[:, 1])
    y = rng.poisson(mean * rng.gamma(2.0, 1 / 2.0, 400))
    model = KANRegressor(loss=loss).fit(x, y)
    assert model.loss_ == "negative_binomial" and "pairs" in model.search_.chosen
    assert np.corrcoef(model.predict(x), mean)[0, 1] > 0.95
