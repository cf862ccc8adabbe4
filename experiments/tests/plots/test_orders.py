"""Errors of derivatives: panels by degree, guides with the theory's slope."""

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise_experiments.plots.orders import OrderCurve, order_panels

GRIDS = [8, 16, 32]


def test_panels_and_guides():
    panels = {
        (title, degree): [
            OrderCurve(m, GRIDS, [grid ** -(degree + 1.0 - m) for grid in GRIDS], degree + 1 - m)
            for m in range(degree + 1)
        ]
        for title in ("best", "trained")
        for degree in (1, 2)
    }
    figure = order_panels(panels)
    assert len(figure.axes) == 4
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["$k=1$", "$k=2$"]
    points, guide = figure.axes[1].lines[2:4]
    assert list(points.get_xdata()) == GRIDS
    x, y = np.log(guide.get_data())
    assert (y[1] - y[0]) / (x[1] - x[0]) == pytest.approx(-2)
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["$m=0$", "$m=1$", "$m=2$", "slope $-(k+1-m)$"]
    with pytest.raises(InputError, match="at least one panel"):
        order_panels({})
