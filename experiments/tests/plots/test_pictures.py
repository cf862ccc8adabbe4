"""Pictures side by side with their errors, and quality against time."""

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise_experiments.plots.pictures import quality_curves, side_by_side


@pytest.mark.slow
def test_pictures_and_errors():
    truth = np.linspace(0, 1, 48).reshape(6, 8)
    figure = side_by_side(truth, {"KAN": truth + 0.01, "SIREN": truth - 0.1}, notes={"KAN": "40.0 dB"})
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in shown] == ["original", "KAN", "SIREN", "", ""]
    assert [axes.get_xlabel() for axes in shown] == ["", "", "", "40.0 dB", ""]
    values = [axes.images[0] for axes in shown]
    assert np.allclose(values[3].get_array(), 0.01) and np.allclose(values[4].get_array(), -0.1)
    assert values[3].get_clim() == values[4].get_clim() == pytest.approx((-0.1, 0.1))
    assert values[0].get_clim() == (0, 1)


def test_pictures_are_refused():
    with pytest.raises(InputError, match=r"the shape \(2, 2\) of truth, got \['KAN'\]"):
        side_by_side(np.zeros((2, 2)), {"KAN": np.zeros((2, 3))}, notes={})
    with pytest.raises(InputError, match="got none"):
        side_by_side(np.zeros((2, 2)), {}, notes={})


def test_a_perfect_picture_has_a_scale_too():
    truth = np.zeros((2, 2))
    assert side_by_side(truth, {"KAN": truth}, notes={}).axes[3].images[0].get_clim() == (-1, 1)


@pytest.mark.slow
def test_curves():
    groups = {
        "camera": {"KAN": [(1, 20.0), (2, 25.0)], "SIREN": [(1, 18.0), (2, 24.0)]},
        "field": {"SIREN": [(1, 9.0)]},
    }
    figure = quality_curves(groups, ylabel="PSNR (dB)")
    first, second = figure.axes
    assert list(first.lines[0].get_ydata()) == [20, 25] and first.get_ylabel() == "PSNR (dB)"
    assert second.lines[0].get_color() == first.lines[1].get_color() != first.lines[0].get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["KAN", "SIREN"]
    assert first.get_xlabel() == second.get_xlabel() == "CPU seconds of training"
    other = quality_curves(groups, ylabel="loss", xlabels=["seconds", "characters"])
    assert [axes.get_xlabel() for axes in other.axes] == ["seconds", "characters"]
    with pytest.raises(InputError, match="at least one panel"):
        quality_curves({}, ylabel="PSNR (dB)")
