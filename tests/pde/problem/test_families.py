"""Families of problems (`Parameter`), coordinates that act as time under another name, and wrong statements."""

import math
import pickle

import pytest
import torch

from edgewise.errors import InputError
from edgewise.pde import (
    PDE,
    Box,
    Dirichlet,
    Disk,
    Initial,
    Interval,
    Neumann,
    Parameter,
    Time,
    gradient,
    laplacian,
    solve,
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


WALLS = Dirichlet(0.0, on=["x=0", "x=1"])
SQUARE = Box(x=(0, 1), y=(0, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Parameter("t", 0, 1), "^name of a parameter must not be t, which is time$"),
        (lambda: Parameter("mass", 0, 1), "^a coordinate must be a letter, perhaps with a number"),
        (lambda: LINE * LINE, "^a domain must be multiplied by a Time or a Parameter, got Box; a box of several"),
        (lambda: Disk() * Parameter("x", 0, 1), "^space must have no coordinate x, got x, y$"),
        (
            lambda: PDE(lambda u: u.y - u.xx, SQUARE, [WALLS]),
            "^conditions on 'y=0' must be 1 for u, for an equation of order 1 in space, got 0",
        ),
        (
            lambda: PDE(lambda u: u.xx + u.yy, SQUARE, [WALLS, Dirichlet(0.0, on="y=0"), Neumann(0.0, on="y=0")]),
            "^conditions on 'y=1' must be 1 for u",
        ),
        (
            lambda: PDE(lambda u, t: u.derivative(t, 0.5), Time(0, 1), [Initial(1.0)]),
            "^a derivative must be by names among t, each once per order, .* fractional derivatives are not possible$",
        ),
        (
            lambda: PDE(lambda u: u.derivative("x", "z"), LINE, []),
            "^a derivative must be by names among x, .* got 'z': fractional",
        ),
        (
            lambda: PDE(lambda u, x: u.xx - torch.where(x > 0.998, torch.nan, 1.0), LINE, [Dirichlet(0.0)]),
            r"^equation must be finite for a smooth solution, got nan at x = 0\.99",
        ),
        (
            lambda: PDE(laplacian, SQUARE, [Dirichlet(lambda x, y: torch.log(x - 0.3))]),
            r"^a condition on x=0, x=1, y=0, y=1 must be finite .* got nan at x = 0, y = 0\.\d+$",
        ),
        (
            lambda: PDE(laplacian, Disk(0.5) - Disk(1.0), [Dirichlet(0.0)]),
            "^the domain must have a volume and a boundary, got an empty one$",
        ),
    ],
)
def test_mistakes_get_one_sentence(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.slow
@pytest.mark.parametrize(("domain", "rate"), [(LINE, 3.52), (LINE, 5.0), (Box(x=(0, 1), y=(0, 1)), 8.0), (Disk(), 4.0)])
def test_beyond_a_fold_no_solution_is_claimed(domain, rate):
    """Folds of Bratu's equation are at 3.514 on the line, 6.808 on the square and 2 on the disk."""
    solution = solve(PDE(lambda u: laplacian(u) + rate * torch.exp(u), domain, [Dirichlet(0.0)]))
    assert "No solution was found: two grids leave the same residual" in solution.message
    assert solution.stopped == "no_progress"
    assert solution.error_estimate >= 1
    assert solution.trust.startswith("Not to be trusted")
    assert len(solution.stages) <= 5  # further ones take minutes; on the disk the first three are of splines alone
