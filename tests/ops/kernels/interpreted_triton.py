"""The Triton kernel in Triton's interpreter, on the CPU; `test_triton.py` runs this file with TRITON_INTERPRET=1."""

import pytest
import torch
from tests.ops.spline_cases import EVEN, STEEP, UNEVEN, make_knots
from tests.ops.test_contract import make_case as contract_case

from edgewise.errors import InputError
from edgewise.nn import KAN
from edgewise.ops.backend import choose, kernel_for, use_kernel
from edgewise.ops.contract import to_coef, to_input, to_output
from edgewise.ops.kernels import reference, triton

# degree, order, inputs, grid_size, outputs, batch: sizes below, at and beyond those of a tile, and none that fits it
CASES = [
    (0, 0, 1, 1, 1, 1),
    (0, 1, 2, 3, 2, 7),
    (1, 0, 2, 9, 18, 5),
    (2, 2, 5, 4, 3, 20),
    (3, 0, 3, 5, 65, 70),
    (3, 1, 3, 40, 2, 9),
    (3, 3, 9, 2, 5, 3),
    (3, 4, 2, 5, 5, 3),
    (5, 4, 2, 6, 3, 11),
    (8, 2, 1, 70, 2, 4),
    (11, 0, 2, 3, 2, 6),
    (11, 11, 1, 1, 1, 6),
]


def make_case(degree, inputs, grid_size, outputs, batch, kind=UNEVEN, dtype=torch.float64):
    """u, v, x, coef, knots; a third of the points lie outside the domain, two at its ends, one on a knot."""
    generator = torch.Generator().manual_seed(3)
    knots = make_knots(kind, grid_size, degree, inputs=inputs)
    low, high = knots[:, degree], knots[:, degree + grid_size]
    x = low + (high - low) * (1.5 * torch.rand(batch, inputs, generator=generator, dtype=torch.float64) - 0.25)
    for row, place in zip(range(batch), (low, high, knots[:, degree + grid_size // 2]), strict=False):
        x[row] = place
    u = torch.randn(batch, outputs, generator=generator, dtype=torch.float64)
    v = torch.randn(batch, inputs, generator=generator, dtype=torch.float64)
    coef = torch.randn(inputs, grid_size + degree, outputs, generator=generator, dtype=torch.float64)
    return tuple(tensor.to(dtype) for tensor in (u, v, x, coef, knots))


def contractions(kernel, u, v, x, coef, knots, degree, order):
    return [
        kernel.to_output(v, x, coef, knots, degree, order),
        kernel.to_output(None, x, coef, knots, degree, order),
        kernel.to_input(u, x, coef, knots, degree, order),
        kernel.to_coef(u, v, x, knots, degree, order),
        kernel.to_coef(u, None, x, knots, degree, order),
    ]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_contractions_are_those_of_the_reference(case, dtype):
    degree, order, *sizes = case
    tensors = make_case(degree, *sizes, dtype=dtype)
    got, expected = (contractions(kernel, *tensors, degree, order) for kernel in (triton, reference))
    for one, other in zip(got, expected, strict=True):
        assert one.shape == other.shape
        assert one.dtype == dtype
        # Both round the same terms in another order; a derivative of high order has large terms that cancel.
        assert (one - other).abs().max() <= 100 * torch.finfo(dtype).eps * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("kind", [EVEN, STEEP])
def test_other_knots_and_strides(kind):
    u, v, x, coef, knots = make_case(3, 3, 7, 4, 10, kind)
    strided = (u.mT.contiguous().mT, v[:, [0]].expand_as(v), x.repeat(1, 2)[:, ::2], coef.mT.contiguous().mT)
    expected = [v[:, [0]].expand_as(v), x.repeat(1, 2)[:, ::2]]
    for one, other in zip(
        contractions(triton, *strided, knots, 3, 0),
        contractions(reference, u, expected[0].clone(), expected[1].clone(), coef, knots, 3, 0),
        strict=True,
    ):
        assert torch.allclose(one, other, rtol=0, atol=1e-13)


def test_empty_batches_give_empty_results_and_zero_gradients():
    u, v, x, coef, knots = make_case(3, 2, 5, 3, 4)
    none = u[:0], v[:0], x[:0], coef, knots
    for one, other in zip(contractions(triton, *none, 3, 1), contractions(reference, *none, 3, 1), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("order", [0, 2, 4])
def test_a_nan_spoils_its_own_sample_and_no_other(order):
    u, v, x, coef, knots = make_case(3, 3, 5, 2, 9)
    spoilt = x.clone()
    spoilt[4, 1] = torch.nan
    others = torch.arange(9) != 4
    got, clean = (triton.to_output(v, at, coef, knots, 3, order) for at in (spoilt, x))
    assert got[4].isnan().all()
    assert torch.equal(got[others], clean[others])
    assert triton.to_input(u, spoilt, coef, knots, 3, order).isnan().nonzero().tolist() == [[4, 1]]


def test_a_sum_over_samples_in_parts_is_the_same(monkeypatch):
    u, v, x, _, knots = make_case(2, 3, 4, 3, 150)
    whole = triton.to_coef(u, v, x, knots, 2, 0)
    grids = []

    class Recorded:
        program = triton._to_coef

        def __getitem__(self, grid):
            grids.append(grid)
            return self.program[grid]

    monkeypatch.setattr(triton, "_to_coef", Recorded())
    monkeypatch.setattr(triton, "LEAST_PART_SAMPLES", 40)
    parts = triton.to_coef(u, v, x, knots, 2, 0)
    assert grids == [(1, 1, 3)]
    assert torch.allclose(whole, parts, rtol=0, atol=1e-13)
    assert torch.equal(parts, triton.to_coef(u, v, x, knots, 2, 0))


def test_bfloat16_has_a_float32_basis():
    u, v, x, coef, knots = make_case(3, 4, 8, 5, 30, EVEN, torch.bfloat16)
    exact = contractions(reference, *(tensor.double() for tensor in (u, v, x, coef, knots)), 3, 0)
    for one, other in zip(contractions(triton, u, v, x, coef, knots, 3, 0), exact, strict=True):
        assert one.dtype == torch.bfloat16
        # The basis is rounded once to 8 bits, and the result once: two roundings of 2^-9, relative to the terms.
        assert (one.double() - other).abs().max() <= 2**-7 * float(other.abs().max())


@pytest.mark.parametrize("order", [0, 1])
def test_gradcheck_and_gradgradcheck(order):
    u, v, x, coef, knots = contract_case(3)
    with use_kernel("triton"):
        for function, tensors in [
            (lambda v, x, c: to_output(v, x, c, knots, 3, order), (v, x, coef)),
            (lambda u, x, c: to_input(u, x, c, knots, 3, order), (u, x, coef)),
            (lambda u, v, x: to_coef(u, v, x, knots, 3, order), (u, v, x)),
        ]:
            assert torch.autograd.gradcheck(function, tensors, fast_mode=True)
        if order == 0:
            assert torch.autograd.gradgradcheck(function, tensors, fast_mode=True)


def test_a_model_and_its_gradients_with_the_kernel_that_was_asked_for():
    model = KAN([2, 3, 1], seed=0, dtype=torch.float64)
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).view(6, 2).requires_grad_()
    results = []
    for name in ("reference", "triton"):
        with use_kernel(name):
            assert kernel_for(x) == name
            y = model(x)
            results.append([y, *torch.autograd.grad(y.sum(), [x, *model.parameters()], allow_unused=True)])
    for one, other in zip(*results, strict=True):
        assert (one is None and other is None) or torch.allclose(one, other, rtol=0, atol=1e-13)


def test_what_it_does_not_take_gets_one_sentence():
    x = torch.zeros(2, 3)
    for degree, at, message in [
        (12, x, "has degrees up to 11, got 12"),
        (3, x.to("meta"), "takes tensors on a CUDA device, got one on meta"),
        (3, x.long(), "takes float16, bfloat16, float32 and float64, got torch.int64"),
    ]:
        with use_kernel("triton"), pytest.raises(InputError, match=f"the Triton kernel {message}"):
            choose(degree, at)
