"""The experiment on the paper's error bound: slopes of the best spline, derivatives, summary, quick run."""

import math

import pytest
import torch

from edgewise import KAN, fit
from edgewise_experiments.theory import approximation_theory
from edgewise_experiments.theory.approximation_theory import (
    FULL,
    best_splines,
    derivatives,
    exponent,
    sobolev_problem,
)


@pytest.mark.slow
@pytest.mark.parametrize("degree", approximation_theory.DEGREES)
def test_the_best_spline_has_the_theory_s_exponents(degree):
    """The demand: every order within 0.2, and the explicit bound holds."""
    row = {"kind": "projection", "degree": degree, "grids": list(FULL.projected[:5])}
    row |= approximation_theory.project(degree, row["grids"], lambda at: None)
    found = [exponent(row, order) for order in range(degree + 1)]
    assert found == pytest.approx([degree + 1 - order for order in range(degree + 1)], abs=0.2)
    assert all(error <= bound for error, bound in zip(row["l2"], row["bound"], strict=True))


@pytest.mark.slow
def test_derivatives_are_those_of_the_formula():
    x = torch.tensor([[0.3, -0.2]], dtype=torch.float64)
    wave = math.exp(math.sin(0.3 * math.pi) + 0.04)
    along = derivatives(approximation_theory._toy, x, torch.tensor([0.0, 1.0], dtype=torch.float64), 2)
    assert [float(value) for value in along] == pytest.approx([wave, -0.4 * wave, (2 + 0.16) * wave])


def test_samples_lie_on_the_faces_and_in_the_corners():
    x = approximation_theory.training_samples(200, 0)
    assert float(x.abs().max()) == 1 and ((x.abs() == 1).all(1)).sum() >= 4
    assert 4 < int((x.abs() == 1).any(1).sum()) < 100


def test_the_best_splines_of_the_edges_compose_the_target():
    x = torch.tensor([[0.3, -0.2], [1.0, 1.0], [-1.0, 0.5]], dtype=torch.float64)
    exact = [math.exp(math.sin(math.pi * p) + q * q) for p, q in x.tolist()]
    errors = [(best_splines(3, grid)(x)[:, 0] - torch.tensor(exact)).abs().max() for grid in (8, 32)]
    assert errors[1] < 2e-5 and errors[0] / errors[1] > 4**3


def test_a_sobolev_loss_is_the_mean_of_weighted_squares():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(40, 2, generator=generator, dtype=torch.float64)
    y = torch.stack([x[:, 0] ** 2 * x[:, 1], torch.sin(x[:, 1])], 1)
    p, q = x.unbind(1)
    zero = torch.zeros_like(p)
    first = torch.stack([torch.stack([2 * p * q, zero], 1), torch.stack([p**2, q.cos()], 1)])
    second = torch.stack([torch.stack([2 * q, zero], 1), torch.stack([zero, -q.sin()], 1)])
    problem = sobolev_problem(x, y, torch.stack([first, second], 1), scale=0.3)
    model = KAN([2, 3, 2], 4, domain=(0, 1), dtype=torch.float64)
    slopes, bends = (
        torch.func.vmap(each(lambda p: model(p[None])[0]))(x) for each in (torch.func.jacrev, torch.func.hessian)
    )
    expected = (model(x) - y).square().mean()
    for d in (0, 1):
        expected = expected + 0.3**2 * (slopes[..., d] - first[d]).square().mean()
        expected = expected + 0.3**4 * (bends[..., d, d] - second[d]).square().mean()
    block = problem.blocks()[0]
    assert torch.allclose(block.loss(model, block.data, {}), expected, rtol=1e-12)


def test_derivatives_decide_where_values_say_nothing():
    """Four values and slopes determine the seven coefficients of a spline of four intervals, four values do not."""
    x = torch.tensor([[0.0], [0.3], [0.7], [1.0]], dtype=torch.float64)
    model = KAN([1, 1], 4, base="zero", domain=(0, 1), dtype=torch.float64)
    fit(model, sobolev_problem(x, x**3, (3 * x**2)[None, None], 1.0), steps=50)
    between = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    with torch.no_grad():
        slope = model.jet(between, torch.ones(1, 1, dtype=torch.float64), 1)[1]
        assert torch.allclose(model(x), x**3, atol=1e-8)
        assert float((slope - 3 * between**2).abs().max()) < 0.2
