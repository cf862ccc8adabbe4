"""Families of problems (`Parameter`), coordinates that act as time under another name, and wrong statements."""

import math
import pickle

import pytest
import torch

from edgewise.pde import (
    PDE,
    Dirichlet,
    Disk,
    Interval,
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


@pytest.mark.nightly
def test_beyond_a_fold_no_solution_is_claimed():
    """The fold of Bratu's equation on the disk is at 2."""
    solution = solve(PDE(lambda u: laplacian(u) + 4 * torch.exp(u), Disk(), [Dirichlet(0.0)]))
    assert "Least squares did not converge: two grids leave the same residual" in solution.message
    assert solution.stopped == "no_progress"
    assert solution.error_estimate >= 1
    assert solution.trust.startswith("Not to be trusted")
    assert len(solution.stages) <= 5  # further ones take minutes; on the disk the first three are of splines alone
