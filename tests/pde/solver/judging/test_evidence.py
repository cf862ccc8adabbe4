"""Evidence about solutions: what earlier versions answered wrongly without a word is right now, or named."""

import math

import pytest
import torch

from edgewise.outcomes import Budget
from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.domains.shapes import Disk
from edgewise.pde.domains.solids import Ball
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial, Neumann, Observations
from edgewise.pde.problem.fields import laplacian
from edgewise.pde.solver.judging.correction import correction_of
from edgewise.pde.solver.judging.evidence import judge
from edgewise.pde.solver.judging.residuals import residual_size, worst_case_points
from edgewise.pde.solver.judging.uniqueness import (
    Weakest,
    undetermined_coefficients,
    weakest_direction,
)
from edgewise.pde.solver.network import tensor_network
from edgewise.pde.solver.solving import solve

PI = math.pi
LINE = Interval(0, 1)
CUBE = Box(x=(0, 1), y=(0, 1), z=(0, 1))


@pytest.mark.parametrize("seconds", [None, -1.0])
def test_grids_that_agree_where_least_squares_rests_do_not_hide_an_error(seconds):
    """Two grids of a degenerate equation agreed to 8e-13, with an estimate of 5e-8 of an error 8e-5."""
    problem = PDE(lambda u, x: u.xx - u**3 + PI**2 * torch.sin(PI * x) + torch.sin(PI * x) ** 3, LINE, [Dirichlet(0.0)])
    network = solve(problem, tolerance=1e-6, budget=1e-4).model
    for layer in network.layers:
        layer.coef.data.mul_(1 + 1e-3)
    with Budget(seconds=seconds).holds():
        found = judge(network, problem, change=1e-12, estimate=1e-12, work=0.0, is_minimum=True)
    assert 0.5e-3 < found.estimate < 2e-2  # the error is 1e-3


def test_an_error_that_begins_late_counts_by_its_size_in_the_last_tenth_of_the_time():
    """u = 1 with a rate of (t - 0.9)+ too many: in the mean over the whole time its error is a third of this."""

    def problem(rate):
        return PDE(lambda u, t: u.t - rate * torch.relu(t - 0.9), Time(0, 1), [Initial(1.0)])

    network = solve(problem(1.0), tolerance=1e-6).model
    exact = problem(0.0)
    points = worst_case_points(network, exact)
    size = correction_of(network, exact, points, residual_size(network, exact, points), 1e7, is_only=True)
    assert size == pytest.approx(0.1**2 / 2 / math.sqrt(5), rel=0.2)


def test_an_eigenvalue_problem_is_named():
    problem = PDE(lambda u, lam: u.xx + lam * u, Interval(0, PI), [Dirichlet(0.0)], coefficients={"lam": 1.5})
    solution = solve(problem)
    assert solution.stopped == "no_progress"
    assert "The solution is u = 0, which solves every homogeneous problem" in solution.message
    assert "Nothing determines the coefficient lam" in solution.trust
    assert solution.error_estimate >= 1
    value = Observations(torch.tensor([[PI / 2]], dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    pinned = PDE(lambda u, lam: u.xx + lam * u, Interval(0, PI), [Dirichlet(0.0), value], coefficients={"lam": 1.5})
    solution = solve(pinned)
    assert solution.unknowns["lam"] == pytest.approx(1, abs=1e-8)
    assert undetermined_coefficients(solution.model, solution.problem) == []
    assert solution.trust.startswith("Checked")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (PDE(lambda u, x: u.xx + torch.cos(PI * x), LINE, [Neumann(0.0)]), "a constant may be added to it"),
        (
            PDE(lambda u, v: (u.x - v, v.x + 1), LINE, [Dirichlet({"v": 0.0}, on="x=0")]),
            "a constant may be added to u, and the residual",
        ),
        (PDE(lambda u: u.xx - 1, LINE, [Neumann(0.0)]), "the data contradict each other"),
        (PDE(lambda u, x: u.xx + PI**2 * u - torch.sin(PI * x), LINE, [Dirichlet(0.0)]), "another function may be"),
    ],
)
def test_problems_without_or_with_many_solutions_are_named(problem, words):
    solution = solve(problem, budget=1e-3)
    assert solution.stopped != "converged"
    assert words in solution.message and words in solution.trust
    assert solution.error_estimate > 0.01


def test_a_function_of_time_that_one_measured_value_leaves_free_is_named():
    """A pressure that is measured once: nobody looked, and errors of a tenth had estimates of 3e-7."""

    def measured(moments):
        times = torch.linspace(0, 1, moments, dtype=torch.float64)
        x = torch.stack([torch.zeros_like(times), times], 1)
        problem = PDE(
            lambda u, p: (u.t - u.xx + p.x, p.xx + 1),
            LINE * Time(0, 1),
            [Dirichlet({"u": 0.0}), Initial({"u": 0.0}), Neumann({"p": 0.0}, on="x=0"), Observations(x, times, "p")],
        )
        return weakest_direction(tensor_network(problem, 4, 5), problem)

    weakest = measured(1)
    assert weakest is not None and weakest.size < 1e-12
    assert weakest.words == "a function of time" and weakest.fields == ("p",)
    assert measured(60) is None


@pytest.mark.parametrize(
    ("conditions", "words", "least", "most"),
    [([Dirichlet(0.0)], "another function", 0.1, 1.0), ([Neumann(0.0)], "a constant", 0.0, 1e-10)],
)
def test_functions_of_three_coordinates_are_judged(conditions, words, least, most):
    """Splines of three coordinates that are small, and not dependent, ended the check without a word."""
    problem = PDE(lambda u, x: u.xx + u.yy + u.zz + torch.cos(PI * x), CUBE, conditions)
    weakest = weakest_direction(tensor_network(problem, 3, 5), problem)
    assert weakest is not None and weakest.words == words and least <= weakest.size < most


@pytest.mark.parametrize("domain", [Disk(1.0) - Disk(0.99), Ball(1.0)])
def test_constants_alone_are_tried_where_points_do_not_tell_functions_apart(domain):
    """A thin ring has fewer points than there are functions, and the check ended with an error."""

    def judged(condition):
        problem = PDE(lambda u: laplacian(u) + 1, domain, [condition])
        return weakest_direction(tensor_network(problem, 3, 5), problem)

    assert judged(Dirichlet(0.0)) is None
    assert judged(Neumann(0.0)) == Weakest(0.0, "a constant", ("u",))


def test_a_field_that_no_initial_value_determines_is_still_named():
    free = PDE(lambda y, z: (y.t + y, 2 * y.t + 2 * y + 0 * z), Time(0, 1), [Initial({"y": 1.0})])
    assert "another function may be added to z" in solve(free).trust
