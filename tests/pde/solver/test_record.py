"""The record of a tier: changes, estimates, and a pass that begins again with a larger tolerance."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from edgewise.outcomes import StopReason
from edgewise.pde.domains.domain import Box, Time
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial
from edgewise.pde.solver.cascade import GridCollocation, LeastSquares, Networks, TimeElements
from edgewise.pde.solver.limits import Ending, Limits
from edgewise.pde.solver.messages import solution_of
from edgewise.pde.solver.network import tensor_network
from edgewise.pde.solver.record import Record, rest_of_series
from edgewise.pde.solver.time_integration import INTEGRATION, Watch, _level_of
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.evolution.collocation import COLLOCATION
from edgewise.pde.tiers.level import Level
from edgewise.settings import EQUATION_BUDGET_WORK

PI = math.pi


def poisson():
    return PDE(
        lambda u, x, y: u.xx + u.yy + 2 * PI**2 * torch.sin(PI * x) * torch.sin(PI * y),
        Box(x=(0, 1), y=(0, 1)),
        [Dirichlet(0.0)],
        points=100,
    )


def constant(problem, value):
    network = tensor_network(problem, 4, 5)
    with torch.no_grad():
        network.layers[0].coef.fill_(value)
    return network


def level(problem, value, loss, points=None):
    network = constant(problem, value)
    return Level(network=network, loss=loss, points=problem.point_count if points is None else points)


def test_stages_changes_and_estimates():
    problem, events = poisson(), []
    record = Record(Networks(), problem, Limits(progress=events.append))
    record.add(level(problem, 1.0, 4e-4))
    assert math.isnan(record.stages[0].change) and math.isnan(record.error)
    record.add(level(problem, 2.0, 1e-4, points=7))
    assert record.stages[1].change == pytest.approx(0.5)
    # The residual of a constant is the source, whatever the constant: the error has not become smaller.
    assert record.error == pytest.approx(0.5)
    assert [stage.points for stage in record.stages] == [problem.point_count, 7]
    assert (events[-1].stage, events[-1].share, events[-1].loss) == ("grid 4 x 4", 0.0, 1e-4)
    solution = solution_of(record, Ending(StopReason.BUDGET, "Done"))
    assert solution.stopped is StopReason.BUDGET and solution.standard_errors == {}
    assert solution.message.startswith(
        "The equation does not hold: its mean residual is 2 in units of the field. It may be out"
    )
    assert "no solution. Done; the largest" in solution.message
    assert solution.message.endswith(" is that of 'Dirichlet 1 on x=0, x=1, y=0, y=1', 2 in units of the field.")
    assert solution.error_estimate > 0.5


def test_two_grids_that_share_an_error_are_known_by_what_their_residuals_imply():
    """Beside a source without a bound two grids agreed to 1e-8 and left 8e-7, with an estimate of 9e-11."""
    problem = poisson()
    record = Record(GridCollocation(), problem, Limits())
    for value, implied in ((1.0, 1e-2), (1 + 1e-2, 1e-3), (1 + 1e-2 + 1e-8, 5e-4)):
        record.add(level(problem, value, implied**2))
    assert record.error == pytest.approx(5e-4, rel=0.1)


@pytest.mark.parametrize(
    ("stages", "error"),
    [
        # Residual and change of each grid: a load 1 / r in a disk, whose last grids are equal beside the centre.
        (((4.4e-2, math.nan), (2.1e-2, 2.8e-3), (4.3e-3, 2.6e-4), (2.3e-3, 2.4e-6)), 2.7e-4),
        # An inclusion in a system of first order, whose grids are hardly finer.
        (((3.4e-2, math.nan), (2.7e-2, 6.9e-2), (1.4e-2, 9.1e-2), (1.2e-2, 2.8e-2)), 6e-2),
        # A smooth solution, whose change is the error of the grid before.
        (((1e-2, math.nan), (1e-4, 1e-3), (1e-6, 1e-5)), 1e-7),
    ],
)
def test_changes_of_least_squares_are_extrapolated_by_their_residuals(stages, error):
    """True errors were 200 times and twice as large as the estimates from the last change."""
    problem = poisson()
    record = Record(LeastSquares(), problem, Limits())
    for _ in stages:
        record.add(level(problem, 1.0, 1.0))
    record.stages = [
        replace(each, residual=residual, change=change)
        for each, (residual, change) in zip(record.stages, stages, strict=True)
    ]
    assert error / 2 < record.error < 2 * error


def test_changes_that_do_not_fall_are_no_series():
    assert rest_of_series(0.5, 0.7) == 0.7 and rest_of_series(0.0, 0.7) == rest_of_series(math.nan, 0.7) == 0.0
    assert rest_of_series(4e-4, 1e-4) == pytest.approx(1e-4 / 3)


def test_a_pass_that_the_budget_would_not_finish_begins_again_with_a_larger_tolerance():
    problem = poisson()

    def watched(tolerance, *calls):
        record = Record(TimeElements(), problem, Limits(100 / EQUATION_BUDGET_WORK))
        watch = Watch(record, tolerance, COLLOCATION)
        return [watch(share, 1, work) for share, work in calls], watch.looser, record.limits.over

    assert watched(1e-9, (0.1, 6.0), (0.3, 12.0)) == ([True, True], None, None)  # fast enough
    assert watched(1e-9, (0.001, 6.0), (0.002, 12.0)) == ([True, False], INTEGRATION.most_tolerance, None)
    assert watched(1e-9, (0.06, 6.0), (0.115, 12.0))[1] == pytest.approx(1e-7)  # a little too slow
    assert watched(INTEGRATION.most_tolerance, (0.001, 6.0), (0.002, 12.0))[1] == INTEGRATION.most_loose_tolerance
    assert watched(INTEGRATION.most_loose_tolerance, (0.001, 6.0), (0.002, 12.0)) == ([True, True], None, None)
    slow = (0.001, 6.0), (0.002, 49.0), (0.009, 51.0)  # half of the budget for less than a hundredth of the time
    assert watched(INTEGRATION.most_loose_tolerance, *slow) == ([True, True, False], None, None)
    assert watched(1e-9, (0.001, 4.0), (0.002, 101.0)) == ([True, False], None, StopReason.BUDGET)


@pytest.mark.nightly
@pytest.mark.parametrize("share", [0.1])
def test_a_sharper_pass_that_is_cut_early_leaves_the_estimate_of_the_first(share):
    problem = PDE(lambda u: u.tt + torch.sin(u), Time(0, 30), [Initial(2.0, rate=0.0)])
    grid_problem = recognised(problem.form)
    first_stepper = COLLOCATION.stepper(grid_problem, 1e-7, lambda *_: True)
    first = first_stepper.run()
    second_stepper = COLLOCATION.stepper(grid_problem, 1e-9, lambda done, *_: done < share, 1.3)
    second = second_stepper.run()
    record = Record(TimeElements(), problem, Limits())
    record.add(_level_of(first_stepper, problem, 1e-7))
    alone = record.evidence().estimate
    record.add(_level_of(second_stepper, problem, 1e-9))
    assert second.reached < 0.5 * 30
    assert alone <= record.evidence().estimate < 1e-5  # it had been 1: the difference was followed too far
    t = np.linspace(0, 30, 301)
    exact = solve_ivp(
        lambda _, y: [y[1], -np.sin(y[0])], (0, 30), [2.0, 0.0], method="DOP853", rtol=1e-12, atol=1e-13, t_eval=t
    ).y[0]
    with torch.no_grad():
        found = first.network(torch.from_numpy(t)[:, None])[:, 0].numpy()
    assert np.linalg.norm(found - exact) / np.linalg.norm(exact) < 3 * record.evidence().estimate
