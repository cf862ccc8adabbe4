"""Interfaces: parts of a domain, their joints by value and flux, and exact solutions of several kinds."""

import math

import pytest
import torch

from edgewise import KAN, fit
from edgewise.errors import InputError
from edgewise.pde import (
    PDE,
    Ball,
    Box,
    Dirichlet,
    Disk,
    Interface,
    Interval,
    diffusion,
    solve,
)
from edgewise.train import LevenbergMarquardt

LINE, SQUARE = Interval(0, 1), Box(x=(-1, 1), y=(-1, 1))
where = torch.where


def layers(x):
    return where(x < 0.5, 1.0, 3.0)


def through_layers(x):
    return where(x < 0.5, 1.5 * x, 0.75 + 0.5 * (x - 0.5))


@pytest.mark.slow
def test_the_flux_of_each_side_counts():
    """k = 1 + x | 50 exp(x), sin | cos, with jumps of value and flux that were worked out by hand."""
    at = 0.4

    def k(x):
        return where(x < at, 1 + x, 50 * torch.exp(x))

    def known(x):
        return where(x < at, torch.sin(3 * x), torch.cos(2 * x))

    def source(x):
        left = 3 * torch.cos(3 * x) - 9 * (1 + x) * torch.sin(3 * x)
        return where(x < at, left, 50 * torch.exp(x) * (-2 * torch.sin(2 * x) - 4 * torch.cos(2 * x)))

    value = math.cos(2 * at) - math.sin(3 * at)
    flux = -100 * math.exp(at) * math.sin(2 * at) - 3 * (1 + at) * math.cos(3 * at)
    conditions = [Dirichlet(known), Interface("x=0.4", value=value, flux=flux)]
    solution = solve(PDE(lambda u, x: diffusion(u, k) - source(x), LINE, conditions, solution=known))
    assert solution.errors().relative_l2 < 1e-11
    assert solution.error_estimate > solution.errors().relative_l2 / 3


def fields_between_ends(coefficient):
    """Solution of div(k grad u) = 0 and v'' = 0 between 0 and 1, where v = x."""
    ends = [Dirichlet({"u": 0.0, "v": 0.0}, on="x=0"), Dirichlet({"u": 1.0, "v": 1.0}, on="x=1")]
    return solve(PDE(lambda u, v: [diffusion(u, coefficient(u, v)), v.xx], LINE, ends))


@pytest.mark.parametrize(
    "coefficient",
    [
        lambda u, v: lambda x: 1 + v,
        lambda u, v: lambda x: 1 + u,
        lambda u, v: lambda x, value: 1 + value + u,
        lambda u, v: lambda x: 1 + u.x,
        lambda u, v: lambda x: torch.exp(v) * x,
    ],
)
def test_fields_that_a_coefficient_must_not_use_are_refused(coefficient):
    with pytest.raises(InputError, match="coefficient must depend on fields by its argument `value`"):
        fields_between_ends(coefficient)


def stepped(on):
    """Linear on both sides of 0.3, k = 1 | 2: -2 b x and b (1 - x), which jumps by 1."""
    problem = PDE(lambda u: diffusion(u, lambda x: where(x < 0.3, 1.0, 2.0)), LINE, [Dirichlet(0.0), on])
    return solve(problem), 1 / 1.3


@pytest.mark.slow
@pytest.mark.parametrize("on", ["x=0.3", lambda x: x - 0.3], ids=["place", "function"])
def test_integrals_and_roots_beside_a_jump(on):
    solution, b = stepped(Interface(on, value=1.0))
    assert solution.integral() == pytest.approx(-2 * b * 0.3**2 / 2 + b * 0.7**2 / 2, rel=1e-12)
    assert solution.integral(over=Interval(0, 0.5)) == pytest.approx(-b * 0.3**2 + b * (0.7**2 - 0.5**2) / 2, rel=1e-12)
    right = PDE(lambda u: u.xx, LINE, [Dirichlet(0.0)], solution=lambda x: 0 * x)
    assert solution.difference(solve(right)) == pytest.approx(1.0)
    # The value 0.1 is taken on the right only: across the jump, the field goes through it without taking it.
    assert solution.roots(0.1) == pytest.approx([1 - 0.1 / b])
    assert solution.roots(-0.2) == pytest.approx([0.2 / (2 * b)])


@pytest.mark.slow
def test_a_circle():
    def square(x, y):
        return x**2 + y**2

    def known(x, y):
        r = square(x, y)
        return where(r < 0.25, r**2, r**2 / 10 + 0.9 * 0.5**4)

    problem = PDE(
        lambda u, x, y: diffusion(u, lambda x, y: where(square(x, y) < 0.25, 1.0, 10.0)) - 16 * square(x, y),
        SQUARE,
        [Dirichlet(known), Interface(lambda x, y: x**2 + y**2 - 0.25)],
        solution=known,
    )
    assert solve(problem, tolerance=1e-7).errors().relative_l2 < 1e-7


@pytest.mark.parametrize(
    "on", [Disk(0.5), Box(x=(-1, 0.25), y=(-1, 1)), Ball(0.5), "y=0.3"], ids=["disk", "box", "ball", "line"]
)
def test_both_sides_of_every_point_of_an_interface(on):
    domain = Box(x=(-1, 1), y=(-1, 1), z=(-1, 1)) if isinstance(on, Ball) else SQUARE
    problem = PDE(lambda u: u.xx + u.yy, domain, [Dirichlet(0.0), Interface(on)])
    (block,) = [block for block in problem.blocks() if block.name.startswith("Interface")]
    inside = Interface(on).inside(domain)
    assert len(block.data) > 10
    assert float(inside.level(block.data.x).abs().max()) < 1e-9
    normal = block.data.auxiliary["normal"]
    assert bool((inside.level(block.data.x + 1e-3 * normal) > 0).all())
    assert bool((inside.level(block.data.x - 1e-3 * normal) < 0).all())
    one, other = problem.form.parts.number(torch.cat([inside.interior(1), domain.bounds[None, :, 1]]))
    assert (block.data.auxiliary["sides"] == torch.tensor([one, other])).all()


@pytest.mark.slow
def test_a_jump_without_an_interface_is_said():
    ends = [Dirichlet(through_layers)]
    plain = solve(PDE(lambda u: diffusion(u, layers), LINE, ends))
    assert "jumps near x = 0.5" in plain.trust and "Interface(on=...)" in plain.trust
    elsewhere = solve(PDE(lambda u: diffusion(u, layers), LINE, [*ends, Interface("x=0.3")]))
    assert "jumps near x = 0.5" in elsewhere.trust


@pytest.mark.slow
def test_a_jump_in_front_of_second_derivatives_is_said():
    """It means two things: a slope that is continuous, or a flux; tiers/galerkin/test_weak.py has it in time."""
    trust = solve(
        PDE(lambda u, x: layers(x) * u.xx + torch.sin(torch.pi * x), LINE, [Dirichlet(0.0)]), budget=1e-3
    ).trust
    assert "leading coefficient of the equation jumps near x = 0.5" in trust and "Interface(on=...)" in trust


def test_networks_of_ones_own():
    problem = PDE(lambda u: diffusion(u, layers), LINE, [Dirichlet(through_layers), Interface("x=0.5")], points=200)
    network = KAN([1, 2], 5, 3, domain=(0, 1), dtype=torch.float64)
    assert fit(network, problem, LevenbergMarquardt(), steps=20).loss < 1e-10
    with pytest.raises(InputError, match="2 outputs, for u on each of 2 parts, got 1"):
        fit(KAN([1, 1], 5, 3, dtype=torch.float64), problem, LevenbergMarquardt(), steps=1)
