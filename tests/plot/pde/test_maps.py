"""Maps end at the boundary of the domain, and their colours match the colour bar."""

import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from tests.plot.solutions import PLANE, untrained

from edgewise.pde import PDE, Box, Dirichlet, Interface, Interval, diffusion
from edgewise.plot.pde.maps import color_range, cut_out, draw_interfaces, draw_map, filled, outline_of, with_breaks
from edgewise.plot.pde.slices import slice_of


def area(path) -> float:
    """Of what a path encloses, holes left out."""
    total = 0.0
    for corners in path.to_polygons():
        x, y = corners.T
        total += float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2
    return abs(total)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("disk", math.pi), ("annulus", 0.75 * math.pi), ("corner", 3.0), ("hole", 4 - 0.16 * math.pi)],
)
def test_the_outline_encloses_the_domain(name, expected):
    path = outline_of(PLANE[name](), ["x", "y"], {})
    assert area(path) == pytest.approx(expected, rel=1e-3)


def test_the_map_is_clipped_and_lies_on_its_points():
    panel = Figure().subplots()
    ticks = (np.linspace(0, 1, 3), np.linspace(0, 2, 5))
    values = np.arange(15.0).reshape(3, 5)
    image = draw_map(panel, ticks, values, (0, 14), signed=False)
    assert image.get_extent() == [-0.25, 1.25, -0.25, 2.25]
    np.testing.assert_array_equal(image.get_array(), values.T)
    assert panel.get_xlim() == (0, 1) and panel.get_ylim() == (0, 2)
    cut_out(panel, image, None)
    assert not panel.patches
    cut_out(panel, image, outline_of(PLANE["disk"](), ["x", "y"], {}))
    assert len(panel.patches) == 1 and image.get_clip_path() is not None
    assert panel.get_xlim()[0] < 0 and panel.get_ylim()[1] > 2


@pytest.mark.parametrize("value", [3.0, np.nan])
def test_a_constant_has_no_contours(value):
    panel = Figure().subplots()
    draw_map(panel, (np.linspace(0, 1, 3), np.linspace(0, 1, 3)), np.full((3, 3), value), (0, 5), signed=False)
    assert not panel.collections
    draw_map(panel, (np.linspace(0, 1, 3), np.linspace(0, 1, 3)), np.arange(9.0).reshape(3, 3), (0, 9), signed=False)
    assert panel.collections


@pytest.mark.parametrize(
    ("values", "signed", "expected"),
    [
        ([1.0, 3.0, np.nan], False, ((1.0, 3.0), "neither")),
        ([2.0, 2.0], False, ((1.5, 2.5), "neither")),
        ([-1.0, 3.0], True, ((-3.0, 3.0), "neither")),
        ([0.0, 0.0], True, ((-1.0, 1.0), "neither")),
        ([np.nan], True, ((-1.0, 1.0), "neither")),
        ([1.0] * 999 + [-50.0], True, ((-1.0, 1.0), "both")),
    ],
)
def test_where_colours_end(values, signed, expected):
    assert color_range(np.array(values), signed=signed) == expected


def test_gaps_beside_known_values_are_filled():
    values = np.full((5, 5), np.nan)
    values[2, 2] = 7.0
    assert (filled(values) == 7.0).all()
    assert np.isnan(values).sum() == 24
    values[2, 4] = 9.0
    assert filled(values)[2, 3] == 8.0 and filled(values)[2, 2] == 7.0


def test_interfaces_are_drawn_and_break_curves():
    def k(x):
        return torch.where(x < 0.5, 1.0, 3.0)

    ends = [Dirichlet(lambda x: x)]
    line = PDE(lambda u: diffusion(u, k), Interval(0, 1), [*ends, Interface("x=0.5", value=1.0)])
    shown = slice_of(untrained(line), ["x"], {}, [4])
    places, values = with_breaks(line, shown, np.array([1.0, 2.0, 3.0, 4.0]))
    assert np.isnan(places[2]) and np.isnan(values[2]) and len(places) == 5
    square = PDE(lambda u: diffusion(u, k), Box(x=(0, 1), y=(0, 1)), [*ends, Interface("x=0.5")])
    panel = Figure().subplots()
    draw_interfaces(panel, square, ["x", "y"], {})
    (lines,) = panel.collections
    (path,) = lines.get_paths()
    assert np.allclose(path.vertices[:, 0], 0.5, atol=1e-3)
    other = Figure().subplots()
    draw_interfaces(other, PDE(lambda u: u.xx + u.yy, square.domain, ends), ["x", "y"], {})
    assert not other.collections
