"""Edges read from outputs whose threshold and shape are known."""

import numpy as np
import pytest
import torch
from torch import nn

from edgewise_experiments.anderson.mobility_edges import best_cut, edge_in_strength, read_edge
from edgewise_experiments.data.anderson import CHAINS

GAAM = CHAINS["GAAM"]


class Margin(nn.Module):
    """A bent function of the exact edge's distance, above 1 where states are extended."""

    def forward(self, x):
        energy, strength, alpha = x.unbind(1)
        return 1 + torch.tanh(-3 * GAAM.edge(energy, strength, alpha))[:, None]


def states(count, seed):
    """Energies, strengths and alphas at random, and on which side of the exact edge they are."""
    random = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 3, generator=random, dtype=torch.float64)
    x = x * torch.tensor([5.0, 1.4, 1.6]) + torch.tensor([-2.5, 0.3, -0.8])
    return x, (GAAM.edge(*x.unbind(1)) < 0).long()


def test_the_edge_is_where_the_output_meets_the_threshold():
    x, _ = states(500, 0)
    rows, met = edge_in_strength(Margin(), 1.0, GAAM, x)
    assert 50 < len(rows) < 500
    torch.testing.assert_close(met, 1 - rows[:, 2] * rows[:, 0] / 2, rtol=0, atol=1e-4)
    assert float((met - rows[:, 1]).abs().max()) <= 0.2 * 1.4


def test_an_output_that_never_meets_it_has_no_edge():
    x, _ = states(100, 0)
    rows, met = edge_in_strength(Margin(), 5.0, GAAM, x)
    assert len(rows) == len(met) == 0


def test_an_output_that_rises_with_the_strength_has_no_such_edge():
    x, _ = states(100, 0)
    rows, _ = edge_in_strength(lambda x: x[:, 1:2], 1.0, GAAM, x)
    assert len(rows) == 0


@pytest.mark.slow
def test_the_exact_edge_is_read_as_a_short_formula():
    read = read_edge(Margin(), 1.0, GAAM, states(800, 0), states(400, 1), seed=0, time_limit=10)
    x, extended = states(1000, 2)
    assert read.accuracy(x, extended) > 0.995
    assert read.text.startswith("`lambda` < ") and read.symbols < 10


@pytest.mark.parametrize(
    ("values", "above", "cut"),
    [
        ([1.0, 2.0, 3.0, 4.0], [False, False, True, True], 2.5),
        ([4.0, 1.0, 3.0, 2.0], [True, False, False, True], 1.5),
        ([1.0, 2.0], [True, True], 0.0),
        ([1.0, 2.0], [False, False], 3.0),
        ([1.0, 1.0, 1.0], [False, True, True], 0.0),
    ],
)
def test_the_best_cut_by_hand(values, above, cut):
    assert best_cut(np.array(values), np.array(above)) == cut
