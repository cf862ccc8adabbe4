"""Tables without a law, whole searches: the answer is a sentence and the best short formula, no imitation of a step."""

import numpy as np
import pytest
from tests.night import at_night

from edgewise import find_formula
from edgewise.discovery import finder


def step_in_two_inputs(a, b, random):
    return ((a > 0.3) & (b > -0.2)) * 1.0


def gaussian_process(a, b, random):
    """A draw with lengths of 0.3: many bumps in the box."""
    squares = (a[:, None] - a) ** 2 + (b[:, None] - b) ** 2
    kernel = np.exp(-squares / (2 * 0.3**2)) + 1e-8 * np.eye(len(a))
    return np.linalg.cholesky(kernel) @ random.normal(size=len(a))


def forest(a, b, random):
    """Predictions of trees that were fitted to a draw of the process."""
    from sklearn.ensemble import RandomForestRegressor

    x = np.column_stack([a, b])
    return RandomForestRegressor(30, random_state=0).fit(x, gaussian_process(a, b, random)).predict(x)


def assert_no_law(table):
    random = np.random.default_rng(1)
    x = random.uniform(-1, 1, (300, 2))
    front = find_formula(x, table(*x.T, random), names=["a", "b"])
    said = [message for message in front.messages if message.startswith("No short law was found: the best of ")]
    assert len(said) == 1 and "of what a smooth model of all inputs explains" in said[0], front
    assert front.best.complexity <= 20
    assert not any(function in str(front.best.formula) for function in ("tanh", "atan")), front


@pytest.mark.slow
@pytest.mark.parametrize("table", [step_in_two_inputs, *at_night(forest)])
def test_a_table_without_a_law_is_called_so(table, monkeypatch):
    monkeypatch.setattr(finder, "USUAL_SECONDS", 2.0)
    assert_no_law(table)
