"""Equations with delays: the method of steps against exact solutions and against scipy's, step by step."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from edgewise.errors import InputError
from edgewise.outcomes import StopReason
from edgewise.pde import PDE, Dirichlet, Disk, Initial, Interval, Time, integral, laplacian, solve
from edgewise.pde.algebra import LinearSystem
from edgewise.pde.problem.strong_form import Feature
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.evolution.collocation import COLLOCATION

PI = math.pi


def test_slabs_end_where_derivatives_jump():
    problem = PDE(lambda u, t: u.t + u(t - 1), Time(0, 2.5), [Initial(1.0)])
    assert problem.form.features == {Feature.DELAYS}
    integration = COLLOCATION.stepper(recognised(problem.form), 1e-10, lambda *_: True)
    result = integration.run()
    assert result.is_complete and all(float((result.network.ends - end).abs().min()) < 1e-14 for end in (1.0, 2.0))
    t = torch.linspace(0, 2.5, 101, dtype=torch.float64)
    exact = 1 - t + (t > 1) * (t - 1) ** 2 / 2 - (t > 2) * (t - 2) ** 3 / 6
    assert float((result.network(t[:, None])[:, 0] - exact).detach().abs().max()) < 1e-14


def steps(rate, history, delay, count):
    """Solution of u' = rate(t, u, u(t - delay)) at the end of so many delays, by scipy, one delay after the other."""
    past, value = history, history(0.0)
    for number in range(count):
        begin, end = number * delay, (number + 1) * delay
        piece = solve_ivp(
            lambda t, u, past=past: rate(t, u, past(t - delay)),
            (begin, end),
            np.atleast_1d(value),
            method="DOP853",
            rtol=1e-12,
            atol=1e-13,
            dense_output=True,
        )
        past, value = (lambda t, sol=piece.sol: sol(t)), piece.y[:, -1]
    return value


@pytest.mark.slow
def test_the_delayed_logistic_equation_is_that_of_scipy():
    problem = PDE(
        lambda u, t: u.t - 1.5 * u * (1 - u(t - 1)), Time(0, 8), [Initial(lambda t: 0.5 + 0.2 * torch.cos(t))]
    )
    solution = solve(problem)
    expected = steps(lambda t, u, v: 1.5 * u * (1 - v), lambda t: 0.5 + 0.2 * np.cos(t), 1.0, 8)
    assert solution([[8.0]])[0, 0] == pytest.approx(expected[0], rel=1e-10)
    assert solution.error_estimate < 1e-10


@pytest.mark.slow
def test_a_predator_that_grows_late_is_that_of_scipy():
    problem = PDE(
        lambda u, v, t: (u.t - u * (1 - v), v.t - v * (u(t - 0.5) - 1)),
        Time(0, 4),
        [Initial({"u": lambda t: 1.2 + 0.3 * t, "v": 0.8})],
    )
    expected = steps(
        lambda t, w, past: [w[0] * (1 - w[1]), w[1] * (past[0] - 1)], lambda t: np.array([1.2 + 0.3 * t, 0.8]), 0.5, 8
    )
    np.testing.assert_allclose(solve(problem)([[4.0]])[0], expected, rtol=1e-9)


def late_heat(u, x, t):
    source = (torch.cos(t) + PI**2 * torch.sin(t) - torch.sin(t - 0.5)) * torch.sin(PI * x)
    return u.t - u.xx - u(t - 0.5) - source


@pytest.mark.slow
def test_heat_with_a_delay_is_exact():
    exact = lambda x, t: torch.sin(t) * torch.sin(PI * x)  # noqa: E731
    problem = PDE(late_heat, Interval(0, 1) * Time(0, 1), [Dirichlet(0.0), Initial(exact)], solution=exact)
    assert solve(problem, tolerance=1e-6).errors().relative_l2 < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("place", [lambda t: t / 2, lambda t: t - 1 - 0.5 * torch.sin(t)])
def test_delays_may_vanish_or_vary(place):
    """Least squares and slabs agree with a fine fixed-step method: Heun's steps on a grid with interpolation."""
    solution = solve(PDE(lambda u, t: u.t + u(place(t)), Time(0, 3), [Initial(1.0)]), budget=0.1)
    times = np.linspace(0, 3, 30_001)
    at, values, step = place(torch.from_numpy(times)).numpy(), np.ones(len(times)), times[1]
    for k in range(len(times) - 1):
        here, ahead = (np.interp(at[j], times[: k + 1], values[: k + 1]) if at[j] > 0 else 1.0 for j in (k, k + 1))
        values[k + 1] = values[k] - step * (here + ahead) / 2
    assert np.abs(solution(times[::3000])[:, 0] - values[::3000]).max() < 1e-7


@pytest.mark.slow
def test_delays_on_a_disk_are_solved_by_least_squares():
    exact = lambda x, y, t: (1 - x * x - y * y) * torch.exp(-t)  # noqa: E731
    problem = PDE(
        lambda u, x, y, t: u.t - laplacian(u) + u - math.exp(-0.5) * u(t - 0.5) - 4 * torch.exp(-t) + exact(x, y, t),
        Disk() * Time(0, 1),
        [Dirichlet(0.0), Initial(exact)],
        solution=exact,
    )
    assert solve(problem, budget=0.01).errors().relative_l2 < 1e-3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: PDE(lambda u, t: u.t + u(t + 1), Time(0, 2), [Initial(1.0)]),
            "^a delay must look back in time, as u\\(t - 1\\), got a later moment",
        ),
        (
            lambda: PDE(lambda u, x: u.x + u(x - 1), Interval(0, 2), [Dirichlet(1.0, on="x=0")]),
            "^a field has values at the point and at earlier moments alone, as u\\(t - 1\\) .* got u\\(Tensor\\)$",
        ),
        (
            lambda: PDE(lambda u, t, s: u.t + u(t - s), Time(0, 2), [Initial(1.0)], coefficients={"s": 1.0}),
            "^a delay must not depend on fields or unknown coefficients$",
        ),
    ],
)
def test_mistakes_get_one_sentence(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.slow
def test_a_single_pass_with_a_delay_is_judged_by_a_coarser_pass_of_the_same_problem():
    problem = PDE(
        lambda u, t: u.t - 1.5 * u * (1 - u(t - 1)), Time(0, 8), [Initial(lambda t: 0.5 + 0.2 * torch.cos(t))]
    )
    expected = steps(lambda t, u, v: 1.5 * u * (1 - v), lambda t: 0.5 + 0.2 * np.cos(t), 1.0, 8)
    solution = solve(problem, budget=1e-6)
    assert "Two passes through time agree" in solution.message
    assert abs(solution([[8.0]])[0, 0] - expected[0]) < 1e-11
    assert 1e-13 < solution.error_estimate < 1e-9


def test_a_derivative_with_a_delay_is_refused_in_a_sentence():
    with pytest.raises(InputError, match=r"^the equation may call fields only, as u\(t - 1\): derivatives such as u.t"):
        PDE(lambda u, t: u.t(t - 1) + u, Time(0, 3), [Initial(1.0)])


def population(kappa, last):
    """Volterra's model of a population in a closed system, and its solution by scipy as two equations."""
    problem = PDE(lambda u, t: kappa * u.t - u + u**2 + u * integral(u, 0.0, t), Time(0, last), [Initial(0.1)])
    t = np.linspace(0, last, 101)
    exact = solve_ivp(
        lambda _, y: [(y[0] - y[0] ** 2 - y[0] * y[1]) / kappa, y[0]],
        (0, last),
        [0.1, 0.0],
        method="Radau",
        rtol=1e-11,
        atol=1e-13,
        t_eval=t,
    )
    return problem, t, exact.y[0]


def relative_error(network, t, exact):
    with torch.no_grad():
        found = network(torch.from_numpy(t)[:, None])[:, 0].numpy()
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


def test_slopes_of_integrals_up_to_now_are_differences_of_residuals():
    problem = PDE(
        lambda u, t: u.t + u * integral(u, 0.0, t, lambda u, s: torch.exp(s - t[:, None]) * u**2),
        Time(0, 1),
        [Initial(1.0)],
    )
    integration = COLLOCATION.stepper(recognised(problem.form), 1e-9, lambda share, *_: share < 0.2)
    integration.run()
    begin = integration.ends[len(integration.slabs)]
    integration.bounded(begin, 0.1)
    axes = integration.evolution.with_time([], begin, begin + 0.1)
    block = integration.evolution.grid_problem.equation_blocks(axes)[0]
    coef = np.random.default_rng(0).standard_normal((axes[0].count, 1))
    _, slopes = block.evaluate(coef)
    matrix = LinearSystem([block], [slopes], coef.shape).matrix().toarray()
    step = 1e-6
    for k in range(len(coef)):
        moved = [coef.copy() for _ in range(2)]
        moved[0][k] += step
        moved[1][k] -= step
        difference = (block.residuals(moved[0]) - block.residuals(moved[1])).ravel() / (2 * step)
        assert np.abs(matrix[:, k] - difference).max() < 1e-6 * np.abs(matrix).max()


@pytest.mark.parametrize("kappa", [0.02, 0.5])
def test_an_integration_through_volterras_population_is_that_of_scipy(kappa):
    problem, t, exact = population(kappa, 3.0)
    result = COLLOCATION.stepper(recognised(problem.form), 1e-10, lambda *_: True).run()
    assert result.is_complete and relative_error(result.network, t, exact) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("kappa", [0.02, 0.1, 0.5])
def test_volterras_population_is_that_of_scipy(kappa):
    problem, t, exact = population(kappa, 5.0)
    solution = solve(problem)
    assert solution.stopped is StopReason.CONVERGED and solution.error_estimate < 1e-10
    assert np.linalg.norm(solution(t[:, None])[:, 0] - exact) < 1e-9 * np.linalg.norm(exact)


def test_a_renewal_equation_starts_from_nothing():
    problem = PDE(
        lambda u, t: (
            u - torch.exp(-t) - integral(u, 0.0, t, lambda u, s: 2 * (t[:, None] - s) * torch.exp(s - t[:, None]) * u)
        ),
        Time(0, 4),
        [],
    )
    result = COLLOCATION.stepper(recognised(problem.form), 1e-11, lambda *_: True).run()
    t = np.linspace(0, 4, 101)
    assert relative_error(result.network, t, np.exp(-t) * np.cosh(np.sqrt(2) * t)) < 1e-12


@pytest.mark.slow
def test_hammersteins_equation_is_that_of_scipy():
    problem = PDE(
        lambda u, t: u - torch.cos(t) + integral(u, 0.0, t, lambda u, s: torch.sin(t[:, None] - s) * u**3),
        Time(0, 10),
        [],
    )
    t = np.linspace(0, 10, 101)
    inner = solve_ivp(
        lambda s, y: [y[1], -y[0] + (np.cos(s) - y[0]) ** 3],
        (0, 10),
        [0.0, 0.0],
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
        t_eval=t,
    )
    solution = solve(problem)
    exact = np.cos(t) - inner.y[0]
    assert solution.error_estimate < 1e-10
    assert np.linalg.norm(solution(t[:, None])[:, 0] - exact) < 1e-10 * np.linalg.norm(exact)


@pytest.mark.slow
def test_delays_and_integrals_in_one_equation():
    problem = PDE(
        lambda u, t: u.t + u(t - 1) + integral(u, 0.0, t, lambda u, s: torch.exp(s - t[:, None]) * u**2),
        Time(0, 3),
        [Initial(1.0)],
    )
    expected = steps(
        lambda t, y, z: [-(z[0] if np.ndim(z) else z) - y[1], y[0] ** 2 - y[1]],
        lambda t: np.array([1.0, 0.0]),
        1.0,
        3,
    )
    solution = solve(problem)
    assert solution([[3.0]])[0, 0] == pytest.approx(expected[0], rel=1e-10)
    assert solution.error_estimate < 1e-10


@pytest.mark.slow
def test_heat_with_memory():
    def exact(x, t):
        return torch.exp(-t) * torch.sin(PI * x)

    def source(x, t):
        return (PI**2 - 1) * exact(x, t) + exact(x, t) * (torch.sin(PI * x) - exact(x, t))

    problem = PDE(
        lambda u, x, t: u.t - u.xx + u * integral(u, 0.0, t, along="t") - source(x, t),
        Interval(0, 1) * Time(0, 2),
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x))],
        solution=exact,
    )
    solution = solve(problem)
    assert solution.stopped is StopReason.CONVERGED and solution.errors().relative_l2 < 1e-11


@pytest.mark.parametrize(
    "equation",
    [
        lambda u, t: u.t + integral(u, 0.0, t, lambda u, s: u**2 / torch.sqrt(t[:, None] - s)),
        lambda u, t: u.t + u - 0.5 * integral(u, 0.0, 1.0),
    ],
    ids=["a kernel without bound", "later values"],
)
def test_other_integrals_are_left_to_networks(equation):
    assert recognised(PDE(equation, Time(0, 1), [Initial(1.0)]).form) == "there are integrals or hard conditions"


def test_a_population_of_a_million():
    problem = PDE(lambda u, t: 0.1 * u.t - u + 1e-6 * u**2 + 1e-6 * u * integral(u, 0.0, t), Time(0, 1), [Initial(1e5)])
    _, t, exact = population(0.1, 1.0)
    solution = solve(problem, tolerance=1e-6)
    assert np.linalg.norm(solution(t[:, None])[:, 0] / 1e6 - exact) < 1e-6 * np.linalg.norm(exact)
