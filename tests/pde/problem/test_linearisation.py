"""Jacobians of residuals by values and derivatives of fields, against differences."""

import pytest
import torch

from edgewise.pde import PDE, Dirichlet, Initial, Interval, Time
from edgewise.pde.problem.linearisation import linearise, residuals_at, smooth_jet


@pytest.mark.parametrize(
    "problem",
    [
        PDE(lambda u: u.t - u * u.xx + u.x**3, Interval(0, 1) * Time(0, 1), [Dirichlet(0.0), Initial(0.0)]),
        PDE(lambda u, k: u.xx + torch.exp(k * u), Interval(0, 1), [Dirichlet(0.0)], coefficients={"k": 0.7}),
    ],
)
def test_the_jacobian_is_that_of_differences(problem):
    term = problem.form.equation_term
    x = problem.domain.interior(20, "sobol")
    jet = smooth_jet(problem.form, term, x)
    _, jacobian = linearise(problem.form, term, x, None, jet)
    assert not any(each.requires_grad for each in jet.values())
    step = 1e-6
    for field, index in jet:
        ahead, behind = (
            residuals_at(problem.form, term, x, None, {**jet, (field, index): jet[field, index] + sign * step})
            for sign in (1, -1)
        )
        assert torch.allclose(jacobian[0, field, index], ((ahead - behind) / (2 * step))[0], rtol=1e-6)
