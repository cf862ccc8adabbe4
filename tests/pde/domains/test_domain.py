"""Domains: points inside and on the boundary, normals, measures, quadrature, by properties that all of them have."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.pde.domains.combined import Difference, Intersection, Union
from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.domains.implicit import LevelSet
from edgewise.pde.domains.products import OverTime
from edgewise.pde.domains.sampling import HOW
from edgewise.pde.domains.shapes import Annulus, Disk, LShape, Polygon
from edgewise.pde.domains.solids import Ball, Cylinder
from edgewise.pde.domains.triangulation import Triangulation

SQUARE, DISK = Box(x=(-1, 1), y=(-1, 1)), Disk(0.5, (0.1, -0.2))
CUBE = Box(x=(-1, 1), y=(-1, 1), z=(-1, 1))
# Domain, its volume, the measure of its boundary in space
DOMAINS = {
    "interval": (Interval(-1, 2), 3, 2),
    "time": (Time(0, 2), 2, None),
    "rectangle": (Box(x=(-1, 1), y=(0, 3)), 6, 10),
    "space and time": (Box(x=(-1, 1), t=(0, 3)), 6, 6),
    "box": (Box(x=(0, 1), y=(0, 2), z=(0, 3)), 6, 22),
    "cube in 5 dimensions": (Box.cube(5, -1, 1), 32, 160),
    "disk": (DISK, math.pi / 4, math.pi),
    "annulus": (Annulus(0.5, 2, (1, 1)), math.pi * 3.75, 5 * math.pi),
    "triangle": (Polygon([(0, 0), (0, 1), (2, 0)]), 1, 3 + math.sqrt(5)),
    "l-shape": (LShape(), 3, 8),
    "disk over time": (DISK * Time(0, 2), math.pi / 2, 2 * math.pi),
    "square without a disk": (SQUARE - DISK, 4 - math.pi / 4, 8 + math.pi),
    "rectangles side by side": (Box(x=(0, 1), y=(0, 1)) | Box(x=(1, 3), y=(0, 1)), 3, 8),
    "square and a disk on its edge": (SQUARE | Disk(0.5, (1, 0)), 4 + math.pi / 8, 7 + math.pi / 2),
    "square without a corner": (SQUARE - Box(x=(0, 2), y=(0, 2)), 3, 8),
    "intervals": (Interval(0, 3) - Interval(1, 2), 2, 4),
    "lens": (Disk(1.0) & Disk(1.0, (1, 0)), 2 * math.pi / 3 - math.sqrt(3) / 2, 4 * math.pi / 3),
    "disk cut twice": (
        Disk(1.0) - Box(x=(0.5, 2), y=(-2, 2)) - Box(x=(-2, -0.5), y=(-2, 2)),
        math.sqrt(3) / 2 + math.pi / 3,
        2 * math.pi / 3 + 2 * math.sqrt(3),
    ),
    "ball": (Ball(0.5, (1, 0, -1)), math.pi / 6, math.pi),
    "ball in five dimensions": (
        Ball(0.5, (1, 0, -1, 0, 2), ("a", "b", "c", "d", "e")),
        math.pi**2 / 60,
        math.pi**2 / 6,
    ),
    "cylinder": (Cylinder(0.5, 0, 2), math.pi / 2, 2.5 * math.pi),
    "box without a ball": (CUBE - Ball(0.5), 8 - math.pi / 6, 24 + math.pi),
    "half a ball": (Ball() & Box(x=(0, 2), y=(-2, 2), z=(-2, 2)), 2 * math.pi / 3, 3 * math.pi),
    "ball on a cylinder": (
        Cylinder(1.0, -2, 0) | Ball(),
        2 * math.pi + 2 * math.pi / 3,
        7 * math.pi,
    ),
    "pipe": (Cylinder(1.0, 0, 2) - Cylinder(0.5, 0, 2), 1.5 * math.pi, 7.5 * math.pi),
    "triangles": (Triangulation([(0, 0), (2, 0), (0, 1), (2, 3)], [(0, 1, 2), (3, 2, 1)]), 4, 6 + math.sqrt(8)),
    "tetrahedron": (
        Triangulation([(0, 0, 0), (1, 0, 0), (0, 2, 0), (0, 0, 3)], [(0, 1, 2, 3)], {"floor": [(0, 1, 2)]}),
        1,
        9,
    ),
    "ball over time": (Ball() * Time(0, 2), 8 * math.pi / 3, 8 * math.pi),
}
ESTIMATED = 4e-3  # of a union's or difference's volume and measures

every_domain = pytest.mark.parametrize(("domain", "volume", "around"), DOMAINS.values(), ids=DOMAINS.keys())


@every_domain
def test_volume_and_boundary(domain, volume, around):
    assert domain.volume == pytest.approx(volume, rel=ESTIMATED)
    measure = sum(piece.measure for piece in domain.named(domain.boundary_names)) if domain.boundary_names else None
    assert measure == pytest.approx(around, rel=ESTIMATED) if around else measure is None
    assert len({piece.name for piece in domain.pieces}) == len(domain.pieces)


@every_domain
@pytest.mark.parametrize("how", HOW)
def test_points_inside(domain, volume, around, how):
    x = domain.interior(500, how, seed=3)
    assert x.shape[1] == domain.dimension == len(domain.coordinates)
    assert len(x) == 500 if how != "grid" else len(x) >= 500
    assert bool(domain.contains(x).all())
    assert torch.equal(x, domain.interior(500, how, seed=3))
    # the shares of points and of volume on one side of a plane agree
    middle = domain.bounds.mean(1)
    points, weights = domain.quadrature()
    share = float(weights[points[:, 0] < middle[0]].sum()) / domain.volume
    beyond = (x[:, 0] - middle[0]).where((x[:, 0] - middle[0]).abs() > 1e-9, 0.0).sign()  # some of a grid are on it
    assert float(0.5 - beyond.mean() / 2) == pytest.approx(share, abs=0.08)


@every_domain
@pytest.mark.parametrize("how", HOW)
def test_boundary_points_and_normals(domain, volume, around, how):
    if not domain.boundary_names:
        return
    x, normal = domain.boundary(300, how, seed=2)
    assert len(x) >= min(300, len(domain.boundary_names)) * 0.9
    assert torch.allclose(normal.norm(dim=1), torch.ones(len(x), dtype=x.dtype))
    assert domain.level(x).abs().max() < 1e-12
    step = 1e-5
    assert bool((domain.level(x + step * normal) > 0).all())
    inwards = domain.level(x - step * normal)
    assert float((inwards < 0).double().mean()) > 0.98  # not at a corner


@every_domain
def test_gauss_theorem(domain, volume, around):
    """The flux of (x, y, ...) through the boundary is the volume times the dimension: areas and normals together."""
    names = [piece.name for piece in domain.pieces]
    flux = 0.0
    for piece in domain.named(names):
        x, normal = piece.sample(4096, "grid", 0)
        flux += piece.measure * float((x * normal).sum(1).mean())
    assert flux == pytest.approx(domain.dimension * volume, rel=5e-3)


@pytest.mark.slow
@every_domain
def test_quadrature(domain, volume, around):
    x, weights = domain.quadrature()
    assert bool(domain.contains(x).all())
    is_cut = isinstance(domain, Union | Difference | Intersection) and domain.dimension == 2  # volume to three digits
    assert float(weights.sum()) == pytest.approx(volume if is_cut else domain.volume, rel=1e-10 if is_cut else 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("domain", "area"),
    [
        (SQUARE - Disk(0.5), 4 - math.pi / 4),
        (SQUARE - Box(x=(0, 2), y=(0, 2)), 3),
        (SQUARE - Disk(0.2, (-0.5, 0.5)) - Disk(0.2, (0.5, 0.5)) - Disk(0.2, (0, -0.5)), 4 - 0.12 * math.pi),
        (Disk(1.0) & Box(x=(0, 2), y=(0, 2)), math.pi / 4),
        (Disk(1.0) | Disk(1.0, (1, 0)), 4 * math.pi / 3 + math.sqrt(3) / 2),
        (LevelSet(lambda x, y: x**2 + 4 * y**2 - 1, x=(-2, 2), y=(-1, 1)), math.pi / 2),
        (Disk(2.0), 4 * math.pi),
        (Ball(0.5), math.pi / 6),
        (Cylinder(0.5, 0, 2), math.pi / 2),
        (Polygon([(0, 0), (0, 1), (2, 0)]), 1),
    ],
    ids=lambda each: f"{each:.4g}" if isinstance(each, int | float) else type(each).__name__,
)
def test_a_rule_of_few_points(domain, area):
    """Areas by hand; all points are inside."""
    x, weights = domain.quadrature(8)
    assert len(x) <= 8**2 * 20
    assert bool(domain.contains(x).all())
    assert float(weights.sum()) == pytest.approx(area, rel=1e-5)


def test_quadrature_of_smooth_functions_is_exact():
    x, weights = Box(x=(0, 1), y=(0, 2)).quadrature()
    assert float((weights * (x[:, 0] + x[:, 1]).exp()).sum()) == pytest.approx(
        (math.e - 1) * (math.e**2 - 1), rel=1e-12
    )
    x, weights = Disk(2.0, (1, 0)).quadrature()
    assert float((weights * (x - torch.tensor([1.0, 0.0])).square().sum(1)).sum()) == pytest.approx(
        8 * math.pi, rel=1e-12
    )
    x, weights = (Annulus(1, 2) * Time(0, 1)).quadrature()
    value = (x[:, 0].square() + x[:, 1].square()) * x[:, 2]
    assert float((weights * value).sum()) == pytest.approx(math.pi / 2 * 15 / 2, rel=1e-12)


@settings(max_examples=20)
@given(st.lists(st.floats(0.3, 1), min_size=3, max_size=9), st.booleans())
def test_star_shaped_polygons(radii, clockwise):
    corners = [
        (r * math.cos(2 * math.pi * k / len(radii)), r * math.sin(2 * math.pi * k / len(radii)))
        for k, r in enumerate(radii)
    ]
    polygon = Polygon(corners[::-1] if clockwise else corners)
    area = (
        sum(a * b for a, b in zip(radii, radii[1:] + radii[:1], strict=True)) * math.sin(2 * math.pi / len(radii)) / 2
    )
    assert polygon.volume == pytest.approx(area)
    assert bool(polygon.contains(torch.zeros(1, 2, dtype=torch.float64)))
    x, normal = polygon.boundary(60, "uniform", 1)
    assert bool((polygon.level(x + 1e-6 * normal) > 0).all())


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        (Box(x=(0, 1), y=(-1, 1)), ["x=0", "x=1", "y=-1"]),
        (DISK, ["circle"]),
        (Annulus(0.5, 1), ["outer"]),
        (Annulus(0.5, 1), ["outer", "inner"]),
        (DISK * Time(0, 1), ["circle", "t=0"]),
        (Ball(2.0, (1, 0, 0)), ["sphere"]),
        (Ball(2.0, coordinates=("x", "y", "z", "w")), ["sphere"]),
        (Cylinder(0.5, -1, 1), ["side", "top"]),
        (Cylinder(0.5, -1, 1), ["bottom", "top"]),
        (Interval(0, 1) * Time(0, 1), ["t=0"]),
    ],
)
def test_factors_vanish_on_their_pieces_only(domain, names):
    for piece in domain.pieces:
        x, _ = piece.sample(50, "sobol", 0)
        value = domain.factor(x, names).abs()
        assert float(value.max()) < 1e-12 if piece.name in names else float(value.median()) > 1e-3
    inside = domain.factor(domain.interior(500), names)
    assert float(inside.min()) > 0
    assert 0.1 < float(inside.max()) < 4


def test_time():
    both = Interval(-1, 1) * Time(0, 2)
    assert isinstance(both, Box)
    assert both.coordinates == ("x", "t")
    assert both.boundary_names == ("x=-1", "x=1")
    assert [piece.name for piece in both.pieces] == ["x=-1", "x=1", "t=0", "t=2"]
    assert [piece.coordinate for piece in both.pieces] == ["x", "x", "t", "t"]
    assert [piece.name for piece in both.pieces if piece.is_initial] == ["t=0"]
    joined = both | (Interval(0, 2) * Time(0, 2))
    assert joined.boundary_names == ("x=-1", "x=2")
    assert [piece.name for piece in joined.pieces if piece.is_initial] == ["t=0", "second t=0"]
    round_one = Disk() * Time(0, 2)
    assert isinstance(round_one, OverTime)
    x, normal = round_one.named(["t=0"])[0].sample(40, "sobol", 0)
    assert x[:, 2].count_nonzero() == 0
    assert normal.tolist()[0] == [0, 0, -1]


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        (Disk() - Disk(0.5), Annulus(0.5, 1).boundary_names),
        (Disk() - Disk(0.2, (-0.5, 0)) - Disk(0.2, (0.5, 0)), ("outer", "inner", "second inner")),
        (Annulus(0.1, 1) - Disk(0.2, (0.5, 0)), ("outer", "inner", "second inner")),
        (SQUARE - Disk(0.2, (-0.5, 0)) - Disk(0.2, (0.5, 0)), (*SQUARE.boundary_names, "inner", "second inner")),
        ((Disk() | Disk(1, (1, 0))) - Disk(0.2), ("circle", "second circle", "inner")),
        (Disk() - Polygon([(0, 0), (0.5, 0), (0, 0.5)]), ("outer", "edge 1", "edge 2", "edge 3")),
    ],
)
def test_boundaries_of_holes_are_named_as_those_of_an_annulus(domain, names):
    assert domain.boundary_names == names
