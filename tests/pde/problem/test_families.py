"""Families of problems: a `Parameter` is neither space nor time."""

import math
import pickle

import pytest

from edgewise.pde import (
    PDE,
    Dirichlet,
    Disk,
    Interval,
    Parameter,
    Time,
    gradient,
    laplacian,
)

PI = math.pi
LINE = Interval(0, 1)


def test_a_parameter_is_neither_space_nor_time():
    family = Disk() * Parameter("m", 1, 4) * Time(0, 2)
    assert family.coordinates == ("x", "y", "m", "t")
    assert family.boundary_names == ("circle",)
    assert [piece.name for piece in family.pieces] == ["circle", "m=1", "m=4", "t=0", "t=2"]
    assert family.volume == pytest.approx(PI * 3 * 2)
    again = pickle.loads(pickle.dumps(family))
    assert again.boundary_names == ("circle",)
    x, normal = family.boundary(200)
    assert float(normal[:, 2:].abs().max()) == 0
    assert float(x[:, 2].max()) > 3.9
    seen = []
    PDE(lambda u: seen.append(u.space) or laplacian(u) + gradient(u)[:, 0], LINE * Parameter("m", 0, 1), [Dirichlet()])
    assert set(seen) == {("x",)}
