"""An EBM and a GAM on small tables whose functions add up."""

import numpy as np
import pytest

from edgewise_experiments.tables import additive_models
from edgewise_experiments.tables.additive_models import PACKAGES, additive_model, is_installed, is_too_large

RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, (240, 2))
Y = np.sin(2 * X[:, 0]) + X[:, 1] ** 2
CLASSES = np.digitize(Y, [0.5, 2.0])


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize(("task", "y"), [("regression", Y), ("classification", CLASSES), ("classification", Y > 1)])
def test_what_adds_up_is_learned(name, task, y, monkeypatch):
    if not is_installed(name):
        pytest.skip(f"{PACKAGES[name]} is not installed")
    monkeypatch.setitem(additive_models.EBM, "outer_bags", 2)
    found, parameters, seconds = additive_model(name, task, X[:160], y[:160], X[160:], y[160:], 0)
    assert next(iter(found.values())) > 0.8
    assert parameters > 4
    assert seconds > 0


def test_a_gam_of_digits_is_too_large():
    assert is_too_large(np.zeros((1400, 64)), np.arange(1400) % 10, "classification")
    assert not is_too_large(np.zeros((1400, 30)), np.arange(1400) % 2, "classification")
