"""Equations as problems: residuals vanish on known solutions of every operator and condition; errors name mistakes."""

import math

import pytest
import torch
from tests.pde.known import Known

from edgewise import KAN, fit
from edgewise.errors import InputError
from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.domains.shapes import Annulus, Disk, LShape
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Condition, Dirichlet, Initial, Neumann, Robin
from edgewise.pde.problem.fields import curl, divergence, function_jet, gradient, hessian, laplacian
from edgewise.train import LBFGS

PI = math.pi
SQUARE = Box(x=(-1, 1), y=(-1, 1))
LINE = Interval(0, 1) * Time(0, 1)


def block_losses(problem):
    with torch.no_grad():
        network = Known(problem.exact)
        return {block.name: float(block.loss(network, block.data, problem.unknowns)) for block in problem.blocks()}


def smooth(x, y):
    return torch.sin(PI * x) * torch.exp(y / 2)


MANUFACTURED = {
    "poisson": PDE(
        lambda u, x, y: laplacian(u) - (0.25 - PI**2) * smooth(x, y),
        SQUARE,
        [Dirichlet(smooth)],
        solution=smooth,
    ),
    "nonlinear, mixed": PDE(
        lambda u, x, y: (
            u.xy * u
            + u.x**2
            - torch.exp(u)
            - (
                PI / 2 * torch.cos(PI * x) * torch.exp(y / 2) * smooth(x, y)
                + (PI * torch.cos(PI * x) * torch.exp(y / 2)) ** 2
                - torch.exp(smooth(x, y))
            )
        ),
        Disk(),
        [
            Robin(
                2.0,
                lambda x: 1 + x**2,
                lambda x, y: (
                    2 * smooth(x, y)
                    + (1 + x**2) * (x * PI * torch.cos(PI * x) * torch.exp(y / 2) + y / 2 * smooth(x, y))
                ),
            )
        ],
        solution=smooth,
    ),
    "neumann": PDE(
        lambda u, x, y: u - hessian(u)[:, 0, 0] + gradient(u)[:, 1] - (1.5 + PI**2) * smooth(x, y),
        Annulus(0.5, 1),
        [
            Neumann(lambda x, y: x * PI * torch.cos(PI * x) * torch.exp(y / 2) + y / 2 * smooth(x, y), on="outer"),
            Dirichlet(smooth, on="inner"),
        ],
        solution=smooth,
    ),
    "heat": PDE(
        lambda u: u.t - u.xx,
        LINE,
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x))],
        solution=lambda x, t: torch.exp(-(PI**2) * t) * torch.sin(PI * x),
    ),
    "wave": PDE(
        lambda u: u.tt - 4 * u.xx,
        LINE,
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x), rate=lambda x: 2 * PI * torch.sin(PI * x))],
        solution=lambda x, t: torch.sin(PI * x) * (torch.cos(2 * PI * t) + torch.sin(2 * PI * t)),
    ),
    "pendulum": PDE(
        lambda u, t: u.tt + u + u**3 - (torch.sin(t) ** 3),
        Time(0, 3),
        [Initial(0.0, rate=1.0)],
        solution=lambda t: torch.sin(t),
    ),
    "system": PDE(
        lambda u, v, t: (u.t - v, v.t + u),
        Time(0, 3),
        [Initial({"u": 0.0, "v": 1.0})],
        solution={"u": lambda t: torch.sin(t), "v": lambda t: torch.cos(t)},
    ),
    "stream": PDE(
        lambda u, v, x, y: (divergence(u, v), curl(u, v) - 2 * x),
        LShape(),
        [Dirichlet({"u": lambda x, y: x * y, "v": lambda x, y: 1.5 * x**2 - 0.5 * y**2})],
        solution={"u": lambda x, y: x * y, "v": lambda x, y: 1.5 * x**2 - 0.5 * y**2},
    ),
    "biharmonic": PDE(
        lambda u, x, y: u.xxxx + 2 * u.xxyy + u.yyyy - 4 * PI**4 * torch.sin(PI * x) * torch.sin(PI * y),
        SQUARE,
        [Dirichlet(0.0), Condition(lambda u: laplacian(u))],
        solution=lambda x, y: torch.sin(PI * x) * torch.sin(PI * y),
    ),
    "ten dimensions": PDE(
        lambda u, points: laplacian(u) - 20 * torch.ones(len(points)),
        Box.cube(10),
        [Dirichlet(lambda points: points.square().sum(1))],
        points=100,
        solution=lambda points: points.square().sum(1),
    ),
    "disk over time": PDE(
        lambda u, x, y, t: u.t - laplacian(u) - (x**2 + y**2 - 4 * t),
        Disk() * Time(0, 1),
        [Dirichlet(lambda t: t, on="circle"), Initial(0.0)],
        solution=lambda x, y, t: t * (x**2 + y**2),
    ),
}


@pytest.mark.parametrize("name", MANUFACTURED)
def test_residuals_vanish_on_the_solution_and_on_no_other(name):
    problem = MANUFACTURED[name]
    losses = block_losses(problem)
    assert len(losses) == 1 + len(problem.form.conditions)
    assert max(losses.values()) < 1e-20, losses
    others = block_losses(problem.with_solution({n: (lambda points: points[:, 0] ** 2 + 0.3) for n in problem.fields}))
    assert min(others.values()) > 1e-6, others


def test_hard_conditions_hold_for_any_network():
    def walls(x, t):
        return torch.sin(PI * x) + 0 * t

    for domain, on in [(LINE, ["x=0", "x=1", "t=0"]), (Disk() * Time(0, 1), ["circle", "t=0"])]:
        problem = PDE(
            lambda u: u.t - u.xx,
            domain,
            [Dirichlet(walls, on=on, hard=True)],
            points=50,
        )
        assert [block.name for block in problem.blocks()] == ["equation"]
        network = KAN([domain.dimension, 3, 1], 4, 5, dtype=torch.float64)
        x, _ = domain.boundary(40, names=on)
        value = problem.field_jet(network.jet(x), x, None, 0)[0, :, 0]
        assert torch.allclose(value, torch.sin(PI * x[:, 0]), atol=1e-12)
        # derivatives of what is trained on, against nested autograd of the lifted function
        block = problem.blocks()[0]
        x = block.data.x[:5]

        def lifted(x, domain=domain, network=network, on=on):
            return torch.sin(PI * x[:, :1]) + domain.factor(x, on)[:, None] * network(x)

        expected = function_jet(lifted, x, block.directions, block.order)
        found = problem.field_jet(network.jet(x, block.directions, block.order), x, block.directions, block.order)
        assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9)
        residual = block.residuals(network.jet(x, block.directions, block.order), block.data.select(slice(0, 5)))
        assert residual.shape == (5, 1)


def test_models_that_do_not_fit_get_one_sentence():
    problem = MANUFACTURED["biharmonic"]
    with pytest.raises(InputError, match=r"must have degree 5 or more for an equation of order 4, got 3$"):
        fit(KAN([2, 2, 1], dtype=torch.float64), problem, LBFGS(), steps=1)
    with pytest.raises(InputError, match=r"^the model must have 2 outputs, for u, v, got 1$"):
        fit(KAN([1, 2, 1], dtype=torch.float64), MANUFACTURED["system"], LBFGS(), steps=1)
