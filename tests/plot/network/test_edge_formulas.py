"""Formulas on elementary edges are short and fit between the edges."""

import torch

from edgewise.interpret.symbolic.from_formula_text import from_formula
from edgewise.interpret.transform.resize import widen
from edgewise.nn.model import KAN
from edgewise.plot import network_diagram
from edgewise.plot.network.layout import GRAPH_EDGES


def texts(model, **settings):
    x = torch.rand(50, model.config.width[0], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    figure = network_diagram(model, model.trace(x), **settings)
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_formula_of_each_edge():
    found = texts(from_formula("exp(sin(pi*x) + 2.5*y**2)"), names=["x", "y"])
    for text in (r"$\sin\left(\pi x\right)$", "$2.5 y^{2}$", r"$\exp\left(u\right)$"):
        assert text in found
    assert r"$\sin\left(\pi x_{1}\right)$" in texts(from_formula("exp(sin(pi*x) + 2.5*y**2)"))


def test_a_long_name_gives_way_to_u_and_a_long_formula_to_its_function():
    found = texts(from_formula("sin(3.123456*x + 2.5)"), names=["the temperature of the room"])
    assert any(text.startswith(r"$\sin\left(3.1") and "u" in text for text in found)
    assert "x" not in "".join(found[:-2])
    found = texts(from_formula("123456789.5*1/cosh(3.123456*x*y + 2.5e-12) + 1.2e9"), names=["x", "y"])
    assert found


def test_splines_and_large_networks_have_none():
    assert not [text for text in texts(KAN([2, 3, 1], dtype=torch.float64)) if "u" in text]
    wide = widen(from_formula("exp(sin(pi*x) + y**2)"), GRAPH_EDGES)
    assert r"$\exp\left(u\right)$" not in texts(wide)
