"""Random statements end in a solution, a doubt or one sentence, and in no other exception."""

import random
import warnings

import pytest
import torch

from edgewise.errors import EdgewiseWarning, InputError
from edgewise.pde import (
    PDE,
    Annulus,
    Box,
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    LShape,
    Neumann,
    Periodic,
    Robin,
    Time,
    diffusion,
    laplacian,
    solve,
)

# Right sides by the coordinate x: smooth, narrow, with jumps, kinks and poles, and none.
SOURCES = (
    lambda x: torch.sin(3 * x),
    lambda x: torch.exp(-(((x - 0.3) / 1e-3) ** 2)),
    lambda x: torch.where(x > 0.6123, 1.0, 0.0),
    lambda x: torch.where((x - 0.6123).abs() < 5e-5, 1e4, 0.0),
    lambda x: (x - 0.4).abs(),
    lambda x: 1 / x,
    lambda x: 0 * x,
    lambda x: 1e8 + x,
)
# Operators of a field, with and without a rate.
OPERATORS = (
    laplacian,
    lambda u: 1e-4 * laplacian(u),
    lambda u: laplacian(u) + 20 * u,
    lambda u: laplacian(u) - u**3,
    lambda u: laplacian(u) + torch.exp(u.value),
    lambda u: u * u.x - 0.01 * laplacian(u),
    lambda u: u.x,
    lambda u: -laplacian(u),
    lambda u: diffusion(u, lambda x: torch.where(x > 0.4, 1.0, 3.0)),
    lambda u: u.x**2 - 1,
    lambda u: u.xxxx,
    lambda u: 1 / u.value + laplacian(u),
)
SPACES = (
    lambda: Interval(0, 1),
    lambda: Box(x=(0, 1), y=(0, 1)),
    lambda: Disk(1.0),
    lambda: Annulus(0.3, 1.0),
    LShape,
    lambda: Box(x=(0, 1), y=(0, 1), z=(0, 1)),
)
VALUES = (0.0, 1.0, lambda x: torch.sin(5 * x), lambda x: torch.where(x > 0.5, 1.0, 0.0), 1e6)


def statement(seed):
    """A random problem, which may raise an InputError, and limits of its solve."""
    draw = random.Random(seed)
    space = draw.choice(SPACES)()
    order = draw.choice((0, 0, 1, 1, 2))
    operator = draw.choice(OPERATORS)
    source = draw.choice(SOURCES)
    kinds = (Dirichlet, Neumann, lambda value: Robin(1.0, 1.0, value))
    conditions = [draw.choice(kinds)(draw.choice(VALUES)) for _ in range(draw.choice((1, 1, 1, 2)))]
    if draw.random() < 0.15:
        conditions[0] = Periodic("x")
    if draw.random() < 0.1:
        conditions.append(Interface("x=0.5"))
    if draw.random() < 0.1:
        conditions.append(Condition(lambda u: u - 1, on=draw.choice(("x=0", "t=0", "outer"))))
    domain = space
    if order:
        domain = space * Time(0, draw.choice((0.01, 1.0)))
        rate = {"rate": draw.choice(VALUES)} if order == 2 else {}
        conditions.append(Initial(draw.choice(VALUES), **rate))

    def stationary(u, x):
        return operator(u) + source(x)

    def first(u, x):
        return u.t - operator(u) - source(x)

    def second(u, x):
        return u.tt - operator(u) - source(x)

    problem = PDE((stationary, first, second)[order], domain, conditions)
    limit = draw.choice(
        ({"time_limit": 0.3}, {"time_limit": 2.0}, {"budget": 3e-3}, {"budget": 1e-3, "tolerance": 1e-3})
    )
    return problem, {"time_limit": 2.0, **limit}


def outcome(seed):
    """How the solve of a random statement ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgewiseWarning)
        try:
            problem, limit = statement(seed)
            solution = solve(problem, **limit)
        except InputError as error:
            return f"refused: {error}"
    if solution.trust.startswith("Not to be trusted"):
        return "doubted"
    return "solved"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, 10))
def test_random_statements_end_in_a_solution_a_doubt_or_a_sentence(first):
    for seed in range(first, first + 10):
        found = outcome(seed)
        assert found in ("doubted", "solved") or (found.startswith("refused: ") and "\n" not in found), seed
