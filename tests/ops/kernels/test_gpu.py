"""The kernels for CUDA on a GPU; without one all of this is left out. No GPU was there when it was written."""

import importlib.util

import pytest
import torch
from tests.ops.spline_cases import EVEN, make_knots

from edgewise.nn import KAN
from edgewise.ops import kernel_for, spline_sum, use_kernel
from edgewise.ops.backend import choose

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU on this machine"),
]
KERNELS = ["dense", *(["triton"] if importlib.util.find_spec("triton") else [])]


def make_case(batch, inputs, outputs, grid_size=5, degree=3):
    generator = torch.Generator().manual_seed(1)
    knots = make_knots(EVEN, grid_size, degree, inputs=inputs)
    x = 2.6 * torch.rand(batch, inputs, generator=generator, dtype=torch.float64) - 1
    coef = torch.randn(inputs, grid_size + degree, outputs, generator=generator, dtype=torch.float64)
    return x.requires_grad_(), coef.requires_grad_(), knots


def results(x, coef, knots, degree, order):
    y = spline_sum(x, coef, knots, degree, order=order)
    slope, by_coef = torch.autograd.grad(y.sin().sum(), (x, coef), create_graph=True)
    return [y, slope, by_coef, *torch.autograd.grad(slope.square().sum(), (x, coef))]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(1, 1, 1), (70, 9, 65), (3000, 33, 5)], ids=str)
@pytest.mark.parametrize("name", KERNELS)
def test_values_and_derivatives_are_those_of_the_cpu(name, shape, dtype):
    for degree, order in [(3, 0), (5, 2)]:
        case = make_case(*shape, degree=degree)
        with use_kernel("reference"):
            expected = results(*case, degree, order)
        x, coef, knots = (tensor.detach().to("cuda", dtype) for tensor in case)
        with use_kernel(name):
            got = results(x.requires_grad_(), coef.requires_grad_(), knots, degree, order)
            again = results(x, coef, knots, degree, order)
        for one, other, repeated in zip(got, expected, again, strict=True):
            bound = (1e-11 if dtype == torch.float64 else 1e-3) * max(1.0, float(other.abs().max()))
            assert (one.double().cpu() - other).abs().max() <= bound
            assert name == "dense" or torch.equal(one, repeated)


@pytest.mark.parametrize("name", KERNELS)
def test_a_cuda_graph_repeats_the_forward_pass(name):
    model = KAN([8, 16, 2], seed=0, device="cuda")
    x = torch.rand(256, 8, device="cuda")
    with torch.no_grad(), use_kernel(name):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            expected = model(x)  # compiles
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = model(x)
        graph.replay()
        assert torch.equal(y, expected)


def test_the_automatic_choice_is_the_dense_product():
    x = torch.zeros(2, 3, device="cuda")
    assert kernel_for(x) == "dense"
    assert choose(3, x).__name__.endswith("dense")
