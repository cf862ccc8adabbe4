"""J0 and its derivatives: scipy, autograd, the export's quadrature."""

import numpy as np
import pytest
import scipy.special
import torch

from edgewise.ops import bessel
from edgewise.ops.bessel import bessel_j0

X = torch.cat([torch.linspace(-90, 90, 401), torch.tensor([0.0, 1e-9, 1e-3, 32.0, -32.0, 32.0001])]).double()


@pytest.mark.parametrize("order", range(7))
def test_equals_scipy_at_every_order(order):
    # J0^(n) is (-1)^k / 2^n times the binomial sum of neighbouring Bessel functions, which scipy forms itself.
    expected = scipy.special.jvp(0, X.numpy(), order) if order else scipy.special.j0(X.numpy())
    assert np.abs(bessel_j0(X, order).numpy() - expected).max() < 2e-14


@pytest.mark.parametrize("order", [0, 2])
def test_autograd_in_both_modes(order):
    x = torch.tensor([-12.0, -1.0, 0.3, 7.9, 40.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: bessel_j0(x, order), (x,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda x: bessel_j0(x, order), (x,))
    each = torch.func.vmap(torch.func.grad(bessel_j0))(x.detach())
    assert torch.allclose(each, bessel_j0(x.detach(), 1), rtol=0, atol=1e-15)
    once = torch.ones_like(x)
    nested = torch.func.jvp(lambda x: torch.func.jvp(bessel_j0, (x,), (once,))[1], (x.detach(),), (once,))[1]
    assert torch.allclose(nested, bessel_j0(x.detach(), 2), rtol=0, atol=1e-13)


def test_the_quadrature_of_the_export_serves_all_ordinary_arguments():
    x = torch.linspace(-150, 150, 999, dtype=torch.float64)
    assert torch.allclose(bessel._quadrature(x, 0, 64), bessel_j0(x), rtol=0, atol=1e-13)
