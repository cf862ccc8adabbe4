"""Figures of solutions: panels, their scale and their titles."""

import numpy as np
import pytest
import torch
from tests.plot.solutions import PLANE, cube, oscillation, untrained

from edgewise.pde import PDE, Dirichlet, Initial, Interface, Interval, Time, laplacian
from edgewise.plot import solution_figure


def titles(figure):
    return [panel.get_title(loc="left") for panel in figure.axes if panel.get_title(loc="left")]


def pictured(figure):
    """Panels with a map."""
    return [panel for panel in figure.axes if panel.images]


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANE)
def test_the_plane_is_drawn_true_to_scale(name):
    solution = untrained(PLANE[name]())
    figure = solution_figure(solution)
    known = solution.problem.form.solution is not None
    assert titles(figure) == (["$u$", "error of $u$", "residual"] if known else ["$u$", "residual"])
    assert all(panel.get_aspect() == 1.0 for panel in pictured(figure))
    assert pictured(figure)[0].get_xlabel() == "$x$" and pictured(figure)[0].get_ylabel() == "$y$"
    assert [bool(panel.patches) for panel in pictured(figure)] == [name != "square"] * len(pictured(figure))


@pytest.mark.slow
def test_the_map_shows_the_solution():
    solution = untrained(PLANE["square"]())
    panel, error, _ = pictured(solution_figure(solution))
    shown = panel.images[0].get_array()
    corner = solution(torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    assert shown[0, -1] == pytest.approx(float(corner[0, 0]), rel=1e-12)
    assert error.images[0].get_clim()[0] == -error.images[0].get_clim()[1]


def test_one_coordinate_is_drawn_as_curves():
    figure = solution_figure(untrained(oscillation()))
    assert titles(figure) == ["solution", "error", "residual"]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["$u$", "$v$", "exact"]
    assert {panel.get_xlabel() for panel in figure.axes} == {"$t$"}


@pytest.mark.slow
def test_many_coordinates_are_cut_through_the_middle():
    figure = solution_figure(untrained(cube()))
    assert figure.get_suptitle() == "at $x_{3}$ = 0.5, … $x_{4}$ = 0.5"
    assert titles(figure) == ["$u$", "error of $u$", "residual"]


def moving(domain, place, **settings):
    """Diffusion with an interface that moves from 0.3 to 0.7 in the time from 0 to 1."""
    conditions = [Dirichlet(0.0), Initial(0.0), Interface(place, value=1.0)]
    return untrained(PDE(lambda u: u.t - laplacian(u), domain, conditions, points=50, **settings))


@pytest.mark.slow
def test_curves_at_moments_have_a_gap_at_an_interface():
    figure = solution_figure(moving(Interval(0, 1) * Time(0, 1), lambda x, t: x - 0.3 - 0.4 * t), times=[0.0, 0.75])
    for panel, place in zip(figure.axes[-2:], (0.3, 0.6), strict=True):
        x, y = panel.lines[0].get_data()
        (gap,) = np.nonzero(np.isnan(y))[0]
        assert x[gap - 1] == pytest.approx(place, abs=2e-3) and x[gap + 1] == pytest.approx(place, abs=2e-3)
