"""What the dense kernel has beyond the contract of all kernels: tiles, number formats of 16 bits, other devices."""

import pytest
import torch
from tests.ops.spline_cases import EVEN, make_knots
from tests.ops.test_contract import make_case as contract_case
from torch.autograd import gradcheck

from edgewise.nn import KANLayer
from edgewise.ops import contract, kernel_for, spline_sum, use_kernel
from edgewise.ops.kernels import dense, reference


def make_case(batch=50, inputs=3, outputs=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    knots = make_knots(EVEN, 6, 3, inputs=inputs)
    shapes = (batch, outputs), (batch, inputs), (inputs, 9, outputs)
    u, v, coef = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    x = 2.6 * torch.rand(batch, inputs, generator=generator, dtype=torch.float64) - 1  # some outside of [-0.7, 1.3]
    return tuple(tensor.to(dtype) for tensor in (u, v, x, coef, knots))


def contractions(kernel, u, v, x, coef, knots):
    return (
        kernel.to_output(v, x, coef, knots, 3, 0),
        kernel.to_input(u, x, coef, knots, 3, 1),
        kernel.to_coef(u, v, x, knots, 3, 0),
    )


def test_tiles_of_a_few_samples_give_the_same(monkeypatch):
    tensors = make_case()
    whole = contractions(dense, *tensors)
    monkeypatch.setattr(dense, "TILE_NUMBERS", 7 * 3 * (9 + 40))  # seven samples: eight tiles, the last of one sample
    assert len(list(dense._tiles(tensors[2], tensors[4], 3))) == 8
    for one, other in zip(contractions(dense, *tensors), whole, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_16_bits_the_basis_has_32(dtype):
    tensors = make_case(dtype=dtype)
    exact = contractions(reference, *(tensor.double() for tensor in tensors))
    rough = contractions(reference, *tensors)
    for one, other, exactly in zip(contractions(dense, *tensors), rough, exact, strict=True):
        assert one.dtype == dtype
        error, with_16_bits = ((each.double() - exactly).abs().max() for each in (one, other))
        assert error <= 4 * torch.finfo(dtype).eps * exactly.abs().max()
        assert error < with_16_bits


def test_derivatives_on_the_dense_kernel():
    _, v, x, coef, knots = contract_case(3)
    with use_kernel("dense"):
        assert gradcheck(lambda v, x, c: contract.to_output(v, x, c, knots, 3, 0), (v, x, coef), check_forward_ad=True)


def test_it_is_the_kernel_of_other_devices():
    layer = KANLayer(3, 2, device="meta")
    x = torch.empty(5, 3, device="meta", requires_grad=True)
    assert kernel_for(x) == "dense"
    with use_kernel("dense"):
        y = spline_sum(x, layer.coef, layer.knots, layer.degree)
        (slope,) = torch.autograd.grad(y.sum(), x)
    assert (y.device.type, y.shape, slope.shape) == ("meta", (5, 2), (5, 3))
