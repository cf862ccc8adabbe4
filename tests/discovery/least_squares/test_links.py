"""Links and their inverses, the weights of rows, and the tolerance for noise."""

import numpy as np
import pytest

from edgewise.discovery.least_squares.links import possible_links
from edgewise.formulas.expression import Variable, evaluate


@pytest.mark.parametrize("y", [np.linspace(0.1, 0.9, 50), np.linspace(-0.9, -0.1, 50), np.linspace(-0.9, 0.9, 50)])
def test_links_undo_each_other(y):
    names = []
    for link in possible_links(y):
        u = link.inverse(y)
        np.testing.assert_allclose(link.forward(u), y, rtol=1e-12)
        np.testing.assert_allclose(evaluate(link.build(Variable(0)), u[:, None]), y, rtol=1e-12)
        step = 1e-6
        slope = (link.inverse(y + step) - link.inverse(y - step)) / (2 * step)
        np.testing.assert_allclose(np.abs(link.slope(y)), np.abs(slope), rtol=1e-4)
        names.append(link.name)
    assert names[0] == ""
    assert ("exp" in names) == (y.min() * y.max() > 0)


@pytest.mark.parametrize("y", [np.linspace(0.1, 0.9, 50), np.linspace(-0.9, -0.1, 50)])
def test_weights_turn_errors_of_u_into_those_of_y(y):
    for link in possible_links(y):
        u, weight = link.target(y)
        small = 1e-6
        moved = link.forward(u + small) - y
        np.testing.assert_allclose(moved**2 / np.mean(moved**2), weight, rtol=1e-3)
        step, again = link.linearised(u, y)
        np.testing.assert_allclose(step, u, rtol=1e-12)
        np.testing.assert_allclose(again, weight, rtol=1e-9)


def test_a_little_noise_takes_no_link_away():
    y = np.concatenate([np.linspace(-1, 1, 80) * 1.01, np.full(20, 0.5)])
    link = next(link for link in possible_links(y) if link.name == "tanh")
    u, weight = link.target(y)
    assert np.isfinite(u).all() and np.isfinite(weight).all()
    assert (weight[np.abs(y) >= 1] == 0).all() and weight[50] > 0
    assert "tanh" not in [link.name for link in possible_links(2 * y)]
    assert "exp" not in [link.name for link in possible_links(y)]
