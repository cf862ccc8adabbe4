"""Ctrl-C at random moments of long work is answered within three seconds, with an error or with the best result so far.

The seconds are the smaller of wall time and processor time, so that a busy machine makes no test fail.
"""

import signal
import time

import numpy as np
import pytest
import torch

from edgewise import KAN, KANRegressor, Regression, find_formula, fit
from edgewise.pde import solve
from edgewise.train import LBFGS
from edgewise_experiments.problems.named_equations import named_equation
from tests.night import at_night

MOMENTS = 2
LATEST = 2.0  # seconds after the beginning
ALLOWED = 3.0
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(3000, 6))
Y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + np.exp(0.3 * X[:, 3]) + 0.3 * DRAW.normal(size=3000)


def network():
    model = KAN([6, 8, 1], grid_size=10, dtype=torch.float64, seed=0)
    fit(model, Regression(torch.from_numpy(X), torch.from_numpy(Y[:, None])), LBFGS(), steps=100_000)


QUICK = ("fit of a network", "search of a model")
KINDS = {
    "fit of a network": network,
    "search of a model": lambda: KANRegressor(effort="high").fit(X, Y),
    "search of formulas": lambda: find_formula(X, Y, time_limit=60),
    "solve, nonlinear": lambda: solve(named_equation("cavity").make()),
    "solve, in time": lambda: solve(named_equation("allen-cahn").make()),
}


def answer(work, moment):
    """Interrupt work after some seconds; return how many it then goes on, None if it has ended before."""
    sent = None

    def interrupt(number, frame):
        nonlocal sent
        sent = time.monotonic(), time.process_time()
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, moment)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    return None if sent is None else min(time.monotonic() - sent[0], time.process_time() - sent[1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers of POSIX")
@pytest.mark.parametrize("kind", at_night(*KINDS, but=QUICK))
def test_ctrl_c_is_answered_within_three_seconds(kind):
    moments = np.random.default_rng(len(kind)).uniform(0.02, LATEST, MOMENTS)
    answers = [answer(KINDS[kind], moment) for moment in moments]
    assert any(seconds is not None for seconds in answers), "the work ends before all moments"
    assert max(seconds or 0.0 for seconds in answers) < ALLOWED, answers
