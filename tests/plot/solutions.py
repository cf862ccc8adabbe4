"""Solutions on every kind of domain for tests of figures, from untrained networks."""

import math
from dataclasses import replace

import torch

from edgewise.outcomes import StopReason
from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.domains.shapes import Annulus, Disk, LShape
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial
from edgewise.pde.solver.network import network_for
from edgewise.pde.solver.solution import Solution, Stage

PI = math.pi


def untrained(problem: PDE, stages: int = 1) -> Solution:
    """Return the solution of an untrained network with invented stages."""
    network = network_for(problem, (), 3, 5, seed=0)
    for parameter in network.parameters():
        parameter.data.normal_(generator=torch.Generator().manual_seed(1))
    first = Stage(grid_size=(3,), parameters=10, points=100, loss=1e-2, residual=0.2, change=math.nan, seconds=0.5)
    later = [
        replace(
            first, parameters=10 * 2**k, loss=1e-2 / 100**k, residual=0.2 / 10**k, change=0.3 / 10**k, seconds=k + 0.5
        )
        for k in range(1, stages)
    ]
    return Solution(network, problem, (first, *later), {}, math.nan, StopReason.BUDGET, "The budget is spent.")


def laplace(domain, **settings) -> PDE:
    """Harmonic x y inside, given on the boundary."""
    return PDE(lambda u: u.xx + u.yy, domain, [Dirichlet(lambda x, y: x * y)], points=50, **settings)


def product(x, y):
    return x * y


PLANE = {
    "square": lambda: laplace(Box(x=(-1, 1), y=(0, 1)), solution=product),
    "disk": lambda: laplace(Disk(), solution=product),
    "annulus": lambda: laplace(Annulus(0.5, 1)),
    "corner": lambda: laplace(LShape()),
    "hole": lambda: laplace(Box(x=(-1, 1), y=(-1, 1)) - Disk(0.4)),
}


def heat(solution=None) -> PDE:
    """Heat on an interval."""
    return PDE(
        lambda u: u.t - u.xx,
        Interval(0, 2) * Time(0, 3),
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x))],
        points=50,
        solution=solution,
    )


def heat_solution(x, t):
    return torch.exp(-(PI**2) * t) * torch.sin(PI * x)


def heat_on_a_disk() -> PDE:
    return PDE(
        lambda u: u.t - u.xx - u.yy, Disk() * Time(0, 1), [Dirichlet(0.0), Initial(lambda x, y: 1 - x**2)], points=50
    )


def oscillation() -> PDE:
    """u' = v, v' = -u."""
    return PDE(
        lambda u, v: (u.t - v, v.t + u),
        Time(0, 3),
        [Initial({"u": 0.0, "v": 1.0})],
        points=50,
        solution={"u": lambda t: torch.sin(t), "v": lambda t: torch.cos(t)},
    )


def flow() -> PDE:
    """Two fields, three equations."""
    return PDE(
        lambda u, v: (u.xx + v.y, v.yy - u.x, u.x + v.y),
        Box(x=(0, 1), y=(0, 1)),
        [Dirichlet({"u": 0.0, "v": 1.0})],
        points=50,
    )


def cube() -> PDE:
    return PDE(
        lambda u, points: u.derivative("x1", "x1") + u.derivative("x2", "x2") + u.derivative("x3", "x3"),
        Box.cube(4),
        [Dirichlet(1.0)],
        points=50,
        solution=lambda points: points.prod(1),
    )
