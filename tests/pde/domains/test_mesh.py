"""Meshes: error estimates of splines, refinement where errors are, cut cells and lengths of boundaries."""

import math

import pytest
import torch
from tests.night import at_night

from edgewise.pde.domains.domain import Box
from edgewise.pde.domains.implicit import LevelSet
from edgewise.pde.domains.mesh import Mesh, even_lines, grown, left_out
from edgewise.pde.domains.shapes import Disk
from edgewise.pde.layers.tensor_product import TensorLayer


def fitted(function, lines, degree=5):
    """The spline closest to a function, from many points."""
    layer = TensorLayer(lines, 1, degree=degree)
    domain = Box(**{name: (float(line[0]), float(line[-1])) for name, line in zip("xy", lines, strict=False)})
    x = Mesh(domain, lines, 8).interior()[0]
    columns = []
    with torch.no_grad():
        for number in range(layer.coef.numel()):
            layer.coef.zero_().view(-1)[number] = 1.0
            columns.append(layer(x)[:, 0])
        solution = torch.linalg.lstsq(torch.stack(columns, 1), function(x)[:, None]).solution
        layer.coef.copy_(solution.view_as(layer.coef))
        error = float((layer(x)[:, 0] - function(x)).abs().max())
    return layer, domain, error


@pytest.mark.parametrize("degree", [3, 5])
def test_what_is_left_out_bounds_the_error(degree):
    for speed in (3.0, 6.0):
        line = torch.linspace(0, 3, 25).double()
        layer, domain, error = fitted(lambda x, s=speed: torch.sin(s * x[:, 0]), [line], degree)
        (missed,) = left_out(layer, [domain])
        assert 0.5 < float(missed[8:-8].max()) / error / 2**degree < 3


def test_the_coordinate_of_a_layer_is_cut():
    lines = [torch.linspace(-1, 1, 9).double(), torch.linspace(0, 2, 5).double()]
    layer, domain, _ = fitted(lambda x: torch.tanh(12 * x[:, 0]) + 0.01 * x[:, 1] ** 2, lines)
    finer = grown(layer, [domain], 2.0)
    assert len(finer[1]) == 5
    assert len(finer[0]) + 4 >= 2 * 13
    carried = layer.with_breakpoints(finer)
    x = Mesh(domain, finer).interior()[0]
    assert torch.allclose(layer(x), carried(x), rtol=1e-11, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("count", [6, *at_night(7, 12)])
def test_cut_cells_have_whole_volumes(count):
    """Volumes and second moments of shapes whose boundaries cut cells, also where no point of a cell is inside."""
    square = Box(x=(-1, 1), y=(-1, 1))
    for domain, volume, moment in [
        (Disk(), math.pi, math.pi / 4),
        (square - Disk(0.4), 4 - 0.16 * math.pi, 4 / 3 - 0.4**4 * math.pi / 4),
        (square - Box(x=(0, 1), y=(0, 1)), 3.0, 1.0),
    ]:
        x, weights, cut = Mesh(domain, [torch.linspace(-1, 1, count + 1).double()] * 2).cut()[:3]
        assert domain.contains(x).all() and 0 < len(cut) < count**2
        assert abs(float(weights.sum()) - volume) < 1e-5
        assert abs(float(weights @ x[:, 0] ** 2) - moment) < 1e-5


def cut(domain, count, points=5):
    return Mesh(domain, even_lines(domain, [count] * domain.dimension), points).cut()


ANGLE = math.acos(0.5)


@pytest.mark.parametrize(
    ("domain", "lengths"),
    [
        (Disk(1, (-0.5, 0)) | Disk(1, (0.5, 0)), {"circle": 2 * math.pi - 2 * ANGLE, "second circle": 4 / 3 * math.pi}),
        (Box(x=(-1, 1), y=(-1, 1)) - Box(x=(0, 1), y=(0, 1)), {"x=0": 1.0, "x=1": 1.0, "y=-1": 2.0}),
        (LevelSet(lambda x, y: x**2 / 4 + y**2 - 1, x=(-2.1, 2.1), y=(-1.1, 1.1)), {"level": 9.688448220547675}),
    ],
)
def test_boundaries_of_combined_and_implicit_domains_have_their_lengths(domain, lengths):
    """Arcs that end where another domain begins, and a curve without a formula: the circumference of an ellipse."""
    quadrature = cut(domain, 7, 8)
    for name, length in lengths.items():
        assert float(quadrature.boundary[name][2].sum()) == pytest.approx(length, rel=1e-8)
