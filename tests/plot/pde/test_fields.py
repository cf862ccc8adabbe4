"""Figures of solutions: panels, their scale and their titles."""

import numpy as np
import pytest
import torch
from tests.plot.solutions import PLANE, cube, flow, heat, heat_on_a_disk, heat_solution, oscillation, untrained

from edgewise.errors import InputError
from edgewise.pde import PDE, Box, Dirichlet, Initial, Interface, Interval, Parameter, Time, laplacian
from edgewise.plot import solution_figure
from edgewise.plot.style import render


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


@pytest.mark.slow
def test_units_and_fields():
    figure = solution_figure(untrained(flow()), units={"x": "m", "u": "m/s"})
    assert titles(figure) == [
        *("$u$ (m/s)", "residual of equation 1", "$v$", "residual of equation 2"),
        "residual of equation 3",
    ]
    assert {panel.get_xlabel() for panel in pictured(figure)} == {"", "$x$ (m)"}
    assert titles(solution_figure(untrained(flow()), fields=["v"]))[0] == "$v$"


@pytest.mark.slow
def test_over_time_with_the_curves_at_some_moments():
    figure = solution_figure(untrained(heat(heat_solution)), times=[1.0, 2.5], units={"t": "s"})
    assert titles(figure) == ["$u$", "error of $u$", "residual", "$t$ = 1 s", "$t$ = 2.5 s"]
    solution, exact = figure.axes[-1].lines
    moment = torch.tensor(2.5, dtype=torch.float64)
    np.testing.assert_allclose(exact.get_ydata(), heat_solution(torch.tensor(exact.get_xdata()), moment))
    assert [line.get_xdata()[0] for line in pictured(figure)[0].lines] == [1.0, 2.5]
    assert solution.get_label() == "solution"
    assert len(solution_figure(untrained(heat())).axes[-1].lines) == 1


def test_a_coordinate_that_acts_as_time_is_named():
    conditions = [Dirichlet(0.0, on=["x=0", "x=1"]), Dirichlet(lambda x: torch.sin(x), on="s=0")]
    problem = PDE(lambda u: u.s - u.xx, Box(s=(0, 2), x=(0, 1)), conditions)
    figure = solution_figure(untrained(problem), times=[0.5, 2.0], units={"s": "h"})
    assert titles(figure) == ["$u$", "residual", "$s$ = 0.5 h", "$s$ = 2 h"]


@pytest.mark.slow
def test_the_plane_over_time_is_a_row_of_moments():
    figure = solution_figure(untrained(heat_on_a_disk()), times=[0.0, 0.5, 1.0])
    assert titles(figure) == ["$t$ = 0", "$t$ = 0.5", "$t$ = 1"]
    panels = pictured(figure)
    assert len(panels) == 6 and all(len(panel.patches) == 1 for panel in panels)
    assert len({panel.images[0].get_clim() for panel in panels[:3]}) == 1


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


@pytest.mark.slow
def test_a_reference_solution():
    figure = solution_figure(untrained(heat()), exact=lambda x: heat_solution(x[:, 0], x[:, 1])[:, None])
    assert "error of $u$" in titles(figure)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_the_same_figure_gives_the_same_bytes(suffix):
    first, again = (render(solution_figure(untrained(PLANE["disk"]())), suffix) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("problem", "settings", "message"),
    [
        (heat, {"fields": ["v"]}, "fields must be names among u"),
        (heat, {"times": [9.0]}, "times must lie between 0 and 3"),
        (PLANE["disk"], {"times": [0.5]}, "times must be left out for a problem without"),
        (oscillation, {"times": [0.5]}, "times must be left out for a problem without"),
    ],
)
def test_bad_arguments_are_refused(problem, settings, message):
    with pytest.raises(InputError, match=message):
        solution_figure(untrained(problem()), **settings)


def moving(domain, place, **settings):
    """Diffusion with an interface that moves from 0.3 to 0.7 in the time from 0 to 1."""
    conditions = [Dirichlet(0.0), Initial(0.0), Interface(place, value=1.0)]
    return untrained(PDE(lambda u: u.t - laplacian(u), domain, conditions, points=50, **settings))


@pytest.mark.slow
def test_interfaces_are_where_they_are_at_each_moment():
    solution = moving(Box(x=(0, 1), y=(0, 1)) * Time(0, 1), lambda x, y, t: x - 0.3 - 0.4 * t)
    shown = pictured(solution_figure(solution, times=[0.0, 0.5, 1.0]))
    for panel, place in zip(shown, [0.3, 0.5, 0.7] * 2, strict=True):
        places = np.concatenate([path.vertices for path in panel.collections[-1].get_paths()])[:, 0]
        assert places == pytest.approx(place, abs=3e-3)  # a place of the grid on which the interface is looked for


@pytest.mark.slow
def test_curves_at_moments_have_a_gap_at_an_interface():
    figure = solution_figure(moving(Interval(0, 1) * Time(0, 1), lambda x, t: x - 0.3 - 0.4 * t), times=[0.0, 0.75])
    for panel, place in zip(figure.axes[-2:], (0.3, 0.6), strict=True):
        x, y = panel.lines[0].get_data()
        (gap,) = np.nonzero(np.isnan(y))[0]
        assert x[gap - 1] == pytest.approx(place, abs=2e-3) and x[gap + 1] == pytest.approx(place, abs=2e-3)


@pytest.mark.slow
def test_values_of_parameters_that_a_figure_does_not_show_are_written():
    family = PDE(
        lambda u, m, n: u.t - m * u.xx + n * u,
        Interval(0, 1) * Time(0, 1) * Parameter("m", 0.5, 1) * Parameter("n", 0, 1),
        [Dirichlet(0.0), Initial(0.0)],
        points=50,
    )
    assert solution_figure(untrained(family), times=[0.5]).get_suptitle() == "at $n$ = 0.5"
