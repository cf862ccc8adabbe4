"""Tests of the stage of a network with hidden layers: when it is tried, and what it finds."""

import numpy as np

from edgewise.gam.families.exponential import Gaussian
from edgewise.search.candidates import Samples
from edgewise.search.nested import Search
from edgewise.search.policy import SearchPolicy, SearchSettings

# One hidden layer, no polynomial, no mean of models and one strength, for speed.
POLICY = SearchPolicy(deep_shape=(3,), smooth_rows=0, bag_rows=0, network_most_shrinkage=1.0)
RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, (400, 3))
NOISE = 0.05 * RNG.standard_normal(400)


def searched(y, x=X, blocks=None, **settings):
    y = (y - y.mean()) / y.std()
    samples = Samples(x, y[:, None], np.ones(len(x)), blocks=blocks)
    search = Search(samples, Gaussian(), SearchSettings(policy=POLICY, **settings))
    return search.run(), search.best


def test_a_function_of_the_distance_is_found_by_a_network():
    """It is no sum of functions of inputs and pairs, and no function of weighted sums."""
    report, best = searched(np.sin(3 * np.sqrt((X**2).sum(1))) + NOISE)
    assert best.shape is not None and best.shape.hidden == (3,)
    losses = {trial.name: trial.loss for trial in report.trials}
    assert losses[best.describe()] < losses["additive with pairs"] / 2


def test_no_network_is_tried_where_residuals_are_noise():
    report, best = searched(np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + 10 * NOISE)
    assert best.shape is None
    assert not any("hidden layer" in trial.name for trial in report.trials)


def test_no_network_is_tried_where_the_user_wants_an_additive_model():
    report, _ = searched(np.sin(3 * np.sqrt((X**2).sum(1))) + NOISE, hidden=())
    assert not any("hidden layer" in trial.name for trial in report.trials)


def test_no_network_is_tried_where_only_rows_of_one_group_are_alike():
    block = np.repeat(np.arange(40), 3)
    x = X[:40, :2][block] + 0.05 * X[:120, :2]
    y = 2 * np.sin(2 * x[:, 0]) + RNG.standard_normal(40)[block] + NOISE[:120]
    report, best = searched(y, x, block)
    assert best.additive
    assert not any("hidden layer" in trial.name for trial in report.trials)
