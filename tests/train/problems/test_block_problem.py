"""Problems of blocks alone: a boundary value problem, and one with an unknown coefficient, by every method."""

import pytest
import torch

from edgewise.nn.model import KAN
from edgewise.settings import FORWARD_CHUNK_NUMBERS
from edgewise.train.blocks import Data, ResidualBlock
from edgewise.train.loop.fitting import fit
from edgewise.train.methods.base import Adam
from edgewise.train.methods.quasi_newton import LBFGS
from edgewise.train.objective import Objective
from edgewise.train.problems import BlockProblem

ONE = torch.ones(1, 1, dtype=torch.float64)


def oscillator(**unknowns):
    """u'' = -k u on [0, 1], u(0) = 0 and u(1) = sin 2, and where k is unknown (it is 4) the solution at 30 points."""
    x = torch.linspace(0, 1, 30, dtype=torch.float64)[:, None]
    k = unknowns.get("k", torch.tensor(4.0, dtype=torch.float64))

    def equation(jet, part, more=None):
        return jet[2] + (k if more is None else more["k"][:, None]) * jet[0]

    def value(jet, part, more=None):
        return jet[0] - part.y

    ends = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    blocks = [
        ResidualBlock("equation", Data(x, x), equation, 0.01, ONE, 2),
        ResidualBlock("ends", Data(ends, (2 * ends).sin()), value),
    ]
    if unknowns:
        blocks.append(ResidualBlock("measured", Data(x, (2 * x).sin()), value))
    return BlockProblem(blocks, unknowns)


def unknown(value):
    return torch.nn.Parameter(torch.tensor(value, dtype=torch.float64))


def model():
    return KAN([1, 1], 4, degree=5, domain=(0, 1), dtype=torch.float64)


def test_the_loss_is_the_sum_over_blocks_in_any_chunks():
    problem, network = oscillator(k=unknown(3.0)), model()
    expected = sum(float(b.loss(network, b.data, problem.unknowns).detach()) for b in problem.blocks())
    for rows in (7, 1000):
        objective = Objective(network, problem, numbers=FORWARD_CHUNK_NUMBERS // rows)
        assert list(objective.parameters)[-1] == "unknowns.k"
        assert objective.evaluate(problem.train).loss == pytest.approx(expected, rel=1e-13)
        assert objective.backward(problem.train).loss == pytest.approx(expected, rel=1e-13)
        gradient = float(problem.unknowns["k"].grad)
        step = 1e-6
        ahead = oscillator(k=unknown(3.0 + step))
        slope = (sum(float(b.loss(network, b.data, ahead.unknowns).detach()) for b in ahead.blocks()) - expected) / step
        assert gradient == pytest.approx(slope, rel=1e-4)


def test_the_best_unknown_is_kept_and_resumed():
    states, k = [], unknown(1.0)
    fit(model(), oscillator(k=k), LBFGS(), steps=6, callbacks=[lambda event: states.append(event.state())])
    again = unknown(7.0)
    report = fit(model(), oscillator(k=again), LBFGS(), steps=3, resume=states[2])
    assert report.steps == 3
    assert float(again.detach()) == float(states[2]["model"]["unknowns.k"])
    other = unknown(7.0)
    fit(model(), oscillator(k=other), Adam(lr=10.0), steps=1)  # a step that makes it worse
    assert float(other.detach()) == 7.0
