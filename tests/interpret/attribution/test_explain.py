"""Explanations name what matters, in words that hold."""

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.interpret.attribution.explanations import explain_global, explain_local


def rows(count=300):
    return np.random.default_rng(0).uniform(-1, 1, (count, 4))


def function(X):
    return 3 * X[:, 0] * X[:, 1] + X[:, 2] + 10


def test_global():
    found = explain_global(function, rows(), names=["a", "b", "c", "d"], outputs=["price"])
    assert found.importance[3] == 0 and (found.importance[:3] > 0.3).all()
    assert {effect.input for effect in found.effects[:3]} == {0, 1, 2}
    assert found.interactions[0, 1] > 0.7 and found.interactions[2:].max() < 1e-9
    text = " ".join(found.sentences)
    assert "price rises" in text and "hardly moves on average" in text
    assert "Without any influence: d." in text and "a and b interact: " in text
    np.testing.assert_allclose(found.local.base + found.local.shares.sum(1), found.local.prediction, atol=1e-12)


def test_local_sentences_and_several_outputs():
    X = rows()
    local = explain_local(lambda X: np.stack([function(X), -X[:, 3]], 1), X[:5], X, outputs=["big", "small"])
    assert local.sentence(0).startswith("big ") and " on average, " in local.sentence(0)
    assert local.sentence(0, 1).startswith("small ")
    assert local.sentence(2, 0, most=1).endswith("for the others.")
    assert local.names == ("x1", "x2", "x3", "x4")


def test_additive_functions_and_infinite_predictions():
    found = explain_global(lambda X: -X[:, 0] + X[:, 1] ** 2, rows())
    assert "y falls (from 1." in found.sentences[0] and "then rises (between " in found.sentences[1]
    assert found.sentences[-1].startswith("The inputs act nearly one by one")
    with np.errstate(invalid="ignore"):
        explain_global(lambda X: np.where(X[:, 0] > 0, np.inf, X[:, 1]), rows())


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="at least two different rows"):
        explain_local(function, rows()[:1])
    with pytest.raises(InputError, match="names must hold 4 names"):
        explain_local(function, rows(), names=["a"])
