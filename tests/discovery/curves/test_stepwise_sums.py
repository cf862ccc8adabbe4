"""Forward selection finds the terms, is least squares, and copes with columns that add nothing."""

import numpy as np

from edgewise.discovery.curves.simple_forms import stepwise_sums
from edgewise.formulas.constants import mean_squared_error
from edgewise.formulas.expression import complexity, evaluate, used_variables


def table(columns=5, rows=150):
    return np.random.default_rng(0).uniform(0.5, 2, (rows, columns))


def test_the_terms_of_a_sum_are_found_in_the_order_of_their_worth():
    x = table()
    y = 3 * x[:, 0] / x[:, 1] + 0.5 * np.log(x[:, 2]) - 0.1 * x[:, 3] * x[:, 4] + 7
    exact = [node for node in stepwise_sums(x, y) if mean_squared_error(node, x, y) < 1e-20]
    assert exact and used_variables(exact[0]) == [0, 1, 2, 3, 4]
    assert complexity(exact[0]) <= 20


def test_each_sum_is_the_least_squares_fit_of_its_terms():
    x = table()
    y = np.sin(3 * x[:, 0]) + x[:, 1] ** 2
    for node in list(stepwise_sums(x, y))[:3]:
        residual = y - evaluate(node, x)
        assert abs(residual.sum()) < 1e-9
        assert abs(residual @ x[:, used_variables(node)[0]]) < 1e-8


def test_constant_equal_and_negative_columns():
    x = np.stack([np.ones(60), np.linspace(-1, 1, 60), np.linspace(-1, 1, 60)], 1)
    y = x[:, 1] ** 3 - 2
    found = list(stepwise_sums(x, y))
    assert all(np.isfinite(evaluate(node, x)).all() for node in found)
    assert min(mean_squared_error(node, x, y) for node in found) < 1e-20
    assert list(stepwise_sums(x[:, :1], y)) == []
