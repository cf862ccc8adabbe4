"""Derivatives of the fixed functions, against nested autograd."""

import pytest
import torch

from edgewise.ops.activation import ACTIVATIONS, activation_derivatives


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("order", range(6))
def test_equal_nested_autograd(name, order):
    x = torch.linspace(-4, 4, 30, dtype=torch.float64).requires_grad_()
    expected = ACTIVATIONS[name](x)
    found = activation_derivatives(x.detach(), name, order)
    assert len(found) == order + 1
    for derivative in found:
        assert torch.allclose(derivative, expected, rtol=1e-11, atol=1e-11)
        expected = torch.autograd.grad(expected.sum(), x, create_graph=True, materialize_grads=True)[0] + 0 * x


def test_are_differentiable():
    x = torch.linspace(-2, 2, 7, dtype=torch.float64).requires_grad_()
    for name in ("silu", "tanh"):
        third = activation_derivatives(x, name, 3)[3]
        slope = torch.autograd.grad(third.sum(), x)[0]
        assert torch.allclose(slope, activation_derivatives(x, name, 4)[4], rtol=1e-12, atol=1e-12)


def test_large_arguments_give_no_nan():
    x = torch.tensor([-800.0, 800.0], dtype=torch.float64)
    # The first four are infinite there; torch gives NaN as the second derivative of mish.
    for name in ACTIVATIONS.keys() - {"exp", "expm1", "cosh", "sinh", "mish"}:
        assert all(bool(d.isfinite().all()) for d in activation_derivatives(x, name, 5))
