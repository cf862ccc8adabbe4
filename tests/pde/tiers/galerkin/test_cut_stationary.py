"""Problems on balls, boxes without balls and layers of them, against manufactured solutions."""

import math
import warnings
from itertools import islice

import pytest
import torch

from edgewise.errors import EdgewiseWarning
from edgewise.pde import (
    PDE,
    Ball,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Time,
    gradient,
    laplacian,
)
from edgewise.pde.solver.cascade import CutCells
from edgewise.pde.solver.facts import Facts
from edgewise.pde.tiers.galerkin.cut_stationary import cut_cell_levels

CUBE = Box(x=(-1, 1), y=(-1, 1), z=(-1, 1))


def wave(x, y, z):
    return torch.sin(2 * x + y) * torch.exp(z / 2)


def poisson(domain, conditions):
    return PDE(lambda u, x, y, z: laplacian(u) + 4.75 * wave(x, y, z), domain, conditions)


def flux(u, x, y, z, normal):
    """Robin's condition that the wave fulfils."""
    slope = torch.stack([2 * torch.cos(2 * x + y), torch.cos(2 * x + y), torch.sin(2 * x + y) / 2], 1)
    known = slope * torch.exp(z / 2)[:, None]
    return ((gradient(u) - known) * normal).sum(1) + u - wave(x, y, z)


def conducts(z):
    return torch.where(z < 0.2, 1.0, 3.0)


def kink(x, y, z):
    return torch.sin(x + y) * torch.where(z < 0.2, 3.0, 1.0) * (z - 0.2) + torch.cos(x)


def layers(u, x, y, z):
    known = 2 * torch.sin(x + y) * torch.where(z < 0.2, 3.0, 1.0) * (z - 0.2) + torch.cos(x)
    return conducts(z) * (laplacian(u) + known)


SHELL = Ball() - Ball(0.4, (0.1, 0.0, 0.1))
HOLE = CUBE - Ball(0.5, (0.2, 0.1, 0.0))
WALLS = [name for name in HOLE.boundary_names if name != "inner"]


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("problem", "exact", "grids"),
    [
        (poisson(SHELL, [Dirichlet(wave)]), wave, 2),
        (poisson(HOLE, [Dirichlet(wave, on=WALLS), Condition(flux, on="inner")]), wave, 2),
        (
            PDE(layers, CUBE - Ball(0.4, (0.2, 0.1, 0.1)), [Dirichlet(kink), Interface(on="z=0.2")]),
            kink,
            1,
        ),
    ],
)
def test_the_first_grids_have_five_digits(problem, exact, grids):
    x = problem.domain.interior(1000, "sobol", 9)
    interfaces = Facts(problem.form).interfaces
    stages, known = cut_cell_levels(problem, interfaces), exact(*x.T)
    number = torch.zeros(len(x), dtype=torch.int64) if problem.form.parts is None else problem.form.parts.number(x)
    errors = []
    for stage in islice(stages, grids):
        values = stage.network(x).detach().gather(1, number[:, None])[:, 0]
        errors.append(float((values - known).norm() / known.norm()))
        assert 0.1 < math.sqrt(stage.loss) / errors[-1] < 30
    assert errors[-1] < 1e-5 and len(errors) == grids


def test_other_problems_have_no_such_grids():
    others = [
        PDE(lambda u: laplacian(u) + u**3, SHELL, [Dirichlet(1.0)]),
        PDE(lambda u: laplacian(u), Disk(), [Dirichlet(1.0)]),
        PDE(lambda u: laplacian(u), Ball(), [Dirichlet(1.0)]),
        PDE(lambda u: u.t - laplacian(u), Disk() * Time(0, 1), [Dirichlet(0.0), Initial(0.0)]),
    ]
    assert not any(CutCells().solves(Facts(problem.form)) for problem in others)
    assert CutCells().solves(Facts(poisson(SHELL, [Dirichlet(wave)]).form))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("equation", "condition"),
    [
        (laplacian, Condition(lambda u: u.x - 1, on="inner")),  # along the boundary too
        (laplacian, Condition(lambda u, x: (u - x, u.x - 1), on="inner")),
        (lambda u: (laplacian(u), u.x - 1), Dirichlet(lambda x: x, on="inner")),
    ],
)
def test_other_conditions_and_several_residuals_have_no_stage(equation, condition):
    """Galerkin's method took the first residual alone, and derivatives along the boundary were an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgewiseWarning)  # of surplus conditions
        problem = PDE(equation, HOLE, [Dirichlet(lambda x: x, on=WALLS), condition])
    assert next(cut_cell_levels(problem), None) is None
