"""The four drawings: what is drawn for each weight, edge and node."""

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection, PolyCollection

from edgewise import KAN
from edgewise.errors import InputError
from edgewise.nn import MLP
from edgewise_experiments.plots.four import Network, four_networks


@pytest.mark.slow
def test_four_networks():
    x = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    models = {
        "KAN, deep": KAN([2, 2, 1, 1], dtype=torch.float64),
        "KAN, shallow": KAN([2, 5, 1], dtype=torch.float64),
        "MLP, deep": MLP([2, 4, 4, 1], dtype=torch.float64),
        "MLP, shallow": MLP([2, 5, 1], activation="tanh", dtype=torch.float64),
    }
    networks = [Network(name, model, model.trace(x), 1e-3) for name, model in models.items()]
    figure = four_networks(networks, names=("x", "y"))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title[:12] for title in titles] == ["(a) MLP, sha", "(b) KAN, sha", "(c) MLP, dee", "(d) KAN, dee"]
    a, b = figure.axes[:2]
    assert len(a.lines) == 15
    weight = models["MLP, shallow"].layers[0].weight
    assert [line.get_linestyle() == "-" for line in a.lines[:10]] == (weight >= 0).flatten().tolist()
    frames = [each for each in b.collections if isinstance(each, PolyCollection)]
    assert [len(each.get_paths()) for each in frames] == [10, 5]
    wires = [each for each in b.collections if isinstance(each, LineCollection) and len(each.get_segments()[0]) == 2]
    assert [len(each.get_segments()) for each in wires] == [20, 10]
    assert any("relative error 1.0e-03" in text.get_text() for text in b.texts)
    with pytest.raises(InputError, match="at least one network"):
        four_networks([], names=())


def test_a_tanh_is_drawn_as_it_is():
    model = MLP([1, 1, 1], activation="tanh", dtype=torch.float64)
    with torch.no_grad():
        model.layers[0].weight.fill_(3.0)
    x = torch.linspace(-1, 1, 11, dtype=torch.float64)[:, None]
    (axes, _) = four_networks([Network("MLP, shallow", model, model.trace(x), 0.5)], names=("x",)).axes
    curves = [each for each in axes.collections if isinstance(each, LineCollection)]
    heights = curves[0].get_segments()[0][:, 1]
    expected = np.tanh(np.linspace(-3, 3, 41))
    assert np.corrcoef(heights, expected)[0, 1] == pytest.approx(1)
