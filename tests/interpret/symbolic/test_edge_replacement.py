"""Edges are put in and taken out without a change of the rest."""

import pytest
import torch

from edgewise.formulas.curve_fits import EdgeFit
from edgewise.interpret.symbolic.snapping import with_edge, with_spline
from edgewise.nn.layers.symbolic import MixedLayer, SymbolicLayer
from edgewise.nn.model import KAN

X = 2 * torch.rand(400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1


@pytest.fixture
def model():
    return KAN([2, 1, 1], 6, seed=1, domain=(-1, 1), dtype=torch.float64)


def test_one_edge_at_a_time(model):
    grown = with_edge(model, (0, 1, 0), EdgeFit("sin", 2.0, 0.1, 3.0, -1.0, 0.0, 1))
    before, after = model.layers[0].edges(X), grown.layers[0].edges(X)
    assert torch.equal(before[:, 0], after[:, 0])
    assert torch.allclose(after[:, 1, 0], 3 * torch.sin(2 * X[:, 1] + 0.1) - 1)
    assert isinstance(grown.layers[0], MixedLayer)
    gone = with_edge(grown, (0, 0, 0), EdgeFit("0", 0.0, 0.0, 0.0, 0.7, 1.0, 0))
    assert torch.allclose(gone.layers[0](X), after[:, 1] + 0.7)
    assert gone.config.functions[0] == (("0",), ("sin",))


def test_a_function_is_a_spline_again(model):
    places = [(0, 0, 0), (0, 1, 0), (1, 0, 0)]
    for place in places:
        model = with_edge(model, place, EdgeFit("sin", 2.0, 0.1, 1.0, -1.0, 0.0, 1))
    for place in places:
        free = with_spline(model, place, X, grid_size=12, degree=3)
        assert isinstance(free.layers[place[0]], MixedLayer) and isinstance(model.layers[place[0]], SymbolicLayer)
        with torch.no_grad():
            assert (free(X) - model(X)).abs().max() < 0.05 * model(X).std()
        again = with_edge(free, place, EdgeFit("sin", 2.0, 0.1, 1.0, -1.0, 0.0, 1))
        with torch.no_grad():
            assert torch.equal(again(X), model(X))
