"""Network diagram: what is drawn, notes on what is left out, and no overlaps."""

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from edgewise.interpret.attribution.scores import input_scores
from edgewise.nn.model import KAN
from edgewise.plot import network_diagram
from edgewise.plot.network.diagram import _without_weak
from edgewise.plot.network.views import as_network_view
from edgewise.plot.style import render, styled

KNOTS = ("chern_simons", "hyperbolic_adjoint_torsion_degree", "Symmetry_Z/2 + Z/2", "volume")


def traced(width, rows=200, seed=0):
    model = KAN(width, seed=seed)
    return model, model.trace(torch.randn(rows, width[0], generator=torch.Generator().manual_seed(seed)))


def drawn(figure, gid):
    (found,) = (c for c in figure.axes[0].collections if c.get_gid() == gid)
    return found


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.slow
@pytest.mark.parametrize("width", [(2, 5, 1), (4, 3, 2, 1), (17, 5, 14), (30, 8, 1), (3, 1), (1, 1), (17, 3, 2, 4)])
def test_every_function_is_drawn_and_no_texts_overlap(width):
    model, trace = traced(width, 50)
    names = [f"{KNOTS[i % 4]}_{i}" for i in range(width[0])]
    figure = network_diagram(model, trace, names=names, outputs=[f"class {o}" for o in range(width[-1])])
    shown = (min(width[0], 24), *width[1:])
    assert len(drawn(figure, "functions").get_segments()) == sum(a * b for a, b in pairwise(shown))
    with styled():
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts if not text.get_rotation() % 90]
    to_page = figure.axes[0].transData
    curves = [Bbox(to_page.transform([s.min(0), s.max(0)])) for s in drawn(figure, "functions").get_segments()]
    assert not any(box.overlaps(curve) for box in boxes for curve in curves)
    page = figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    assert not any(a.shrunk(0.9, 0.6).overlaps(b.shrunk(0.9, 0.6)) for a, b in combinations(boxes, 2))
    assert figure.get_size_inches()[0] <= 8.6


def test_a_curve_is_the_edge_over_the_range_of_its_data_stretched_to_its_frame():
    model, trace = traced((1, 1))
    curve = drawn(network_diagram(model, trace), "functions").get_segments()[0]
    low, high = np.quantile(trace.inputs[0].numpy(), [0.005, 0.995])
    points = torch.linspace(float(low), float(high), len(curve))[:, None]
    value = model.layers[0](points).detach().numpy()[:, 0]
    unit = (value - value.min()) / (value.max() - value.min())
    height = np.ptp(curve[:, 1])
    np.testing.assert_allclose((curve[:, 1] - curve[:, 1].min()) / height, unit, atol=1e-5)


def test_an_input_whose_edges_cancel_is_faint():
    model = KAN([2, 2, 1], seed=0, base="zero", dtype=torch.float64)
    with torch.no_grad():
        for layer in model.layers:
            layer.coef.zero_()
        steps = torch.linspace(-1, 1, model.layers[0].coef.shape[1], dtype=torch.float64)
        model.layers[0].coef[0] = 50 * steps[:, None]  # the same large term in both hidden nodes, which are subtracted
        model.layers[0].coef[1, :, 0] = steps
        hidden = torch.linspace(-1, 1, model.layers[1].coef.shape[1], dtype=torch.float64)
        model.layers[1].coef[0, :, 0], model.layers[1].coef[1, :, 0] = hidden, -hidden
    x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert input_scores(model.trace(x)).argmax() == 0  # the score of edges is led by the terms that cancel
    strengths = as_network_view(model, x).ranking()
    assert strengths[0] < 1e-9 * strengths[1]


def test_rows_are_as_good_as_a_trace():
    model, trace = traced((2, 1))
    assert render(network_diagram(model, trace.inputs[0]), ".svg") == render(network_diagram(model, trace), ".svg")


def test_masked_edges_are_absent():
    model, _ = traced((3, 2, 1))
    with torch.no_grad():
        model.layers[0].mask[1] = 0
        model.layers[0].mask[0, 1] = 0
    figure = network_diagram(model, model.trace(torch.randn(50, 3, generator=torch.Generator().manual_seed(0))))
    assert len(drawn(figure, "functions").get_segments()) == 3 + 2


def test_hostile_and_foreign_names_are_drawn_as_they_are():
    names = ["<script>alert(1)</script>", "$\\frac{$", "日本", "a\x00b"]
    model, trace = traced((4, 1))
    figure = network_diagram(model, trace, names=names, outputs=["α & ω"])
    svg = render(figure, ".svg").decode()
    render(figure, ".png")
    assert "&lt;script&gt;" in svg and "<script" not in svg
    assert "日本</text>" in svg
    assert "$\\frac{$</text>" in svg


def test_products_are_wires_into_a_node_with_a_cross():
    model = KAN([2, (1, 1), 1], seed=0)
    trace = model.trace(torch.randn(60, 2, generator=torch.Generator().manual_seed(0)))
    figure = network_diagram(model, trace)
    assert len(drawn(figure, "functions").get_segments()) == 2 * 3 + 2
    assert sum(r"\times" in text for text in texts(figure)) == 1


def test_weak_edges_and_what_then_leads_nowhere_are_left_out_but_no_factor_of_a_product():
    first, product, last = np.ones((2, 3), bool), np.array([[1, 0], [0, 1], [0, 1]], bool), np.ones((2, 1), bool)
    scores = [np.array([[9.0, 0.0, 5.0], [9.0, 0.01, 5.0]]), product * 5.0, np.array([[9.0], [5.0]])]
    kept, weak = _without_weak([first, product, last], scores, {1: (1,)})
    assert kept[0].tolist() == [[True, False, True], [True, True, True]] and weak == 1
    kept, weak = _without_weak([first, product, last], [*scores[:2], np.array([[9.0], [0.01]])], {1: (1,)})
    assert kept[0].tolist() == [[True, False, False]] * 2 and kept[1].sum() == 1 and weak == 4 + 2 + 1
