"""The table of elementary functions: values by scipy or numpy, derivatives by autograd, domains, additions."""

import math

import pytest
import torch

from edgewise.nn.elementary import ELEMENTARY, Elementary

# pykan's list (its SYMBOLIC_LIB), by this table's names.
PYKAN = [
    *("x", "x^2", "x^3", "x^4", "x^5", "1/x", "1/x^2", "1/x^3", "1/x^4", "1/x^5", "sqrt", "x^1.5", "1/sqrt", "exp"),
    *("log", "abs", "sin", "cos", "tan", "tanh", "sgn", "arcsin", "arccos", "arctan", "arctanh", "0", "gaussian"),
]


def inside(row: Elementary) -> torch.Tensor:
    """Points well within a row's domain, off its pole."""
    low, high = max(row.low, -2.1), min(row.high, 2.3)
    points = torch.linspace(low, high, 12, dtype=torch.float64)[1:-1]
    return points[(points - (row.pole if row.pole is not None else 99.0)).abs() > 0.05]


def test_holds_all_that_pykan_has_and_more():
    assert set(PYKAN) <= set(ELEMENTARY)
    assert {"sinh", "cosh", "J0"} <= set(ELEMENTARY)


@pytest.mark.parametrize("row", ELEMENTARY.values(), ids=list(ELEMENTARY))
def test_derivatives_equal_autograd(row):
    x = inside(row).requires_grad_()
    found = row.jet_derivatives(x, 4)
    value = row.function(x)
    for order, derivative in enumerate(found):
        assert torch.allclose(derivative, value, rtol=1e-9, atol=1e-9), order
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True) if value.requires_grad else (0 * x,)


@pytest.mark.parametrize("row", ELEMENTARY.values(), ids=list(ELEMENTARY))
def test_derivatives_are_differentiable_themselves(row):
    x = inside(row).requires_grad_()
    first = row.jet_derivatives(x, 2)
    if first[1].requires_grad:
        (slope,) = torch.autograd.grad(first[1].sum(), x)
        assert torch.allclose(slope, first[2].detach(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("row", ELEMENTARY.values(), ids=list(ELEMENTARY))
def test_domains_are_where_values_are_finite(row):
    x = inside(row)
    assert bool(row.function(x).isfinite().all())
    for end in (row.low, row.high):
        if math.isfinite(end):
            outside = torch.tensor([end + math.copysign(0.1, end - 0.5)], dtype=torch.float64)
            assert bool(row.function(outside).isnan())
            assert not row.allows(end - 0.1, end + 0.1)
            at = float(row.function(torch.tensor(end, dtype=torch.float64)))
            assert math.isfinite(at) == (not row.open_ends)
    if row.pole is not None:
        assert not row.allows(row.pole - 0.1, row.pole + 0.1)


def test_allows_says_where_poles_lie():
    assert ELEMENTARY["tan"].allows(-1.5, 1.5)
    assert ELEMENTARY["tan"].allows(1.6, 4.7)
    assert not ELEMENTARY["tan"].allows(1.5, 1.6)
    assert not ELEMENTARY["tan"].allows(4.7, 4.8)
    assert ELEMENTARY["1/x"].allows(0.1, 5)
    assert not ELEMENTARY["1/x"].allows(-1, 1)
    assert ELEMENTARY["log"].allows(1e-9, 5)
    assert not ELEMENTARY["log"].allows(0, 5)
    assert ELEMENTARY["sqrt"].allows(0, 5)
