"""Evolution by elements: exact solutions, scipy, Fourier series; grids that follow; integrations that end early."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from tests.night import at_night

from edgewise.errors import SolutionWarning
from edgewise.pde import (
    PDE,
    Box,
    Condition,
    Dirichlet,
    Initial,
    Interval,
    Parameter,
    Periodic,
    Time,
    solve,
)
from edgewise.pde.layers.tensor_product import TensorLayer
from edgewise.pde.solver.solution import errors_of
from edgewise.pde.spaces.axis import dense
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.spaces.networks import TensorNetwork, TimeElementNetwork
from edgewise.pde.tiers.evolution import collocation
from edgewise.pde.tiers.evolution.collocation import COLLOCATION, is_initial_value_problem
from edgewise_experiments.problems.named_equations import named_equation

PI = math.pi


def ring():
    """A nonlinear equation on a ring: u_t + u u_x = 0.1 u_xx."""
    conditions = [Periodic("x"), Initial(lambda x: torch.sin(x))]
    return PDE(lambda u: u.t + u * u.x - 0.1 * u.xx, Interval(0, 2 * PI) * Time(0, 1), conditions)


def test_time_elements_on_one_grid_are_evaluated_at_once():
    torch.manual_seed(0)

    def element(begin, end, intervals):
        lines = [torch.linspace(0, 1, intervals + 1).double(), torch.tensor([begin, end]).double()]
        layer = TensorLayer(lines, 2, degree=(4, 3), clamped=True)
        layer.coef.data.normal_()
        return TensorNetwork(layer)

    ends = torch.tensor([0.0, 0.3, 0.4, 1.0, 1.5]).double()
    elements = [element(*ends[k : k + 2].tolist(), 5 if k == 1 else 3) for k in range(4)]
    network, along = TimeElementNetwork(elements, ends, 1), torch.eye(2).double()
    x = torch.rand(60, 2).double() * torch.tensor([1.0, 1.5])
    whole = network.jet(x, along, 2)
    for k, single in enumerate(elements):
        inside = (ends[k] <= x[:, 1]) & (x[:, 1] < ends[k + 1])
        torch.testing.assert_close(whole[:, inside], single.jet(x[inside], along, 2), rtol=1e-10, atol=1e-10)
    assert torch.equal(network(x), whole[0])


def test_indicators_belong_to_the_grid_of_their_time_element():
    """A time element that is too long on a finer grid came back with the errors of the grid before."""
    stepper = COLLOCATION.stepper(recognised(ring().form), 1e-3, lambda *_: True)
    solver = stepper.solver
    state = solver.initial()
    solve_element = solver.solve
    attempts = iter([0.0, 1e9])  # errors in time of the first grid and of the next one

    def solved(*given):
        return replace(solve_element(*given), time_error=next(attempts))

    solver.solve = solved
    solver.indicators = lambda element: [np.ones(element.state.space[0].intervals)]
    element = stepper._resolved(state, 0.0, 0.01)
    assert element.state.space[0].intervals > state.space[0].intervals
    assert element.indicators is None
    del solver.indicators
    assert solver.coarsen(element.state, element).space[0].intervals > 1


def test_the_last_legendre_coefficients_of_a_time_element_are_those_of_numpy():
    evolution = COLLOCATION.stepper(recognised(ring().form), 1e-3, lambda *_: True).solver.evolution
    coef = np.random.default_rng(0).standard_normal(evolution.degree + 1)
    s = np.linspace(0, 1, 30)
    values = dense(evolution.unit_line.table(s)) @ coef
    last = np.polynomial.legendre.legfit(2 * s - 1, values, evolution.degree)[-2:]
    np.testing.assert_allclose(evolution.last_legendre @ coef, last, rtol=1e-10)


@pytest.mark.slow
def test_a_multiplier_of_a_constraint_is_found_with_the_fields():
    """Equations of index 2: the constraint u + v = cos t does not contain the force l that upholds it."""
    problem = PDE(
        lambda u, v, l, t: (u.t + u**2 - l, v.t + v - 2 * l, u + v - torch.cos(t)),
        Time(0, 2),
        [Initial({"u": 0.3, "v": 0.7})],
    )
    solution = solve(problem, tolerance=1e-10)
    assert isinstance(solution.model, TimeElementNetwork) and solution.stopped == "converged"

    def force(t, u):
        return (u**2 + np.cos(t) - u - np.sin(t)) / 3

    t = np.linspace(0, 2, 21)
    u = solve_ivp(lambda t, u: force(t, u) - u**2, (0, 2), [0.3], "DOP853", t, rtol=1e-13, atol=1e-13).y[0]
    expected = np.stack([u, np.cos(t) - u, force(t, u)], 1)
    np.testing.assert_allclose(solution(t[:, None]), expected, atol=1e-9)


@pytest.mark.parametrize("waves", [14, 20])
def test_an_initial_state_gets_the_largest_grid_and_its_error_is_known(waves):
    # Many waves in the plane need more intervals than a grid may have.
    def mode(x, y):
        return torch.sin(waves * PI * x) * torch.sin(PI * y)

    conditions = [Dirichlet(0.0), Initial(mode)]
    square = Box(x=(0, 1), y=(0, 1))
    problem = PDE(lambda u: u.t - u.xx / (waves * PI) ** 2 - u.yy / PI**2, square * Time(0, 0.1), conditions)
    solver = COLLOCATION.stepper(recognised(problem.form), 1e-13, lambda *_: True).solver
    state = solver.initial()
    assert 98 <= len(state.space[0].breakpoints) <= 100
    # The error at points of our own.
    points = np.linspace(0, 1, 997)
    coef = state.values[0, ..., 0]
    values = dense(state.space[0].table(points)) @ coef @ dense(state.space[1].table(points)).T
    exact = mode(*torch.meshgrid(*2 * [torch.from_numpy(points)], indexing="ij")).numpy()
    error = np.abs(values - exact).max()
    assert error < 1e-9
    assert error / 3 < solver.initial_error < 3 * error


def test_a_time_limit_keeps_the_time_elements_and_says_up_to_which_moment(counted_seconds):
    solution = solve(ring(), time_limit=1e-9)
    assert solution.stopped == "time_limit"
    assert "before the last moment: the solution ends at t = 0.0" in solution.message
    assert solution.trust.startswith("Not to be trusted: The time was over before the last moment")


def rod(domain, *start):
    """Heat in a rod, for domains whose second coordinate acts as time."""

    def known(points):
        return torch.sin(PI * points[:, 0]) * torch.exp(-0.1 * PI**2 * points[:, 1])

    later = domain.coordinates[1]
    return PDE(
        lambda u: u.derivative(later) - 0.1 * u.xx, domain, [Dirichlet(0.0, on=["x=0", "x=1"]), *start], solution=known
    )


@pytest.mark.slow
def test_a_coordinate_that_acts_as_time_marches_whatever_its_name():
    domains = [Box(x=(0, 1), s=(0, 1)), Box(x=(0, 1), t=(0, 1)), Interval(0, 1) * Parameter("s", 0, 1)]
    found = []
    for domain in domains:
        problem = rod(domain, Dirichlet(lambda x: torch.sin(PI * x), on=f"{domain.coordinates[1]}=0"))
        grid_problem = recognised(problem.form)
        assert is_initial_value_problem(grid_problem) and problem.form.time == 1
        integration = COLLOCATION.stepper(grid_problem, 1e-7, lambda share, count, work: True).run()
        assert integration.is_complete and errors_of(integration.network, problem).relative_l2 < 1e-7
        found.append(integration.network(problem.domain.interior(50)))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


@pytest.mark.parametrize(
    ("equation", "domain", "conditions"),
    [
        (lambda u: u.s + u.xx, Box(x=(0, 1), s=(0, 1)), [Dirichlet(0.0, on=["x=0", "x=1", "s=1"])]),
        (lambda u: u.xx + u.ss, Box(x=(0, 1), s=(0, 1)), [Dirichlet(0.0)]),
        (lambda u: u.x + u.s, Box(x=(0, 1), s=(0, 1)), [Dirichlet(0.0, on=["x=0", "s=0"])]),
        (lambda u: u.x + u, Interval(0, 1), [Condition(lambda u: u**3 - 1, on="x=0")]),
    ],
    ids=["from the end", "elliptic", "two such coordinates", "a start that is not linear"],
)
def test_what_is_no_initial_value_problem(equation, domain, conditions):
    assert not is_initial_value_problem(recognised(PDE(equation, domain, conditions).form))


@pytest.mark.slow
def test_two_dimensions_of_space_are_those_of_a_fourier_series():
    def equation(u):
        return u.t - 0.05 * (u.xx + u.yy) - 4 * (u - u**3)

    start = Initial(lambda x, y: torch.sin(PI * x) * torch.cos(PI * y))
    square = Box(x=(-1, 1), y=(-1, 1)) * Time(0, 0.05)
    grid_problem = recognised(PDE(equation, square, [Periodic("x", "y"), start]).form)
    integration = COLLOCATION.stepper(grid_problem, 1e-6, lambda share, count, work: True).run()
    line, wave = np.linspace(-1, 1, 32, endpoint=False), PI * np.fft.fftfreq(32, 1 / 32)
    x, y = np.meshgrid(line, line, indexing="ij")

    def rate(t, values):
        u = values.reshape(32, 32)
        diffused = np.fft.ifft2(-(wave[:, None] ** 2 + wave**2) * np.fft.fft2(u)).real
        return (0.05 * diffused + 4 * (u - u**3)).ravel()

    first = (np.sin(PI * x) * np.cos(PI * y)).ravel()
    known = solve_ivp(rate, (0, 0.05), first, method="DOP853", rtol=1e-10, atol=1e-10).y[:, -1]
    points = torch.from_numpy(np.stack([x.ravel(), y.ravel(), np.full(32 * 32, 0.05)], 1))
    np.testing.assert_allclose(integration.network(points)[:, 0].detach().numpy(), known, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "problem",
    [
        # The wave equation as a system: only u has conditions on the boundary.
        PDE(
            lambda u, v: (u.t - v, v.t - u.xx),
            Interval(0, 1) * Time(0, 0.3),
            [Dirichlet({"u": 0.0}), Initial({"u": lambda x: torch.sin(PI * x), "v": 0.0})],
            solution={
                "u": lambda x, t: torch.sin(PI * x) * torch.cos(PI * t),
                "v": lambda x, t: -PI * torch.sin(PI * x) * torch.sin(PI * t),
            },
        ),
        # A field that is the solution of an elliptic equation at each moment: v'' = -pi^2 u.
        PDE(
            lambda u, v: (u.t - u.xx, v.xx + PI**2 * u),
            Interval(0, 1) * Time(0, 0.3),
            [Dirichlet({"u": 0.0, "v": 0.0}), Initial({"u": lambda x: torch.sin(PI * x)})],
            solution=dict.fromkeys("uv", lambda x, t: torch.exp(-(PI**2) * t) * torch.sin(PI * x)),
        ),
    ],
    ids=["first order in time, second in space", "elliptic"],
)
def test_fields_of_different_orders(problem):
    integration = COLLOCATION.stepper(recognised(problem.form), 1e-8, lambda share, count, work: True).run()
    assert integration.is_complete and errors_of(integration.network, problem).relative_l2 < 1e-8


def test_a_single_pass_is_judged_by_a_coarser_one(monkeypatch):
    monkeypatch.setattr(
        collocation, "COLLOCATION", replace(COLLOCATION, dearer=math.inf)
    )  # no budget for a sharper one
    growing = PDE(
        lambda u, t: u.t - 4 * (u - torch.cos(t)) + torch.sin(t),
        Time(0, 4),
        [Initial(1.0)],
        solution=lambda t: torch.cos(t),
    )
    solution = solve(growing)
    assert solution.stopped == "converged" and len(solution.stages) == 2
    assert solution.error_estimate >= solution.errors().relative_l2 / 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wave", *at_night("sine-gordon")])
def test_rates_of_waves_do_not_jump_and_their_estimates_are_sharp(name):
    solution = solve(named_equation(name).make(), budget=0.02)
    network, x = solution.model, torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    low, high = solution.problem.domain.bounds[0]
    assert isinstance(network, TimeElementNetwork)
    for number, moment in enumerate(network.ends[1:-1]):
        places = torch.stack([low + (high - low) * x, torch.full_like(x, float(moment))], 1)
        along = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
        before, after = (network.element(each).jet(places, along, 1)[1] for each in (number, number + 1))
        assert float((before - after).detach().abs().max()) < 1e-11
    error = solution.errors().relative_l2
    assert error / 3 < solution.error_estimate < 100 * error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("equation", "start", "end", "words"),
    [
        (lambda h: h.t + torch.sqrt(h), 1.0, 2.0, "h reaches 0, below which the equation is no finite number"),
        (lambda h: h.t - torch.sqrt(1 - h), 0.0, 2.0, "h reaches 1, above which the equation is no finite number"),
        (lambda h: h.t - h**2, 1.0, 1.0, "Time elements became too short, as where a solution blows up or jumps"),
    ],
)
def test_where_an_equation_ends_is_told(equation, start, end, words):
    with pytest.warns(SolutionWarning):
        solution = solve(PDE(equation, Time(0, 3), [Initial(start)]))
    assert solution.message.startswith(words)
    assert float(solution.problem.domain.bounds[0, 1]) == pytest.approx(end, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("equation", "end", "start", "exact"),
    [
        (lambda u: u.t + u**2, 4.0, Initial(1.0), lambda t: 1 / (1 + t)),
        (lambda u, t: u.t + 1000 * (u - torch.cos(t)) + torch.sin(t), 4.0, Initial(1.0), np.cos),
        *at_night((lambda u: u.tt + u, 20.0, Initial(1.0, rate=0.0), np.cos)),
        (lambda u: u.tt + 1 + 0 * u, 1.4, Initial(1.0, rate=0.0), lambda t: 1 - t**2 / 2),
    ],
)
def test_time_elements_do_not_shrink_to_nothing_for_the_sake_of_rounding(equation, end, start, exact):
    problem = PDE(equation, Time(0, end), [start])
    for finer in (1.0, 1.3, 1.69):
        integration = COLLOCATION.stepper(recognised(problem.form), 1e-15, lambda *_: True, finer).run()
        t = np.linspace(0, end, 200)
        values = integration.network(torch.from_numpy(t[:, None])).detach().numpy()[:, 0]
        assert integration.is_complete and len(integration.network.elements) < 60
        np.testing.assert_allclose(values, exact(t), atol=1e-11)
