"""Jacobians of residuals by values and derivatives of fields, against differences and by hand."""

import pytest
import torch

from edgewise.pde import PDE, Box, Dirichlet, Initial, Interval, Neumann, Time, integral
from edgewise.pde.problem.linearisation import linearise, residuals_at, smooth_jet, zero_jet

SQUARE = Box(x=(0, 1), y=(0, 2))


def test_the_jacobian_has_a_key_for_each_derivative_that_a_residual_depends_on():
    problem = PDE(
        lambda u, v, x: [u.xx + u.yy + x * v, v.xx + v.yy - u**2 + 0 * v.x],
        SQUARE,
        [Dirichlet({"u": 0.0, "v": 0.0})],
    )
    term = problem.form.equation_term
    x = SQUARE.interior(20, "sobol")
    values, jacobian = linearise(problem.form, term, x, None, smooth_jet(problem.form, term, x))
    second_order = {(k, k, index) for k in (0, 1) for index in ((2, 0), (0, 2))}
    assert set(jacobian) == {*second_order, (0, 1, (0, 0)), (1, 0, (0, 0))}
    assert torch.allclose(jacobian[0, 1, (0, 0)], x[:, 0] / term.requirements.sizes[0], rtol=1e-14)
    second, by_second = linearise(problem.form, term, x, None, smooth_jet(problem.form, term, x), [1])
    assert torch.equal(second[0], values[1])
    assert set(by_second) == {(0, 1, (2, 0)), (0, 1, (0, 2)), (0, 0, (0, 0))}


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


def test_residuals_of_conditions_take_normals_and_integrals_the_values_elsewhere():
    flux = Neumann(lambda y: y, on="x=0")
    problem = PDE(lambda u: u.xx + u.yy, SQUARE, [flux, Dirichlet(0.0, on=["x=1", "y=0", "y=2"])])
    term = problem.form.condition_terms[0]
    x, normal = SQUARE.boundary(8, "sobol", 0, ("x=0",))
    values, jacobian = linearise(problem.form, term, x, normal, zero_jet(term, x))
    size = term.requirements.sizes[0]
    assert torch.allclose(values[0], -x[:, 1] / size)
    assert torch.allclose(jacobian[0, 0, (1, 0)], normal[:, 0] / size)
    mean = PDE(lambda u: u.x - integral(u, 0.0, 1.0), Interval(0, 1), [Dirichlet(1.0, on="x=0")])
    term = mean.form.equation_term
    x = Interval(0, 1).interior(5, "sobol")

    def threes(jet, field, axis, places, is_delay=False):
        return torch.full((len(x), places.shape[1]), 3.0, dtype=torch.float64)

    size = float(term.requirements.sizes[0])
    for elsewhere, value in ((None, 1.0), (threes, 3.0)):
        values = residuals_at(mean.form, term, x, None, zero_jet(term, x), elsewhere=elsewhere)
        assert torch.allclose(values, torch.full_like(values, -value / size))
