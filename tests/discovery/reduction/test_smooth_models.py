"""The Gaussian process against exact derivatives, finite differences and a fit without the row that it predicts."""

import numpy as np
import pytest

from edgewise.discovery.reduction.smooth_models import _conditioned, _row_noise, fit_smooth_model


def rows_of(function, inputs, count=90, seed=0):
    x = np.random.default_rng(seed).uniform(1.0, 2.0, (count, inputs))
    return x, function(x)


def test_gradients_and_second_derivatives_are_those_of_the_law():
    x, y = rows_of(lambda x: np.sin(2 * x[:, 0]) * x[:, 1] - 3, 2)
    model = fit_smooth_model(x, y)
    slopes = model.gradient(x) * (y[:, None] if model.scales.log_target else 1.0)
    exact = np.column_stack([2 * np.cos(2 * x[:, 0]) * x[:, 1], np.sin(2 * x[:, 0])])
    assert np.abs(slopes - exact).max() < 2e-3
    step = 1e-4 * np.eye(2)
    z = model.scales.slopes(x)
    for i in range(2):
        numeric = (model.gradient(x + step[i]) / model.scales.slopes(x + step[i])) - (
            model.gradient(x - step[i]) / model.scales.slopes(x - step[i])
        )
        numeric = numeric / (2e-4 * z[:, [i]] * model.scales.target_width)
        assert np.abs(model.scaled_hessian(x)[:, i] - numeric).max() < 1e-4


def test_left_out_errors_are_those_of_a_fit_without_the_row():
    x, y = rows_of(lambda x: np.exp(x[:, 0]) / x[:, 1], 2, 60)
    y = y + 0.1 * np.random.default_rng(1).standard_normal(len(y))
    model = fit_smooth_model(x, y)
    kept = np.delete(model.chosen, 7)
    noise = _row_noise(y, None, model.scales, model.chosen)
    without = _conditioned(x, y, np.delete(noise, 7), model.scales, model.groups, model.parameters, kept)
    row = model.chosen[[7]]
    assert (y[row] - without.predict(x[row]))[0] == pytest.approx(model.left_out[7], rel=1e-5)
    assert 0.05 < model.noise < 0.2
