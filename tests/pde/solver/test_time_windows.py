"""Windows in time: known solutions, grids that follow a front, unsuitable problems."""

import math

import pytest
import torch
from scipy.integrate import solve_ivp

from edgewise.pde.domains.domain import Interval, Time
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Dirichlet, Initial, Observations, Periodic
from edgewise.pde.solver.history import History
from edgewise.pde.solver.solution import errors_of
from edgewise.pde.solver.solving import solve
from edgewise.pde.solver.time_windows import TimeWindows, suits_time_windows
from edgewise.pde.structured.networks import WindowNetwork

PI = math.pi


def in_windows(problem, tolerance=1e-3, budget=1.0):
    return TimeWindows(problem.form, 10, 5, tolerance, 5000, History(problem, 0, budget)).run()


@pytest.mark.slow
def test_a_pendulum_is_that_of_scipy():
    problem = PDE(lambda u: u.tt + torch.sin(u), Time(1, 6), [Initial(2.0, rate=0.5)], points=16)
    assert suits_time_windows(problem.form)
    network, loss, points, whole, ended = in_windows(problem)
    assert ended is None and whole.domain.bounds.tolist() == [[1.0, 6.0]]
    assert isinstance(network, WindowNetwork) and loss < 1e-10 and points >= 100
    expected = solve_ivp(
        lambda t, u: (u[1], -math.sin(u[0])), (1, 6), (2.0, 0.5), rtol=1e-11, atol=1e-12, t_eval=[3, 6]
    )
    found = network(torch.tensor([[3.0], [6.0]]).double())[:, 0]
    assert torch.allclose(found, torch.from_numpy(expected.y[0]), atol=1e-5)
    sharper = in_windows(problem, 1e-6)[0](torch.tensor([[6.0]]).double())
    assert float(sharper.detach()) == pytest.approx(float(expected.y[0, 1]), abs=1e-9)


@pytest.mark.slow
def test_a_moving_front():
    def front(x, t):
        """A travelling wave of Burgers' equation, viscosity 0.02, speed 1/2."""
        return 0.5 - 0.5 * torch.tanh((x - 0.2 - t / 2) / 0.08)

    problem = PDE(
        lambda u: u.t + u * u.x - 0.02 * u.xx,
        Interval(0, 1) * Time(0, 0.05),
        [Dirichlet(front), Initial(lambda x: front(x, torch.zeros_like(x)))],
        points=16,
        solution=front,
    )
    network = in_windows(problem, 1e-3)[0]
    assert errors_of(network, problem).relative_l2 < 1e-5  # a hundredth of the tolerance
    widths = network.windows[0].layers[0].breakpoints[0].diff()
    assert float(widths.max() / widths.min()) >= 2
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)).double() * torch.tensor([1.0, 0.05]).double()
    assert network(x.reshape(5, 10, 2)).shape == (5, 10, 1)


@pytest.mark.slow
def test_a_periodic_reaction():
    def wave(x, t):
        """Where u starts as U, a point by itself goes as U / (1 + U t) when u_t = -u^2: here with a flow around."""
        start = 1 + 0.3 * torch.sin(PI * (x - t))
        return start / (1 + start * t)

    problem = PDE(
        lambda u: u.t + u.x + u * u,
        Interval(-1, 1) * Time(0, 0.3),
        [Periodic("x"), Initial(lambda x: wave(x, torch.zeros_like(x)))],
        points=16,
        solution=wave,
    )
    network = in_windows(problem, 1e-5)[0]
    assert errors_of(network, problem).relative_l2 < 1e-6  # a tenth of the tolerance
    assert network.windows[0].layers[0].periodic == (True, False)


def test_where_work_is_spent_the_windows_so_far_are_kept():
    problem = PDE(lambda u: u.tt + torch.sin(u), Time(0, 5), [Initial(2.0, rate=0.0)], points=16)
    result = in_windows(problem, budget=5e-7)
    assert result.ended == "budget" and 0 < float(result.problem.domain.bounds[0, 1]) < 5


def test_problems_that_do_not_suit_time_windows():
    space = Interval(0, 1)
    linear = PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)], points=16)
    still = PDE(lambda u: u.xx + u * u, space, [Dirichlet(0.0)], points=16)
    late = PDE(lambda u: u.t + u * u, Time(0, 1), [Initial(1.0), Dirichlet(0.5, on="t=1")], points=16)
    seen = Observations(torch.ones(1, 1).double(), torch.ones(1).double())
    measured = PDE(lambda u: u.t + u * u, Time(0, 1), [Initial(1.0), seen], points=16)
    for problem in (linear, still, late, measured):
        assert not suits_time_windows(problem.form)


def blow_up(end):
    """u' = u^2, u(0) = 1: the solution 1 / (1 - t) has a pole at t = 1."""
    return PDE(lambda u: u.t - u**2, Time(0, end), [Initial(1.0)], solution=lambda t: 1 / (1 - t))


@pytest.mark.slow
def test_a_march_into_a_pole_says_where_it_ends(monkeypatch):
    monkeypatch.setattr("edgewise.pde.solver.time_windows.LEAST_WINDOW", 1e-4)
    solution = solve(blow_up(2.0))
    assert solution.stopped == "no_progress"
    assert "as where a solution blows up or jumps: it ends at t = " in solution.message
    assert solution.problem.domain.bounds.tolist()[0] == [0.0, pytest.approx(1.0, abs=1e-2)]
    x = torch.tensor([[0.5]], dtype=torch.float64)
    assert float(solution(x)) == pytest.approx(2, abs=1e-3)
    with pytest.warns(UserWarning, match="1 of 1 points lie outside the domain, t in "):
        solution(torch.tensor([[1.5]]))


@pytest.mark.parametrize(("cause", "words"), [("budget", "The budget was spent"), ("time", "The time was over")])
def test_a_march_that_is_cut_short_keeps_its_windows(cause, words):
    limits = {"budget": {"budget": 1e-7}, "time": {"time_limit": 1e-9}}[cause]
    solution = solve(blow_up(0.9), **limits)
    assert solution.stopped == {"budget": "budget", "time": "time_limit"}[cause]
    assert words in solution.message and "the solution ends at t = 0." in solution.message
    (begin, end), *_ = solution.problem.domain.bounds.tolist()
    assert begin == 0 and 0 < end < 0.9
    assert solution.errors().relative_l2 < 1e-2


def test_an_interrupted_march_keeps_its_windows():
    events = []

    def stop(event):
        events.append(event)
        if len(events) == 2:
            raise KeyboardInterrupt

    solution = solve(blow_up(0.9), progress=stop, on_interrupt="keep")
    assert solution.stopped == "interrupted" and "Interrupted before the last moment" in solution.message
    assert float(solution.problem.domain.bounds[0, 1]) < 0.9
    events.clear()
    with pytest.raises(KeyboardInterrupt):
        solve(blow_up(0.9), progress=stop)
