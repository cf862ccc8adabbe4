"""Unknown fields from noisy values: the simulated problems fit their solutions, and rows become a table."""

import pytest
import torch

from edgewise_experiments.pde import unknown_fields
from edgewise_experiments.pde.unknown_fields import conductivity_of_rod, exact_square, rod_temperatures, square


def test_the_exact_fields_solve_the_square():
    """Divergence of a grad u by automatic differentiation."""
    problem = square(0, 0.0)
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    u, a = exact_square(x).unbind(1)
    flux = a[:, None] * torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    divergence = sum(torch.autograd.grad(flux[:, i].sum(), x, retain_graph=True)[0][:, i] for i in (0, 1))
    source = unknown_fields.source_of_square(*x.unbind(1))
    assert float((divergence + source).detach().abs().max()) < 1e-12
    assert (
        float((problem.form.observations[0].values - exact_square(problem.form.observations[0].x)[:, 0]).abs().max())
        == 0
    )


def test_the_rod_is_in_balance():
    """Differences of a u' are those of -10 x."""
    x, u = rod_temperatures()
    middle = (x[1:] + x[:-1]) / 2
    flux = conductivity_of_rod(torch.from_numpy(middle)).numpy() * (u[1:] - u[:-1]) / (x[1] - x[0])
    assert abs(u[-1]) < 1e-12
    assert flux[0] - flux[-1] == pytest.approx(10 * (middle[-1] - middle[0]), rel=1e-6)
