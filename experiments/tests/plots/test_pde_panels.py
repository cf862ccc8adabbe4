"""Four panels of errors: positions, titles and refusals."""

import pytest

from edgewise.errors import InputError
from edgewise_experiments.plots.pde_panels import Course, poisson_panels


@pytest.mark.slow
def test_courses_are_above_and_sizes_below():
    training = [
        Course("KAN", [10, 20], [1e-3, 1e-6], [1e-2, 1e-4]),
        Course("MLP", [10, 20], [1e-2, 1e-3], [1e-1, 1e-2]),
    ]
    scaling = [Course("KAN", [100, 200], [1e-6, 1e-9], [1e-4, 1e-6])]
    figure = poisson_panels(training, scaling)
    first, second, third, fourth = figure.axes
    assert [len(panel.lines) for panel in figure.axes] == [2, 2, 1, 1]
    assert first.get_title(loc="left") == "(a) squared $L^2$ error, training"
    assert fourth.get_title(loc="left") == "(d) squared $H^1$ error, scaling"
    assert list(third.xaxis.get_majorticklocs()) == [100, 200]
    assert list(second.lines[1].get_ydata()) == [1e-1, 1e-2]
    assert (third.get_xscale(), first.get_xscale(), fourth.get_xlabel()) == ("log", "linear", "parameters")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["KAN", "MLP"]


@pytest.mark.parametrize(
    ("courses", "message"),
    [([], "must hold a course"), ([Course("KAN", [1], [0.0], [1.0])], "'KAN' must have positive numbers")],
)
def test_what_cannot_be_drawn(courses, message):
    with pytest.raises(InputError, match=message):
        poisson_panels(courses, [])
