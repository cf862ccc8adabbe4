"""A layer in one pass equals the layer in plain torch: values, gradients of every order and mode."""

import pytest
import torch
from tests.ops.spline_cases import UNEVEN, make_knots
from torch.autograd import forward_ad, grad, gradcheck, gradgradcheck

from edgewise.nn.layers.spline import KANLayer
from edgewise.ops.backend import use_kernel
from edgewise.ops.kernels import cpu
from edgewise.ops.whole_layer import layer_sum

pytestmark = pytest.mark.skipif(not cpu.variants(), reason="the CPU kernel is not built")
BASES = ["silu", "identity", "zero"]


def make_layer(base="silu", dtype=torch.float64, inputs=2, outputs=3, degree=3):
    generator = torch.Generator().manual_seed(11)
    layer = KANLayer(inputs, outputs, grid_size=4, degree=degree, base=base, generator=generator, dtype=dtype)
    layer.knots.copy_(make_knots(UNEVEN, 4, degree, inputs=inputs))
    layer.mask[0, 1] = 0
    x = 3 * torch.rand(7, inputs, generator=generator, dtype=torch.float64) - 1  # some outside, on both sides
    return layer, x.to(dtype).requires_grad_()


def arguments(layer, x):
    base = () if layer.base is None else (layer.base,)

    def function(x, coef, *base):
        return layer_sum(x, coef, base[0] if base else None, layer.mask, layer.knots, layer.degree, layer.base_function)

    return function, (x, layer.coef, *base)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("degree", [0, 1, 3, 5])
def test_equals_plain_torch_with_all_gradients(base, degree):
    layer, x = make_layer(base, degree=degree)
    results = []
    for kernel in ("cpu", "reference"):
        with use_kernel(kernel):
            y = layer(x)
            leaves = (x, *layer.parameters())
            results.append((y, *grad(y.square().sum(), leaves)))
    for fast, slow in zip(*results, strict=True):
        assert torch.allclose(fast, slow, rtol=1e-12, atol=1e-13)
    assert not torch.equal(results[0][0], torch.zeros_like(results[0][0]))


@pytest.mark.parametrize("name", ["mask", "base"])
def test_masks_and_bases_of_another_shape_are_left_to_torch(name):
    layer, x = make_layer()
    tensors = {"base": layer.base.detach(), "mask": layer.mask}
    tensors[name] = tensors[name][:1]
    assert layer_sum(x, layer.coef, **tensors, knots=layer.knots, degree=3, base_function="silu") is None


def test_one_call_forward_and_one_backward(monkeypatch):
    calls = []
    for name in ("layer", "layer_gradients"):
        original = getattr(cpu, name)
        monkeypatch.setattr(cpu, name, lambda *a, _f=original, _n=name, **k: calls.append(_n) or _f(*a, **k))
    layer, x = make_layer()
    layer(x).sum().backward()
    assert calls == ["layer", "layer_gradients"]
    assert layer.coef.grad[0, :, 1].count_nonzero() == 0  # masked


@pytest.mark.slow
@pytest.mark.parametrize("base", BASES)
def test_gradcheck_and_gradgradcheck(base):
    layer, x = make_layer(base)
    function, tensors = arguments(layer, x)
    assert gradcheck(function, tensors, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(function, tensors, check_fwd_over_rev=True)


def test_laplacian_and_its_gradient_equal_plain_torch():
    layer, x = make_layer(degree=5)
    results = []
    for kernel in ("cpu", "reference"):
        with use_kernel(kernel):
            (slope,) = grad(layer(x).sum(), x, create_graph=True)
            laplacian = sum(grad(slope[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(2))
            results.append((laplacian, *grad(laplacian.square().sum(), (x, *layer.parameters()))))
    for fast, slow in zip(*results, strict=True):
        assert torch.allclose(fast, slow, rtol=1e-10, atol=1e-11)


def test_forward_mode_by_dual_numbers():
    layer, x = make_layer()
    direction = torch.ones_like(x)
    with forward_ad.dual_level():
        value, change = forward_ad.unpack_dual(layer(forward_ad.make_dual(x.detach(), direction)))
    step = 1e-6
    assert torch.allclose(change, (layer(x + step) - layer(x - step)) / (2 * step), rtol=1e-6, atol=1e-8)
    assert torch.equal(value, layer(x))
