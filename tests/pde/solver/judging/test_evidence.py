"""Evidence about solutions: what earlier versions answered wrongly without a word is right now, or named."""

import math

import numpy as np
import pytest
import torch

from edgewise.pde.domains.domain import Box, Interval, Time
from edgewise.pde.domains.shapes import LShape
from edgewise.pde.problem.collocation import PDE
from edgewise.pde.problem.conditions import Condition, Dirichlet, Initial, Neumann, Observations, Periodic
from edgewise.pde.problem.integrals import integral
from edgewise.pde.solver.judging.evidence import Evidence, judge
from edgewise.pde.solver.judging.residuals import one_sided_residual, sought_points
from edgewise.pde.solver.judging.uniqueness import (
    SumNetwork,
    coefficient_jump,
    undetermined_coefficients,
    unsolved_by_zero,
    weakest_direction,
)
from edgewise.pde.solver.network import tensor_network
from edgewise.pde.solver.solving import solve
from edgewise_experiments.problems.named_equations import named_equation

PI = math.pi
LINE, SQUARE = Interval(0, 1), Box(x=(0, 1), y=(0, 1))


def love(points=24):
    """Love's equation of two disks at the distance 0.1."""

    def equation(u, x):
        kernel = integral(u, -1, 1, lambda u, s: 0.1 / PI / (0.01 + (x[:, None] - s) ** 2) * u, points=points)
        return u - 1 - kernel

    return PDE(equation, Interval(-1, 1), [])


@pytest.mark.slow
def test_a_boundary_layer_is_right():
    eps = 1e-6
    problem = PDE(
        lambda u: eps * u.xx + u.x - 1, LINE, [Dirichlet(0.0)], solution=lambda x: x - 1 + torch.exp(-x / eps)
    )
    solution = solve(problem)
    assert solution.errors().relative_l2 < 1e-8
    assert solution.errors().relative_l2 < 3 * solution.error_estimate
    assert solution.trust.startswith("Checked")


@pytest.mark.slow
def test_a_source_narrower_than_the_first_grid_is_seen():
    width, at = 1e-3, 0.3456
    problem = PDE(lambda u, x: u.xx - torch.exp(-(((x - at) / width) ** 2)) / width, LINE, [Dirichlet(0.0)])
    solution = solve(problem)
    x = torch.linspace(0, 1, 401, dtype=torch.float64)[:, None]
    # Green's function: u = sqrt(pi) times that of a point source, away from the source.
    green = -math.sqrt(PI) * torch.where(x < at, x * (1 - at), at * (1 - x))
    away = (x - at).abs()[:, 0] > 0.01
    assert torch.allclose(solution(x)[away], green[away], atol=1e-7)
    assert solution.error_estimate < 1e-6


@pytest.mark.slow
def test_two_rules_of_integration_are_compared():
    few, many = solve(love(), tolerance=1e-6), solve(love(192), tolerance=1e-6)
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    assert torch.allclose(few(x), many(x), rtol=1e-5)
    assert few.problem.form.integral_rule[:2] == (8, False)
    judged = judge(few.model, love())
    assert any("Integrals by two rules differ" in doubt for doubt in judged.doubts) and judged.estimate > 1e-3


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
def test_fast_advection_does_not_end_on_a_coarse_grid():
    problem = PDE(
        lambda u: u.t + 30 * u.x,
        Interval(0, 2 * PI) * Time(0, 1),
        [Periodic("x"), Initial(lambda x: torch.sin(x))],
        solution=lambda x, t: torch.sin(x - 30 * t),
    )
    solution = solve(problem, budget=0.05, tolerance=1e-5)
    assert solution.errors().relative_l2 < 1e-4
    assert solution.errors().relative_l2 < 3 * solution.error_estimate


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (PDE(lambda u, x: u.xx + torch.cos(PI * x), LINE, [Neumann(0.0)]), "a constant may be added to it"),
        (PDE(lambda u: u.xx + u.yy, SQUARE, [Neumann(0.0)]), "a constant may be added to it"),
        (
            PDE(lambda u, v: (u.x - v, v.x + 1), LINE, [Dirichlet({"v": 0.0}, on="x=0")]),
            "a constant may be added to u, and the residual",
        ),
        (PDE(lambda u: u.xx - 1, LINE, [Neumann(0.0)]), "the data contradict each other"),
        (PDE(lambda u, x: u.xx + PI**2 * u - torch.sin(PI * x), LINE, [Dirichlet(0.0)]), "another function may be"),
        (PDE(lambda u: u.xx + 5 * torch.exp(u), LINE, [Dirichlet(0.0)]), "No solution was found"),
        (PDE(lambda u, x: torch.where(x < 0.5, 1.0, 10.0) * u.xx - 1, LINE, [Dirichlet(0.0)]), "jumps near x = 0.5"),
    ],
)
def test_problems_without_or_with_many_solutions_are_named(problem, words):
    solution = solve(problem, budget=1e-3)
    assert solution.stopped != "converged"
    assert words in solution.message and words in solution.trust
    assert solution.error_estimate > 0.01


@pytest.mark.slow
def test_integral_equations_of_the_first_kind_are_not_trusted():
    def kernel(u, x):
        return integral(u, 0.0, 1.0, lambda u, s: torch.exp(x[:, None] * s) * u) - (torch.exp(x + 1) - 1) / (x + 1)

    solution = solve(PDE(kernel, LINE, [], solution=lambda x: x.exp()))
    assert "not unique: another function may be added" in solution.message
    assert solution.error_estimate > solution.errors().relative_l2


@pytest.mark.slow
def test_a_steep_layer_beside_which_residuals_are_tiny_is_unique():
    ends = [Dirichlet(0.0, on="x=0"), Dirichlet(1.0, on="x=1")]
    troesch = solve(PDE(lambda u: u.xx - 20 * torch.sinh(20 * u), LINE, ends))
    assert troesch.trust.startswith("Checked: "), troesch.trust
    # The slope s at 0 by u'^2 = s^2 + 2 (cosh(20 u) - 1) and quadrature.
    assert float(troesch.derivative([0.0], "x")[0]) == pytest.approx(1.648773e-8, rel=1e-6)


@pytest.mark.slow
def test_linear_problems_without_a_solution_end_before_networks_are_trained():
    for problem in (
        PDE(lambda u: u.xx - 1, LINE, [Neumann(0.0)]),
        PDE(lambda u, x: u.xx + PI**2 * u - torch.sin(PI * x), LINE, [Dirichlet(0.0)]),
    ):
        solution = solve(problem)
        assert "the data contradict each other. A finer grid would not help" in solution.message
        assert solution.model.tensor_layer.degrees[0] > 5  # of structured grids


@pytest.mark.slow
def test_a_source_that_jumps_across_the_grid_is_left_to_least_squares():
    source = PDE(lambda u, x, y: u.xx + u.yy + torch.where(x + y < 0.7, 1.0, 0.0), SQUARE, [Dirichlet(0.0)])
    solution = solve(source, budget=0.01)
    # The series of sines, whose coefficients are those of the triangle's integrals, by hand.
    waves = PI * np.arange(1, 200)
    points, weights = np.polynomial.legendre.leggauss(400)
    x, weights = 0.35 * (points + 1), 0.35 * weights
    of_y = (1 - np.cos(waves[:, None] * (0.7 - x))) / waves[:, None]
    integrals = 4 * (np.sin(waves[:, None] * x) * weights) @ of_y.T
    amplitudes = integrals / (waves[:, None] ** 2 + waves**2)
    places = np.random.default_rng(0).uniform(size=(500, 2))
    exact = np.einsum("nk,kl,nl->n", np.sin(places[:, :1] * waves), amplitudes, np.sin(places[:, 1:] * waves))
    error = np.linalg.norm(solution(places)[:, 0] - exact) / np.linalg.norm(exact)
    assert error < 5e-3 and error < 3 * solution.error_estimate < 0.3


@pytest.mark.parametrize("thin", [0.02, 0.01, 0.005])
def test_a_shock_that_data_hardly_hold_in_place(thin):
    """Its place depends on the ends like exp(1 / thin): finer grids have no solution, or another one each."""
    ends = [Dirichlet(1.0, on="x=-1"), Dirichlet(-1.0, on="x=1")]
    problem = PDE(
        lambda u: u * u.x - thin * u.xx, Interval(-1, 1), ends, solution=lambda x: -torch.tanh(x / (2 * thin))
    )
    solution = solve(problem)
    assert solution.error_estimate > solution.errors().relative_l2 / 3
    assert "hardly determine the solution" in solution.trust or thin > 0.01


@pytest.mark.slow
def test_a_kink_that_fans_out():
    """u_t + u_x^2 / 2 = 0 from |x|: grids that are finer in time alone agree, and leave the error of the kink."""
    problem = PDE(
        lambda u: u.t + u.x**2 / 2,
        Interval(-1, 1) * Time(0, 1),
        [Initial(lambda x: x.abs()), Dirichlet(lambda x, t: x.abs() - t / 2)],
        solution=lambda x, t: torch.where(x.abs() < t, x**2 / (2 * t), x.abs() - t / 2),
    )
    solution = solve(problem, budget=0.1)
    assert 10 > solution.error_estimate / solution.errors().relative_l2 > 1 / 3
    assert solution.trust.startswith("Checked")


@pytest.mark.slow
def test_nothing_speaks_against_good_solutions():
    for name, budget in (("poisson", 1e-3), ("heat", 1e-3), ("poisson-corner", 1e-3)):
        solution = solve(named_equation(name).make(), budget=budget)
        assert solution.trust.startswith("Checked: "), solution.trust
        assert solution.errors().relative_l2 < 3 * solution.error_estimate
    assert solve(PDE(lambda u: u.xx + u, LINE, [Dirichlet(0.0)])).trust.startswith("Checked: ")  # u = 0 is right
    trivial = solve(PDE(lambda u: u.xx + 20 * (u - u**3), LINE, [Dirichlet(0.0)]))
    assert trivial.message.startswith("The solution is u = 0") and "not found; other_solutions looks" in trivial.message


def test_points_are_sought_where_residuals_are_large():
    problem = PDE(lambda u, x, y: u.xx - torch.exp(-((x - 0.3) ** 2 + (y - 0.6) ** 2) / 1e-4), SQUARE, [Dirichlet(0.0)])
    x, weights, _ = sought_points(tensor_network(problem, 4, 5), problem)
    near = (x - torch.tensor([0.3, 0.6], dtype=x.dtype)).norm(dim=1) < 0.03
    assert float(near.double().mean()) > 0.1
    assert float(weights[near].sum()) == pytest.approx(PI * 0.03**2, rel=0.15)
    assert float((weights * x[:, 0]).sum()) == pytest.approx(0.5, abs=5e-3)
    cut, around = named_equation("poisson-corner").make(), LShape()
    x, weights, _ = sought_points(tensor_network(cut, 4, 5), cut)
    assert bool(around.contains(x).all()) and float(weights.sum()) == pytest.approx(1)


def test_parts_of_the_judgement():
    plain = PDE(lambda u: u.xx + u.yy, SQUARE, [Dirichlet(0.0)])
    network = tensor_network(plain, 4, 5)
    assert unsolved_by_zero(plain) == ""
    sourced = PDE(lambda u: u.xx + u.yy - 1, SQUARE, [Dirichlet(0.0)])
    assert unsolved_by_zero(sourced) == "equation, which u = 0 does not fulfil"
    size, is_constant, fields, _ = weakest_direction(network, plain)
    assert fields == ("u",)
    # The first function of the square, sin(pi x) sin(pi y), has the residual 2 pi^2 in units of 4 pi^2 sqrt(2).
    assert size == pytest.approx(1 / (2 * math.sqrt(2)), rel=0.2) and not is_constant
    assert coefficient_jump(plain.form) is None
    smooth = PDE(lambda u, x: (1.1 + torch.tanh(50 * (x - 0.5))) * u.xx + 1, LINE, [Dirichlet(0.0)])
    assert coefficient_jump(smooth.form) is None
    source = PDE(lambda u, x: u.xx + torch.where(x < 0.5, 1.0, 2.0), LINE, [Dirichlet(0.0)])
    assert coefficient_jump(source.form) is None
    # A coefficient that jumps along y alone is in the flux along y or in none.
    layered = PDE(lambda u, y: torch.where(y < 0.4, 1.0, 9.0) * u.xx + u.yy, SQUARE, [Dirichlet(0.0)])
    assert coefficient_jump(layered.form) is None
    fluxes = PDE(lambda u, y: u.xx + torch.where(y < 0.4, 1.0, 9.0) * u.yy, SQUARE, [Dirichlet(0.0)])
    assert coefficient_jump(fluxes.form) == (1, pytest.approx(0.4))
    x = plain.domain.interior(5)
    torch.nn.init.ones_(network.tensor_layer.coef)
    assert torch.allclose(SumNetwork(network, network)(x), torch.full((5, 1), 2.0, dtype=x.dtype))
    assert Evidence(0.1, 1.0, ("a", "b"), ("Doubt.",)).trust == "Not to be trusted: Doubt. Checked: a; b."


def test_a_residual_that_cancels_out_between_neighbours_bounds_nothing():
    """The zero function on an L-shape: its residual is the source, even or in waves shorter than the averaged cells."""

    def left(source):
        problem = PDE(lambda u, x, y: u.xx + u.yy - source(x, y), LShape(), [Dirichlet(0.0)])
        network = tensor_network(problem, 24, 5)
        return one_sided_residual(network, problem), judge(network, problem)

    even, evidence = left(lambda x, y: 1 + 0 * x)
    waves, of_waves = left(lambda x, y: torch.sin(40 * PI * x) * torch.sin(40 * PI * y))
    assert even > 0 and waves == 0
    assert any("bound the error" in check for check in evidence.checks)
    assert not any("bound the error" in check for check in of_waves.checks)


@pytest.mark.slow
def test_the_last_moment_counts_where_errors_grow():
    """Kepler's orbit, whose error grows with the square of time."""

    def pull(x, y):
        cube = (x**2 + y**2) ** 1.5
        return [x.tt + x / cube, y.tt + y / cube]

    solution = solve(PDE(pull, Time(0, 6), [Initial({"x": 0.4, "y": 0.0}, rate={"x": 0.0, "y": 2.0})]))
    angle = 6.0
    for _ in range(100):  # Kepler's equation, eccentricity 0.6
        angle = 6.0 + 0.6 * math.sin(angle)
    known = torch.tensor([math.cos(angle) - 0.6, 0.8 * math.sin(angle)], dtype=torch.float64)
    error = float((solution(torch.tensor([[6.0]], dtype=torch.float64))[0] - known).norm() / known.norm())
    assert error / 3 < solution.error_estimate < 100 * error


@pytest.mark.slow
def test_a_correction_that_leaves_more_than_there_was_is_no_error():
    """Of a beam, whose fourth derivatives are rounding: the estimate was 400 times the error."""
    conditions = [Dirichlet(0.0), Condition(lambda u: u.xx, on=["x=0", "x=1"])]
    start = Initial(lambda x: torch.sin(PI * x), rate=0.0)
    known = {"solution": lambda x, t: torch.sin(PI * x) * torch.cos(PI**2 * t)}
    solution = solve(PDE(lambda u: u.tt + u.xxxx, Interval(0, 1) * Time(0, 1), [*conditions, start], **known))
    assert 1 / 3 < solution.error_estimate / solution.errors().relative_l2 < 50


@pytest.mark.slow
def test_a_start_that_contradicts_the_boundary():
    """A single pass through time had the tolerance of its slabs as its estimate, 1,400 times the error."""

    def series(x, t):
        return sum(4 / (n * PI) * torch.sin(n * PI * x) * torch.exp(-0.1 * (n * PI) ** 2 * t) for n in range(1, 600, 2))

    conditions = [Dirichlet(0.0), Initial(1.0)]
    problem = PDE(lambda u: u.t - 0.1 * u.xx, Interval(0, 1) * Time(0, 1), conditions, solution=series)
    solution = solve(problem, tolerance=1e-5)
    assert 1 / 3 < solution.error_estimate / solution.errors().relative_l2 < 100


def test_a_diffusivity_that_jumps_in_time_is_no_interface():
    """sin(pi x) falls by the integral of the diffusivity over time."""
    problem = PDE(
        lambda u, t: u.t - torch.where(t < 0.5, 0.1 + 0 * t, 0.02 + 0 * t) * u.xx,
        LINE * Time(0, 1),
        [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x))],
    )
    solution = solve(problem, tolerance=1e-8)
    assert solution.trust.startswith("Checked") and solution.stopped == "converged"
    t = np.linspace(0, 1, 9)
    exact = np.sin(0.3 * PI) * np.exp(-(PI**2) * np.where(t < 0.5, 0.1 * t, 0.05 + 0.02 * (t - 0.5)))
    assert np.allclose(solution(np.stack([np.full(9, 0.3), t], 1))[:, 0], exact, rtol=0, atol=1e-8)


@pytest.mark.slow
def test_a_stiff_reaction_is_no_free_function():
    """HIRES, whose last values are those of E. Hairer, G. Wanner, "Solving ODEs II", section IV.10: errors grow."""

    def rates(a, b, c, d, e, f, g, h):
        return (
            a.t + 1.71 * a - 0.43 * b - 8.32 * c - 0.0007,
            b.t - 1.71 * a + 8.75 * b,
            c.t + 10.03 * c - 0.43 * d - 0.035 * e,
            d.t - 8.32 * b - 1.71 * c + 1.12 * d,
            e.t + 1.745 * e - 0.43 * f - 0.43 * g,
            f.t + 280 * f * h - 0.69 * d - 1.71 * e + 0.43 * f - 0.69 * g,
            g.t - 280 * f * h + 1.81 * g,
            h.t + 280 * f * h - 1.81 * g,
        )

    start = {"a": 1.0, **dict.fromkeys("bcdefg", 0.0), "h": 0.0057}
    solution = solve(PDE(rates, Time(0, 321.8122), [Initial(start)]))
    last = [7.371312573e-4, 1.442485726e-4, 5.888729741e-5, 1.175651343e-3]
    last += [2.386356199e-3, 6.238968253e-3, 2.849998396e-3, 2.850001605e-3]
    assert np.allclose(solution([[321.8122]])[0], last, rtol=1e-8)
    assert solution.trust.startswith("Checked") and solution.error_estimate < 1e-5


def test_a_field_that_no_initial_value_determines_is_still_named():
    free = PDE(lambda y, z: (y.t + y, 2 * y.t + 2 * y + 0 * z), Time(0, 1), [Initial({"y": 1.0})])
    assert "another function may be added to z" in solve(free).trust


def test_coordinates_far_from_zero_are_rounded():
    """Cooling through a day, in seconds since 1970: moments have seven digits less than the time."""
    problem = PDE(lambda u: u.t + (u - 20) / 3600, Time(1.7e9, 1.7e9 + 86400), [Initial(90.0)])
    solution = solve(problem)
    t = 1.7e9 + np.linspace(0, 86400, 50)
    exact = 20 + 70 * np.exp(-(t - 1.7e9) / 3600)
    error = np.linalg.norm(solution(t[:, None])[:, 0] - exact) / np.linalg.norm(exact)
    assert error / 3 < solution.error_estimate < 1e-10
