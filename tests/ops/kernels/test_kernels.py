"""The contract of every kernel that is here: three contractions, against numpy's einsum over scipy's basis."""

import numpy as np
import pytest
import torch
from tests.ops.spline_cases import EVEN, STEEP, UNEVEN, make_knots, points_inside, scipy_basis

from edgewise.ops.kernels import cpu, dense, reference
from edgewise.ops.kernels.cpu import LayerCall
from edgewise.ops.splines.bspline import MAX_DEGREE


class Variant:
    """The CPU kernel with one instruction set."""

    def __init__(self, name):
        self.__name__ = f"cpu_{name}"
        self.name = name

    def to_output(self, v, x, coef, knots, degree, order):
        return cpu.layer(LayerCall(x, coef, knots, degree, v=v, order=order), variant=self.name)

    def to_input(self, u, x, coef, knots, degree, order):
        wanted = (True, False, False)
        return cpu.layer_gradients(
            u, LayerCall(x, coef, knots, degree), x_order=order, wanted=wanted, variant=self.name
        )[0]

    def to_coef(self, u, v, x, knots, degree, order):
        wanted = (False, True, False)
        return cpu.layer_gradients(
            u, LayerCall(x, None, knots, degree, v=v, order=order), wanted=wanted, variant=self.name
        )[1]


KERNELS = [reference, dense, *([cpu] if cpu.variants() else []), *map(Variant, cpu.variants())]
ORDERS = [(degree, order) for degree in range(MAX_DEGREE + 1) for order in range(degree + 2)]
SHAPES = [
    (3, 4, 2),
    (1, 5, 3),
    (3, 1, 1),
    (1, 1, 1),
    (2, 30, 4),
    (2, 3, 7),
    (1, 4, 16),
    (2, 3, 81),
    (1, 200, 33),
]  # inputs, grid_size, outputs

pytestmark = pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__.rpartition(".")[2])


def make_case(degree, order, shape=(3, 4, 2), kind=UNEVEN):
    """u, v, x, coef, knots in float64, and the basis by scipy; every breakpoint is among the points."""
    inputs, grid_size, outputs = shape
    generator = torch.Generator().manual_seed(7)
    knots = make_knots(kind, grid_size, degree, inputs=inputs)
    x = points_inside(knots, degree, count=9)
    u = torch.randn(len(x), outputs, generator=generator, dtype=torch.float64)
    v = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    coef = torch.randn(inputs, grid_size + degree, outputs, generator=generator, dtype=torch.float64)
    return u, v, x, coef, knots, scipy_basis(x, knots, degree, order)


def assert_close(got, expected):
    # The scale of the sum, not of one value: terms cancel.
    error = np.abs(got.numpy() - expected).max(initial=0)
    assert got.shape == expected.shape
    assert error <= 1e-13 * max(1.0, np.abs(expected).max(initial=0))


@pytest.mark.parametrize("weighted", [False, True])
def test_every_degree_and_order(kernel, weighted):
    for degree, order in ORDERS:
        u, v, x, coef, knots, basis = make_case(degree, order)
        ones = v if weighted else torch.ones_like(v)
        weight = v if weighted else None
        assert_close(
            kernel.to_output(weight, x, coef, knots, degree, order), np.einsum("bi,big,igo->bo", ones, basis, coef)
        )
        assert_close(kernel.to_input(u, x, coef, knots, degree, order), np.einsum("bo,big,igo->bi", u, basis, coef))
        assert_close(kernel.to_coef(u, weight, x, knots, degree, order), np.einsum("bo,bi,big->igo", u, ones, basis))


@pytest.mark.parametrize("kind", [EVEN, UNEVEN, STEEP])
def test_every_shape(kernel, kind):
    for shape in SHAPES:
        u, v, x, coef, knots, basis = make_case(3, 0, shape, kind)
        assert_close(kernel.to_output(v, x, coef, knots, 3, 0), np.einsum("bi,big,igo->bo", v, basis, coef))
        assert_close(kernel.to_input(u, x, coef, knots, 3, 0), np.einsum("bo,big,igo->bi", u, basis, coef))
        assert_close(kernel.to_coef(u, v, x, knots, 3, 0), np.einsum("bo,bi,big->igo", u, v, basis))


@pytest.mark.parametrize("order", [0, 1, 2])
def test_outside_the_domain(kernel, order):
    for degree in range(MAX_DEGREE + 1):
        u, v, _, coef, knots, _ = make_case(degree, order)
        ends = torch.stack([knots[:, degree], knots[:, -degree - 1]])
        distance = torch.tensor([[-2.5], [0.75]], dtype=torch.float64)
        u, v, x = u[:2], v[:2], ends + distance
        lines = {
            0: scipy_basis(ends, knots, degree) + distance.numpy()[..., None] * scipy_basis(ends, knots, degree, 1),
            1: scipy_basis(ends, knots, degree, 1),
            2: np.zeros((*x.shape, coef.shape[1])),
        }
        basis = lines[order]
        assert_close(kernel.to_output(v, x, coef, knots, degree, order), np.einsum("bi,big,igo->bo", v, basis, coef))
        assert_close(kernel.to_input(u, x, coef, knots, degree, order), np.einsum("bo,big,igo->bi", u, basis, coef))
        assert_close(kernel.to_coef(u, v, x, knots, degree, order), np.einsum("bo,bi,big->igo", u, v, basis))


@pytest.mark.parametrize("order", [0, 1, 3, 4])
def test_empty_batch(kernel, order):
    u, v, x, coef, knots, _ = make_case(3, order)
    u, v, x = u[:0], v[:0], x[:0]
    assert kernel.to_output(v, x, coef, knots, 3, order).shape == (0, 2)
    assert kernel.to_input(u, x, coef, knots, 3, order).shape == (0, 3)
    assert torch.equal(kernel.to_coef(u, v, x, knots, 3, order), torch.zeros_like(coef))


def test_a_nan_spoils_its_own_sample_and_no_other(kernel):
    for degree, order in ORDERS:
        u, v, x, coef, knots, _ = make_case(degree, order)
        spoilt = x.clone()
        spoilt[2, 1] = torch.nan
        got = kernel.to_output(v, spoilt, coef, knots, degree, order)
        clean = kernel.to_output(v, x, coef, knots, degree, order)
        assert got[2].isnan().all()
        others = torch.arange(len(x)) != 2
        assert torch.equal(got[others], clean[others])
        assert kernel.to_input(u, spoilt, coef, knots, degree, order).isnan().nonzero().tolist() == [[2, 1]]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_float32_within_its_precision(kernel, order):
    u, v, x, coef, knots, basis = make_case(3, order, kind=EVEN)
    keep = ((x[..., None] - knots).abs() > 1e-3).all(-1).all(-1)  # a point on a knot may round to its other side
    u, v, x, basis = u[keep], v[keep], x[keep], basis[keep.numpy()]
    expected = np.einsum("bi,big,igo->bo", v, basis, coef)
    got = kernel.to_output(v.float(), x.float(), coef.float(), knots.float(), 3, order)
    assert got.dtype == torch.float32
    assert len(x) > 3
    assert np.abs(got.numpy() - expected).max() <= 1e-5 * np.abs(expected).max()
