"""Progress of a fit is reported, and reporting does not hinder pickling."""

import io
import logging
import pickle
import sys

import numpy as np

from edgewise import KANRegressor

X = np.random.default_rng(0).uniform(-1, 1, (40, 2))
Y = X[:, 0] ** 2
FAST = {"effort": "low"}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_line_on_a_terminal_and_stages_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with caplog.at_level(logging.INFO, logger="edgewise"):
        KANRegressor(verbose=1, **FAST).fit(X, Y)
    assert "\rKANRegressor [" in sys.stderr.getvalue()
    assert caplog.messages[0].startswith("KANRegressor: ") and "ended after" in caplog.messages[-1]


def test_a_model_with_a_callback_is_pickled_without_it():
    seen = []
    model = KANRegressor(**FAST)._fit_with(X, Y, progress=lambda at: seen.append(at))
    again = pickle.loads(pickle.dumps(model))
    assert seen and (again.predict(X) == model.predict(X)).all()
