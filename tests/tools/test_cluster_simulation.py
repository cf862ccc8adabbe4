"""The simulated cluster of the benchmarks against cases that can be counted by hand."""

import runpy
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "cluster.py"


@pytest.fixture(scope="module")
def tool():
    return runpy.run_path(str(PATH))


class Known:
    """Random numbers that are known: which workers are slow, and when each is lost, and later ones or none."""

    def __init__(self, slow, losses, later=()):
        self.slow, self.losses, self.later = slow, losses, list(later)

    def exponential(self, mean, size=None):
        return np.array(self.losses) if size is not None else self.later.pop(0) if self.later else 1e9

    def normal(self, size):
        return np.zeros(size)

    def random(self, size):
        return np.where(self.slow, 0.0, 1.0)


def test_workers_that_are_alike_and_never_lost_divide_the_work(tool):
    cluster = tool["Cluster"](workers=8, spread=0.0, slow=0.0, bandwidth=np.inf)
    fit = tool["Fit"]("", begin=3.0, again=1.0, passes=5, work=80.0, numbers=1e6, alone=2.0)
    random = np.random.default_rng(0)
    assert cluster.in_processes(random, fit) == pytest.approx(3 + 5 * (10 + 2))
    assert cluster.in_partitions(random, fit, pieces=4) == pytest.approx(3 + 5 * (10 + 2))


def test_a_fit_goes_on_after_its_last_whole_pass(tool):
    cluster = tool["Cluster"](workers=2, spread=0.0, slow=0.5, lifetime=1.0, restart=100.0, bandwidth=np.inf)
    fit = tool["Fit"]("", begin=3.0, again=1.0, passes=3, work=20.0, numbers=0.0, alone=2.0)
    random = Known([False, False], [], later=[1e9, 4.0, 5.0])  # the second pass is lost twice
    assert cluster.in_processes(random, fit) == pytest.approx(3 + 12 + (4 + 101) + (5 + 101) + 2 * 12)


@pytest.mark.parametrize(
    ("slow", "losses", "pieces", "seconds"),
    [
        ([False, False], [99.0, 99.0], 4, 10.0),
        # Of 8 pieces of 2.5 s one has 3 and the other 3 at 7.5 s; the other makes 5 more, those of the lost one too.
        ([False, False], [9.0, 99.0], 4, 20.0),
        # Of 6 pieces the quick one makes 4, until 13.3 s, and the slow one 2, until 20 s.
        ([False, True], [99.0, 99.0], 3, 20.0),
        # The quick one is lost while it waits: the slow one makes its 4 pieces again, each in 10 s.
        ([False, True], [16.0, 99.0], 3, 60.0),
    ],
)
def test_the_pieces_of_a_worker_that_is_lost_are_done_again(tool, slow, losses, pieces, seconds):
    cluster = tool["Cluster"](workers=2, spread=0.0, slow=0.5, lifetime=1.0, restart=100.0, bandwidth=np.inf)
    fit = tool["Fit"]("", begin=0.0, again=0.0, passes=1, work=20.0, numbers=0.0, alone=0.0)
    assert cluster.in_partitions(Known(slow, losses), fit, pieces) == pytest.approx(seconds)
