"""Wide tables: the inputs that matter get their curves, and noise is not fitted."""

import numpy as np
import pytest
from scipy.stats import binom, chi2

from edgewise.gam import AdditivePolicy, fit_additive
from edgewise.gam.pairs import least_worth


def _wide(rows, inputs, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((rows, inputs))
    clean = 3 * np.sin(5 * x[:, 0]) + 12 * (x[:, 1] - 0.5) ** 2 + 2 * x[:, 2]
    return x, clean, clean + 0.5 * rng.standard_normal(rows)


def test_inputs_that_matter_are_found_among_many():
    x, clean, y = _wide(200, 60)
    model = fit_additive(x, y, pairs=(), policy=AdditivePolicy(most_inputs=10))
    assert sum(bool(curves.kinds) for curves in model.design.curves) == 10
    assert np.mean((model.predict_link(x)[:, 0] - clean) ** 2) < 0.03 * clean.var()
    assert model.to_kan().layers[0].in_features == 60


def test_more_inputs_than_rows_do_not_interpolate():
    x, clean, y = _wide(100, 80, seed=1)
    model = fit_additive(x, y, pairs=())
    assert model.fits[0].total_edf < 40
    assert 0.1 < model.dispersion[0] < 0.5  # 0.25 is the truth
    assert np.mean((model.predict_link(x)[:, 0] - clean) ** 2) < 0.1 * clean.var()


def test_a_chosen_pair_needs_no_curves():
    x, _, y = _wide(100, 20)
    model = fit_additive(x, y, pairs=[(0, 19)], policy=AdditivePolicy(most_inputs=4))
    assert model.pairs == ((0, 19),) and np.isfinite(model.predict_link(x)).all()


@pytest.mark.parametrize("tests", [1, 45])
def test_a_pair_wins_by_chance_at_the_level_divided_by_the_number_of_tests(tests):
    """Of four variances without an effect each is zero with probability one half."""
    worth = least_worth(tests, AdditivePolicy(pair_level=0.03))
    degrees = np.arange(1, 5)
    assert binom.pmf(degrees, 4, 0.5) @ chi2.sf(worth, degrees) == pytest.approx(0.03 / tests)
