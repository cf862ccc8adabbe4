"""Solutions: values, derivatives by name, and errors that equal integrals done by hand."""

import math

import pytest
import torch
from torch import nn

from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.pde.domains.domain import Box, Time
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial
from edgewise.pde.problem.fields import function_jet
from edgewise.pde.solver.solution import Solution, Stage

PI = math.pi


def waves(x, y):
    return torch.sin(PI * x) * torch.sin(PI * y)


class Off(nn.Module):
    """The solution and a hundredth of sin(pi x) sin(2 pi y)."""

    def __init__(self):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.01, dtype=torch.float64))

    def forward(self, x):
        a, b = x.unbind(1)
        return (waves(a, b) + self.share * torch.sin(PI * a) * torch.sin(2 * PI * b))[:, None]

    def jet(self, x, directions=None, order=0):
        return function_jet(self, x, directions, order)


def made(problem, network):
    stage = Stage((1,), 1, 10, 0.0, 0.5, math.nan, 0.1)
    return Solution(network, problem, (stage,), {"k": 1.0}, math.nan, StopReason.BUDGET, "The budget is spent.")


PLATE = made(PDE(lambda u: u.xx + u.yy, Box(x=(0, 1), y=(0, 1)), [Dirichlet(waves)], solution=waves), Off())


def test_values_and_derivatives():
    x = torch.rand(9000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(PLATE(x), Off()(x))
    assert not PLATE(x).requires_grad
    (u,) = PLATE.fields(x, "x", "xy")
    a, b = x.unbind(1)
    slope = PI * torch.cos(PI * a) * (torch.sin(PI * b) + 0.01 * torch.sin(2 * PI * b))
    assert torch.allclose(u.x, slope)
    assert torch.allclose(u.value, PLATE(x)[:, 0])
    mixed = PI**2 * torch.cos(PI * a) * (torch.cos(PI * b) + 0.02 * torch.cos(2 * PI * b))
    assert torch.allclose(u.xy, mixed)
    assert PLATE.parameters == 2
    assert PLATE.residual == 0.5


def test_errors_equal_integrals_by_hand():
    found = PLATE.errors()
    assert found.l2 == pytest.approx(0.01 / 2)
    assert found.relative_l2 == pytest.approx(0.01)
    assert found.h1 == pytest.approx(math.sqrt((1 + 5 * PI**2) / 4) * 0.01)
    assert found.relative_h1 == pytest.approx(0.01 * math.sqrt((1 + 5 * PI**2) / (1 + 2 * PI**2)))
    assert found.largest == pytest.approx(0.01, rel=1e-2)
    with pytest.raises(InputError, match=r"^fields must be among u, got \['v'\]$"):
        PLATE.errors(["v"])


def test_errors_need_a_known_solution():
    unknown = made(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), Off())
    with pytest.raises(InputError, match=r"^solution must be given for every field to know errors$"):
        unknown.errors()
