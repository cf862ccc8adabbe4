"""Tests of edge curves and effect curves against values worked out by hand."""

import numpy as np
import pytest
import torch

from edgewise.errors import InputError
from edgewise.interpret.attribution.effects import mean_contributions
from edgewise.nn.model import KAN
from edgewise.plot import edge_curves, effect_curves
from edgewise.plot.network import panels
from edgewise.plot.network.views import PredictionView
from edgewise.tables.columns import CategoryInput


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_the_function_of_an_additive_model_over_the_range_of_its_data():
    model = KAN([2, 1], seed=1, dtype=torch.float64)
    x = torch.from_numpy(normal(300, 2))
    trace = model.trace(x)
    figure = edge_curves(model, trace, names=["a", "b"])
    order = np.argsort(-mean_contributions(model, x.numpy()))
    assert titles(figure) == [["a", "b"][i] for i in order]
    axes = figure.axes[list(order).index(0)]
    seen = axes.lines[0].get_xdata()
    np.testing.assert_allclose(seen[[0, -1]], np.quantile(x[:, 0].numpy(), [0.005, 0.995]))
    points = torch.zeros(len(seen), 2, dtype=torch.float64)
    points[:, 0] = torch.from_numpy(seen)
    expected = model.layers[0].edges(points)[:, 0, 0] - trace.edges[0][:, 0, 0].mean()
    np.testing.assert_allclose(axes.lines[0].get_ydata(), expected.detach().numpy(), atol=1e-12)


def test_masked_edges_have_no_curve():
    model = KAN([3, 2], seed=1)
    with torch.no_grad():
        model.layers[0].mask[0] = 0
    figure = edge_curves(model, model.trace(torch.from_numpy(normal(50, 3)).float()), names=["a", "b", "c"])
    assert sorted(titles(figure)) == ["b", "c"]
    with torch.no_grad():
        model.layers[0].mask[:] = 0
    with pytest.raises(InputError, match="not masked"):
        edge_curves(model, model.trace(torch.zeros(5, 3)))


@pytest.mark.slow
def test_effects_are_partial_dependence():
    X = normal(200, 3)

    def predict(x):
        return x[:, 0] ** 2 + 0.1 * x[:, 1] * x[:, 2]

    figure = effect_curves(predict, X, names=["a", "b", "c"], target="energy (J)", rows=200)
    assert titles(figure)[0] == "a"
    line = figure.axes[0].lines[0]
    grid = line.get_xdata()
    expected = grid**2 + 0.1 * (X[:, 1] * X[:, 2]).mean()
    np.testing.assert_allclose(line.get_ydata(), expected, atol=1e-12)
    assert figure.get_supylabel() == "energy (J)"

    def band(axes):
        (found,) = (c for c in axes.collections if len(c.get_paths()) and len(c.get_paths()[0].vertices) > 60)
        return np.ptp(found.get_paths()[0].vertices[:, 1])

    alone = figure.axes[0].lines[0].get_ydata()
    assert band(figure.axes[0]) == pytest.approx(np.ptp(alone))  # acts alone: the band has no width
    assert band(figure.axes[1]) > 2 * np.ptp(figure.axes[1].lines[0].get_ydata())


def test_an_input_with_few_values_is_shown_as_points():
    X = np.stack([np.tile([0.0, 1.0], 30), normal(60)], 1)
    figure = effect_curves(lambda x: 5 * x[:, 0], X, names=["flag", "noise"])
    line = figure.axes[0].lines[0]
    assert titles(figure)[0] == "flag"
    np.testing.assert_array_equal(line.get_xdata(), [0, 1])
    assert line.get_marker() == "o"
    np.testing.assert_array_equal(figure.axes[0].get_xticks(), [0, 1])


def test_scores_decide_which_inputs_are_evaluated():
    calls = []

    def predict(x):
        calls.append(len(x))
        return x[:, 0]

    effect_curves(predict, normal(50, 20), scores=np.arange(20.0), max_inputs=2)
    assert len(calls) == 3  # two inputs, and the mean prediction


def test_a_category_is_one_panel_with_a_bar_for_each_level():
    codes = np.repeat([0.0, 1.0, 2.0], [30, 20, 10])
    view = PredictionView(
        lambda X: np.array([10.0, 20.0, 60.0])[X[:, 0].astype(int)][:, None],
        codes[:, None],
        names=["city"],
        kinds=[CategoryInput("city", ("Bonn", "Ulm", "Köln"), missing=False, usual="Bonn")],
        target="price",
    )

    class Model:
        def _network_view(self, X=None):
            raise NotImplementedError

        def _prediction_view(self, X=None):
            return view

    (axes,) = effect_curves(Model()).axes
    mean = (30 * 10 + 20 * 20 + 10 * 60) / 60
    ends = [bar.get_y() + bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(ends, [10, 20, 60])
    np.testing.assert_allclose([bar.get_y() for bar in axes.patches], mean)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Bonn", "Ulm", "Köln"]
    assert [text.get_text() for text in axes.texts] == ["30", "20", "10"]
    with pytest.raises(InputError, match="name must be one of the inputs, got 'cities'; did you mean 'city'"):
        effect_curves(Model(), inputs=["cities"])


def test_probabilities_have_an_axis_from_0_to_1_and_bands_within():
    X = np.random.default_rng(0).uniform(-3, 3, (80, 2))
    view = PredictionView(lambda X: 1 / (1 + np.exp(-4 * X[:, :1] - X[:, 1:])), X, limits=(0.0, 1.0))
    figure = effect_curves(_Shown(view))
    assert figure.axes[0].get_yticks().tolist() == [0, 0.25, 0.5, 0.75, 1]
    for axes in figure.axes:
        band = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert band.min() >= 0 and band.max() <= 1


@pytest.mark.parametrize(
    ("days", "labels"),
    [
        (3, ["2021-03-11", "2021-03-14"]),
        (0, ["2021-03-11"]),
        (60, ["2021-04", "2021-05"]),
        (400, ["2021-07", "2022-01"]),
        (900, ["2022", "2023"]),
        (40_000, ["2050", "2100"]),
    ],
)
def test_ticks_of_dates_are_round(days, labels):
    first = np.datetime64("2021-03-11")
    places, texts = panels._date_places(lambda day: str(first + int(np.floor(day))), 0.0, float(days))
    assert texts == labels
    for place, text in zip(places, texts, strict=True):
        assert str(first + int(place)).startswith(text)


class _Shown:
    def __init__(self, view):
        self.view = view

    def _prediction_view(self, X=None):
        return self.view

    def _network_view(self, X=None):
        raise NotImplementedError
