"""Figures of eigenfunctions: their panels, titles and values."""

import math

import numpy as np
import pytest

from edgewise.pde import PDE, Dirichlet, Interval, eigenvalues
from edgewise.plot import modes_figure


def titles(figure):
    return [panel.get_title(loc="left") for panel in figure.axes if panel.get_title(loc="left")]


def string(name="k"):
    equation = {"k": lambda u, k: u.xx + k * u, "lam": lambda u, lam: u.xx + lam * u}[name]
    return PDE(equation, Interval(0, math.pi), [Dirichlet(0.0)], coefficients={name: 1.0})


@pytest.mark.slow
def test_curves_are_the_modes_of_a_string_with_a_positive_first_half_wave():
    figure = modes_figure(eigenvalues(string(), count=4), count=3, units={"x": "m", "k": "1/m²"})
    assert titles(figure) == ["$k_{1}$ = 1 1/m²", "$k_{2}$ = 4 1/m²", "$k_{3}$ = 9 1/m²"]
    assert [panel.get_xlabel() for panel in figure.axes] == ["$x$ (m)"] * 3
    for number, panel in enumerate(figure.axes, start=1):
        x, y = panel.lines[0].get_data()
        assert np.allclose(y, math.sqrt(2) * np.sin(number * x), atol=1e-6)
