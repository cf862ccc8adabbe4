"""Equations as problems: hard conditions hold for any network, and models that do not fit are named."""

import math

import pytest
import torch

from edgewise import KAN, fit
from edgewise.errors import InputError
from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.domains.shapes import Disk
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Condition, Dirichlet, Initial
from edgewise.pde.problem.fields import function_jet, laplacian
from edgewise.train import LBFGS

PI = math.pi
SQUARE = Box(x=(-1, 1), y=(-1, 1))
LINE = Interval(0, 1) * Time(0, 1)


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
    plate = PDE(lambda u: u.xxxx + u.yyyy, SQUARE, [Dirichlet(0.0), Condition(laplacian)])
    with pytest.raises(InputError, match=r"must have degree 5 or more for an equation of order 4, got 3$"):
        fit(KAN([2, 2, 1], dtype=torch.float64), plate, LBFGS(), steps=1)
    system = PDE(lambda u, v: (u.t - v, v.t + u), Time(0, 3), [Initial({"u": 0.0, "v": 1.0})])
    with pytest.raises(InputError, match=r"^the model must have 2 outputs, for u, v, got 1$"):
        fit(KAN([1, 2, 1], dtype=torch.float64), system, LBFGS(), steps=1)
