"""The three contractions are closed under differentiation: reverse, forward, mixed, batched, compiled, exported."""

import re

import numpy as np
import pytest
import torch
from tests.ops.spline_cases import UNEVEN, make_knots, scipy_basis
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.func import hessian, jacfwd, jacrev, jvp, vmap

from edgewise.errors import InputError
from edgewise.ops import contract
from edgewise.ops.backend import use_kernel
from edgewise.ops.contract import spline_sum
from edgewise.ops.kernels import cpu, reference

BATCH, INPUTS, GRID, OUTPUTS = 4, 2, 3, 2
CASES = [(3, 0), (3, 1), (5, 2), (2, 0), (1, 0), (4, 3)]  # degree, order


def make_case(degree, *, grid_size=GRID):
    """u, v, x, coef (all with gradient) and knots. Points inside, clear of knots, and one outside on each side."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    knots = make_knots(UNEVEN, grid_size, degree, inputs=INPUTS)
    low, high = knots[:, degree], knots[:, -degree - 1]
    share = torch.tensor([[0.11, 0.87], [0.52, 0.33], [-0.4, 0.2], [0.7, 1.3]], dtype=torch.float64)
    x = (low + share * (high - low)).requires_grad_()
    return (normal(BATCH, OUTPUTS), normal(BATCH, INPUTS), x, normal(INPUTS, grid_size + degree, OUTPUTS), knots)


def contraction(name, weighted, degree, order):
    """The contraction as a function of its differentiable tensors, and those tensors."""
    u, v, x, coef, knots = make_case(degree)
    if name == "to_output" and weighted:
        return lambda v, x, coef: contract.to_output(v, x, coef, knots, degree, order), (v, x, coef)
    if name == "to_output":
        return lambda x, coef: contract.to_output(None, x, coef, knots, degree, order), (x, coef)
    if name == "to_input":
        return lambda u, x, coef: contract.to_input(u, x, coef, knots, degree, order), (u, x, coef)
    if weighted:
        return lambda u, v, x: contract.to_coef(u, v, x, knots, degree, order), (u, v, x)
    return lambda u, x: contract.to_coef(u, None, x, knots, degree, order), (u, x)


each_contraction = pytest.mark.parametrize(
    ("name", "weighted"),
    [("to_output", False), ("to_output", True), ("to_input", True), ("to_coef", False), ("to_coef", True)],
)


@each_contraction
@pytest.mark.parametrize(("degree", "order"), CASES)
def test_gradcheck_reverse_and_forward(name, weighted, degree, order):
    function, tensors = contraction(name, weighted, degree, order)
    assert gradcheck(function, tensors, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)


@each_contraction
@pytest.mark.parametrize(("degree", "order"), [(3, 0), (5, 1)])
def test_gradgradcheck_reverse_and_forward_over_reverse(name, weighted, degree, order):
    function, tensors = contraction(name, weighted, degree, order)
    assert gradgradcheck(function, tensors, check_fwd_over_rev=True)


@pytest.mark.parametrize("weighted", [False, True])
def test_third_order_autograd_equals_the_third_order_contraction(weighted):
    _, v, x, coef, knots = make_case(5)
    value = spline_sum(x, coef, knots, 5, weight=v if weighted else None).sum()
    for order in (1, 2, 3):
        (slope,) = grad(value, x, create_graph=True)
        per_input = np.einsum("big,igo->bi", scipy_basis(x.detach(), knots, 5, order), coef.detach())
        expected = torch.from_numpy(per_input) * (v if weighted else 1)
        inside = (x >= knots[:, 5]) & (x <= knots[:, -6])
        assert torch.allclose(slope[inside], expected[inside], rtol=1e-11)
        value = slope.sum()


def test_only_the_gradients_asked_for_are_computed():
    u, v, x, coef, knots = make_case(3)
    for wanted in (v, x, coef):
        leaves = [tensor.detach().requires_grad_(tensor is wanted) for tensor in (v, x, coef)]
        contract.to_output(*leaves, knots, 3, 0).backward(u.detach())
        assert [leaf.grad is not None for leaf in leaves] == [tensor is wanted for tensor in (v, x, coef)]


def test_functional_jacobians_agree_with_scipy_and_each_other():
    _, _, x, coef, knots = make_case(3)
    x, coef = x.detach()[:2], coef.detach()

    def one(point):
        return spline_sum(point[None], coef, knots, 3)[0]

    expected = np.einsum("big,igo->boi", scipy_basis(x, knots, 3, 1), coef)
    for transform in (jacrev, jacfwd):
        assert torch.allclose(vmap(transform(one))(x), torch.from_numpy(expected), rtol=1e-12)
    curvature = np.einsum("big,igo->boi", scipy_basis(x, knots, 3, 2), coef)
    second = vmap(hessian(one))(x)
    assert torch.allclose(second, torch.diag_embed(torch.from_numpy(curvature)), rtol=1e-11, atol=1e-12)
    assert torch.allclose(vmap(jacrev(jacrev(one)))(x), second, rtol=1e-12)
    assert torch.allclose(vmap(jacrev(jacfwd(one)))(x), second, rtol=1e-12)


@pytest.mark.parametrize("which", ["x", "coef", "knots", "all"])
def test_vmap_equals_a_loop(which):
    _, _, x, coef, knots = (tensor.detach() for tensor in make_case(3))
    scale = torch.tensor([1.0, 1.5, 2.0], dtype=torch.float64)
    batched = {
        name: tensor * scale.view(3, *[1] * tensor.ndim) if which in (name, "all") else None
        for name, tensor in (("x", x), ("coef", coef), ("knots", knots))
    }
    stacks = [
        stack if stack is not None else one for stack, one in zip(batched.values(), (x, coef, knots), strict=True)
    ]
    axes = tuple(None if stack is None else 0 for stack in batched.values())

    def slope(x, coef, knots):
        return torch.func.grad(lambda x: spline_sum(x, coef, knots, 3).square().sum())(x)

    for function in (lambda *tensors: spline_sum(*tensors, 3), slope):
        got = vmap(function, in_dims=axes)(*stacks)
        for k in range(3):
            single = [s if axis is None else s[k] for s, axis in zip(stacks, axes, strict=True)]
            assert torch.allclose(got[k], function(*single), rtol=1e-13)


class _Sum(torch.nn.Module):
    """One spline sum as a module, for the exporter."""

    def __init__(self, coef, knots):
        super().__init__()
        self.coef = torch.nn.Parameter(coef.detach())
        self.register_buffer("knots", knots)

    def forward(self, x):
        return spline_sum(x, self.coef, self.knots, 3)


@pytest.mark.nightly
def test_compiles_as_one_graph_with_backward_and_second_derivatives_inside():
    _, _, x, coef, knots = make_case(3)
    module = _Sum(coef, knots)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    gradients = []
    for run in (module, compiled):
        leaf = x.detach().clone().requires_grad_()
        module.coef.grad = None
        run(leaf).square().sum().backward()
        gradients.append((leaf.grad, module.coef.grad))
    for eager, fast in zip(*gradients, strict=True):
        assert torch.allclose(eager, fast, rtol=1e-12)

    # At the two ends of the domain, where a clamp differentiated carelessly would lose half of u_xx.
    ends = torch.stack([knots[:, 3], knots[:, -4]])

    def curvature(x):  # by reverse mode twice: torch 2.13 cannot compile forward mode under vmap
        return vmap(jacrev(jacrev(lambda p: spline_sum(p[None], coef.detach(), knots, 3)[0, 0])))(x)

    expected = np.einsum("big,ig->bi", scipy_basis(ends, knots, 3, 2), coef.detach()[..., 0])
    for run in (curvature, torch.compile(curvature, fullgraph=True, backend="aot_eager")):
        assert torch.allclose(run(ends).diagonal(dim1=1, dim2=2), torch.from_numpy(expected), rtol=1e-10)


@pytest.mark.slow
def test_exports_with_a_dynamic_batch_to_plain_torch():
    _, _, x, coef, knots = make_case(3)
    module = _Sum(coef, knots)
    program = torch.export.export(module, (x.detach(),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    assert not re.search("edgewise", str(program.graph), re.IGNORECASE)
    for count in (2, 11):
        points = x.detach()[:1].expand(count, -1).contiguous()
        with use_kernel("reference"):
            assert torch.equal(program.module()(points), module(points))
        assert torch.allclose(program.module()(points), module(points), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_autocast_leaves_splines_in_their_own_dtype(weighted):
    """bfloat16 would place a point among knots with 8 bits; the backward pass would mix dtypes and fail."""
    _, v, x, coef, knots = (tensor.detach().float() for tensor in make_case(3))
    results = []
    for enabled in (False, True):
        x_leaf, coef_leaf = x.clone().requires_grad_(), coef.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            y = spline_sum(x_leaf, coef_leaf, knots, 3, weight=v if weighted else None)
            loss = y.square().sum()
            # Backward inside the block, as people write it, though torch advises against it.
            (slope,) = grad(loss, x_leaf, create_graph=True)
        (slope.square().sum() + loss).backward()
        results.append((y, slope, x_leaf.grad, coef_leaf.grad))
    for plain, mixed in zip(*results, strict=True):
        assert mixed.dtype == torch.float32
        assert torch.equal(plain, mixed)


@pytest.mark.parametrize("name", ["reference", "cpu", None])
def test_the_intended_kernel_ran(monkeypatch, name):
    if name != "reference" and not cpu.variants():
        pytest.skip("the CPU kernel is not built")
    calls = []
    for module in (reference, cpu):
        for function in ("to_output", "to_input", "to_coef"):
            monkeypatch.setattr(module, function, recorded(calls, module, function))
    _, _, x, coef, knots = make_case(3)
    with use_kernel(name):
        spline_sum(x, coef, knots, 3).sum().backward()
    assert calls == [(name or "cpu", function) for function in ("to_output", "to_input", "to_coef")]


def recorded(calls, module, function):
    original = getattr(module, function)

    def record(*arguments):
        calls.append((module.__name__.rpartition(".")[2], function))
        return original(*arguments)

    return record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coef": torch.zeros(2, 6)}, "coef must have shape (in, n, out), got (2, 6)"),
        ({"x": torch.zeros(4)}, "x must have shape (batch, 2), got (4,)"),
        ({"x": torch.zeros(4, 3)}, "x must have shape (batch, 2), got (4, 3)"),
        ({"knots": torch.zeros(2, 9)}, "knots must have shape (2, 10) for degree 3, got (2, 9)"),
        ({"degree": 11}, "degree must be an integer from 0 to 10, got 11"),
        ({"degree": -1}, "degree must be an integer from 0 to 10, got -1"),
        ({"order": -1}, "order must be an integer, 0 or more, got -1"),
        ({"order": 1.0}, "order must be an integer, 0 or more, got 1.0"),
        ({"weight": torch.zeros(4, 1)}, "weight must have the shape of x, (4, 2), got (4, 1)"),
        ({"x": torch.zeros(4, 2).double()}, "coef must have the dtype of x, torch.float64, got torch.float32"),
        ({"weight": torch.zeros(4, 2).double()}, "weight must have the dtype of x, torch.float32, got torch.float64"),
    ],
)
def test_bad_arguments_get_one_sentence(change, message):
    arguments = {"x": torch.zeros(4, 2), "coef": torch.zeros(2, 6, 3), "knots": torch.arange(10.0).expand(2, -1)}
    arguments = {**arguments, "degree": 3, **change}
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        spline_sum(**arguments)


@each_contraction
def test_forward_mode_of_forward_mode_is_the_second_derivative_along_two_directions(name, weighted):
    # Inside the jvp of a Function torch switches forward mode off for all levels, so nested levels need plain torch.
    function, tensors = contraction(name, weighted, 3, 0)
    points = tuple(tensor.detach() for tensor in tensors)
    first, second = [tuple(torch.cos(seed + 3 * point) for point in points) for seed in (0, 1)]

    def slope(*points):
        return jvp(function, points, first)[1]

    ahead, behind = [slope(*(p + step * d for p, d in zip(points, second, strict=True))) for step in (1e-6, -1e-6)]
    nested = jvp(slope, points, second)[1]
    assert nested.abs().max() > 0.1
    assert torch.allclose(nested, (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-6)
