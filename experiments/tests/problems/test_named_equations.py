"""Named equations: known solutions solve them, and the solutions themselves are right."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import simpson
from tests.pde.problem.test_collocation import Known

from edgewise.errors import InputError
from edgewise.train.blocks import BlockRole
from edgewise_experiments.problems.named_equations import (
    EQUATIONS,
    burgers_solution,
    diffusion_data,
    named_equation,
    solitons,
)

KNOWN = [equation.name for equation in EQUATIONS if equation.make().form.solution is not None]


@pytest.mark.parametrize("name", [equation.name for equation in EQUATIONS])
def test_every_equation_can_be_made(name):
    equation = named_equation(name)
    problem = equation.make()
    assert problem.form.order <= 4
    assert len(equation.statement) < 100
    for block in problem.blocks():
        jet = torch.zeros(1 + len(block.directions) * block.order if block.order else 1, 5, len(problem.fields))
        each = {key: torch.ones(5, dtype=torch.float64) for key in problem.unknowns}
        residual = block.weighted_residuals(jet.double(), block.data.select(slice(0, 5)), each)
        assert bool(residual.isfinite().all())


@pytest.mark.parametrize("name", KNOWN)
def test_known_solutions_solve_their_equations(name):
    problem = named_equation(name).make().resampled(200)
    with torch.no_grad():
        for block in problem.blocks():
            unknowns = {key: torch.tensor(0.3, dtype=torch.float64) for key in problem.unknowns}
            loss = math.sqrt(float(block.loss(Known(problem), block.data, unknowns)))
            # noise is in the observations only; rounding of third derivatives grows with their size
            assert loss < (0.02 if block.role is BlockRole.OBSERVATION else 1e-8), block.name


def test_burgers_solution_is_that_of_simpsons_rule():
    viscosity = 0.01 / math.pi

    for x, t in [(0.3, 0.2), (-0.02, 0.5), (0.01, 1.0), (0.9, 0.7)]:
        shift = np.linspace(-2, 2, 400_001)
        exponent = -np.cos(np.pi * (x - shift)) / (2 * np.pi * viscosity) - shift**2 / (4 * viscosity * t)
        weight = np.exp(exponent - exponent.max())
        expected = -simpson(np.sin(np.pi * (x - shift)) * weight, x=shift) / simpson(weight, x=shift)
        found = burgers_solution(*torch.tensor([[x], [t]], dtype=torch.float64))
        assert float(found) == pytest.approx(expected, rel=1e-10)
    start = torch.linspace(-1, 1, 9, dtype=torch.float64)
    assert torch.allclose(burgers_solution(start, 0 * start), -torch.sin(math.pi * start), atol=1e-14)


def test_far_apart_solitons_are_single_ones():
    x = torch.linspace(-30, 40, 400, dtype=torch.float64)
    peak = float(solitons(x, torch.full_like(x, -8.0)).max())
    assert peak == pytest.approx(1.5**2 / 2, rel=1e-2)
    assert float(torch.trapezoid(solitons(x, 0 * x), x)) == pytest.approx(2 * (1.0 + 1.5), rel=1e-6)


def test_diffusion_data_are_seeded_and_noisy():
    first, again, other = diffusion_data(0), diffusion_data(0), diffusion_data(1)
    assert torch.equal(first.values, again.values)
    assert not torch.equal(first.values, other.values)
    x, t = first.x.unbind(1)
    noise = first.values - torch.exp(-0.3 * math.pi**2 * t) * torch.sin(math.pi * x)
    assert np.std(noise.numpy()) == pytest.approx(0.01, rel=0.15)


@pytest.mark.parametrize(
    ("name", "end"),
    [("stokes", "the known ones are poisson, .*, inverse-diffusion"), ("posson", r"did you mean 'poisson'\?")],
)
def test_an_unknown_name_gets_one_sentence(name, end):
    with pytest.raises(InputError, match=f"^there is no equation named '{name}'; {end}$"):
        named_equation(name)
