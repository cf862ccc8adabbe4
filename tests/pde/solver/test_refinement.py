"""Refinement: starts, candidates of the next stage, reasons of the end, and functions that refinement keeps."""

import pytest
import torch

from edgewise.errors import SolutionWarning
from edgewise.pde.domains.domain import Box, Interval
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet
from edgewise.pde.solver.cascade import LeastSquares, Networks
from edgewise.pde.solver.driver import refine
from edgewise.pde.solver.limits import Limits
from edgewise.pde.solver.messages import solution_of
from edgewise.pde.solver.plan import Plan
from edgewise.pde.solver.record import Record
from edgewise.pde.solver.refinement import GradedGrids, TrainedNetworks
from edgewise.pde.solver.solving import solve
from edgewise.pde.solver.training import linear_method
from edgewise.pde.spaces.networks import SEPARABLE, TENSOR, fields_of
from edgewise.train.methods.levenberg_marquardt import LevenbergMarquardt


def cube(dimension, solution, laplacian):
    return PDE(
        lambda u, points: sum(u.derivative(name, name) for name in u.space) - laplacian(points),
        Box.cube(dimension),
        [Dirichlet(solution)],
        points=200,
        solution=solution,
    )


def plan(shape, **settings):
    method = linear_method(5000) if shape == TENSOR else LevenbergMarquardt()
    values = {"grid_size": 4, "degree": 5, "method": method, "starts": 1, "seed": 0, "most": 5000, **settings}
    return Plan(shape, **values)


def grown(problem, shape, tolerance=1e-5, budget=1.0, **settings):
    refinement = refinement_of(problem, shape, tolerance, budget, **settings)
    return solution_of(refinement.record, refine(refinement.levels(), refinement.record, tolerance))


def refinement_of(problem, shape, tolerance, budget, **settings):
    tier, kind = (LeastSquares(), GradedGrids) if shape == TENSOR else (Networks(), TrainedNetworks)
    return kind(problem, plan(shape, **settings), Record(tier, problem, Limits(budget)), tolerance)


def test_a_loss_that_is_no_number_ends_with_a_sentence():
    undefined = []  # filled once the problem is stated
    value = Dirichlet(lambda points: points.prod(1) / (0.0 if undefined else 1.0))
    problem = PDE(lambda u: u.xx + u.yy, Box(x=(0, 1), y=(0, 1)), [value])
    undefined.append(True)
    solution = grown(problem, TENSOR)
    assert solution.stopped == "no_progress"
    assert solution.message.startswith(
        "The residual is not a number: Dirichlet 1 on x=0, x=1, y=0, y=1 gives none at x"
    )
    assert solution.message.endswith("The loss is no number.")


def test_least_squares_that_rest_where_an_equation_degenerates_are_not_said_to_show_that_there_is_no_solution():
    """That of (u'^3)' = -1 is 3/4 (2^(-4/3) - |x - 1/2|^(4/3)); no step leads away from u = 0."""
    with pytest.warns(SolutionWarning, match=r"^Least squares did not converge: .*, or where its highest derivatives"):
        solution = solve(PDE(lambda u: 3 * u.x**2 * u.xx + 1, Interval(0, 1), [Dirichlet(0.0)]))
    assert solution.error_estimate >= 1


@pytest.mark.slow
@pytest.mark.parametrize("shape", [TENSOR, SEPARABLE, (3,)])
def test_larger_networks_hold_the_same_function(shape):
    problem = cube(2, lambda points: points.prod(1), lambda points: 0 * points[:, 0])
    refinement = refinement_of(problem, shape, 0.0, 1e-9)
    refine(refinement.levels(), refinement.record, 0.0)
    network, x = refinement.record.level.network, problem.domain.interior(50)
    refinement.is_linear = False  # what is linear starts anew
    for larger in refinement.larger(network):
        assert torch.allclose(larger(x), network(x), rtol=1e-9, atol=1e-10)
    if shape != TENSOR:
        assert torch.allclose(fields_of(network).larger(0)[0](x), network(x), rtol=1e-9, atol=1e-10)
