"""Small fits take one thread and leave the setting as it was, also after an error."""

import pytest
import torch

from edgewise import KAN, Regression, fit
from edgewise.nn import MLP
from edgewise.train import LBFGS
from edgewise.train.loop import threads
from edgewise.train.loop.threads import threads_for


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def problem(rows):
    x = torch.rand(rows, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Regression(x, x[:, :1])


def test_one_thread_for_small_steps_only(two_threads, monkeypatch):
    model, seen = KAN([2, 1], dtype=torch.float64), []
    report = fit(model, problem(50), LBFGS(), steps=2, callbacks=[lambda _: seen.append(torch.get_num_threads())])
    assert set(seen) == {1} and torch.get_num_threads() == 2 and report.plan["threads"] == 1
    monkeypatch.setattr(threads, "SMALL_STEP", 0.0)
    with threads_for(model, problem(50)):
        assert torch.get_num_threads() == 2


def test_an_error_restores_the_number(two_threads):
    with pytest.raises(RuntimeError), threads_for(MLP([2, 3, 1]), problem(20)):
        raise RuntimeError
    assert torch.get_num_threads() == 2
