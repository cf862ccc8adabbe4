"""Tests of edgewise.search.stages.given: networks of which the user has fixed something."""

import numpy as np
import pytest

from edgewise.gam.families.exponential import Gaussian
from edgewise.outcomes import Budget
from edgewise.search.candidates import Samples
from edgewise.search.nested import Search
from edgewise.search.policy import SearchSettings

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (120, 2))
Y = np.sin(3 * X[:, :1]) + X[:, 1:] ** 2 + 0.3 * RNG.standard_normal((120, 1))


def searched(**settings):
    samples = Samples(X, Y - Y.mean(), np.ones(120))
    search = Search(samples, Gaussian(), SearchSettings(**settings), Budget())
    return search, search.run()


@pytest.mark.nightly
def test_folds_choose_the_strength_that_was_left_open():
    search, report = searched(hidden=(2,), grid_size=4)
    assert report.trials[0].name == "constant" and len(report.trials) > 2 and report.folds == 3
    assert report.chosen_trial.name == report.chosen and report.chosen.startswith("1 hidden layer of 2 nodes, grid 4")
    assert search.final().network.shape == search.best.shape


def test_a_network_of_which_all_is_given_has_no_folds():
    search, report = searched(hidden=(), grid_size=3, strength=1e-3)
    assert report.folds == 0 and "Shape, grid and regularisation were given." in report.sentences
    assert search.final().network.model.config.width == (2, 1)
