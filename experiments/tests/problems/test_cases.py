"""Equations of the panel: references at points of their domains, closed solutions, and the random coefficients."""

import math

import numpy as np
import pytest
import torch
from tests.pde.problem.test_collocation import Known

from edgewise_experiments.pde.reach import SHARPER
from edgewise_experiments.problems.cases import BY_NAME, bilinear, random_field
from edgewise_experiments.problems.named_equations import EQUATIONS
from edgewise_experiments.problems.references import references

ALL = {**{equation.name: equation for equation in EQUATIONS}, SHARPER.name: SHARPER, **BY_NAME}


@pytest.mark.parametrize("name", references())
def test_references_lie_in_the_domain_of_an_equation_without_a_closed_solution(name):
    problem, (points, values) = ALL[name].make(), references()[name]
    low, high = problem.domain.bounds.numpy().T
    assert problem.form.solution is None
    assert points.shape[1] == problem.domain.dimension and (points >= low).all() and (points <= high).all()
    assert len(values) == len(points) and values.shape[1] <= len(problem.fields) and np.isfinite(values).all()


# The derivatives of scipy's Airy function are not those of torch.
@pytest.mark.parametrize("case", [case for case in BY_NAME.values() if case.name != "Airy"], ids=lambda case: case.name)
def test_closed_solutions_solve_their_equations(case):
    if case.name in references():
        return
    sampled = case.make().resampled(30)
    with torch.no_grad():
        for block in sampled.blocks():
            assert math.sqrt(float(block.loss(Known(sampled), block.data, {}))) < 1e-12, block.name


def test_the_random_field_has_the_sizes_of_pinnacles_pictures():
    field = random_field()
    assert abs(field.mean()) < 1e-12 and abs(field.std() - 1) < 1e-12
    # The ends of its grey scale: those of exp(field) in the picture of the coefficient of Heat2d-VC.
    assert np.allclose([np.exp(field.min()), np.exp(field.max())], [0.060428131, 14.238250165])


def test_bilinear_values():
    x, y = torch.tensor([[-1.0, 0.3, 1.0, 3.0], [0.2, -0.5, 1.0, 3.0]], dtype=torch.float64)
    grid = np.linspace(-1, 3, 9)
    plane = 2 + 3 * grid[None, :] - grid[:, None]
    assert torch.allclose(bilinear(plane, -1, 3)(x, y), 2 + 3 * x - y)
