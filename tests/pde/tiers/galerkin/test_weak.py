"""Weak forms of evolution, of rough coefficients and starts: against layers, sums of sines and characteristics."""

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import splu

from edgewise.pde import (
    PDE,
    Box,
    Dirichlet,
    Initial,
    Interval,
    Neumann,
    Periodic,
    Robin,
    Time,
    diffusion,
    laplacian,
    solve,
)
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.galerkin.rough import WEAK_FORM, rough_part

PLACE, SLOW, FAST = 0.613, 1.0, 4.0  # of a jump of the square of a speed, which is on no line of a grid


def is_rough(grid_problem):
    return rough_part(grid_problem) == "coefficients are"


def square(x):
    return torch.where(x < PLACE, SLOW, FAST).double()


def pulse(s):
    return torch.exp(-(((s - 0.3) / 0.07) ** 2))


def layered(x, t):
    """A pulse that runs to the right, its echo and what goes on: values and slopes are continuous at the jump."""
    slow, fast = math.sqrt(SLOW), math.sqrt(FAST)
    back, on = (fast - slow) / (fast + slow), 2 * fast / (fast + slow)
    before = pulse(x - slow * t) + back * pulse(2 * PLACE - x - slow * t)
    return torch.where(x < PLACE, before, on * pulse(PLACE + slow / fast * (x - PLACE) - slow * t))


def rate(x):
    """The rate of the pulse at the first moment."""
    return 2 * (x - 0.3) / 0.07**2 * pulse(x) * math.sqrt(SLOW)


@pytest.mark.slow
def test_a_pulse_in_two_layers_is_that_of_the_formula():
    domain = Interval(0, 1.5) * Time(0, 0.5)
    start = Initial(lambda x: layered(x, torch.zeros_like(x)), rate=rate)
    problem = PDE(lambda u, x: u.tt - square(x) * u.xx, domain, [Dirichlet(0.0), start])
    solution = solve(problem, budget=0.01)
    x = torch.linspace(0, 1.5, 400).double()
    points = torch.stack([x, torch.full_like(x, 0.5)], 1)
    with torch.no_grad():
        found, true = solution(points)[:, 0], layered(x, points[:, 1])
    error = float((found - true).norm() / true.norm())
    assert error < 1e-2 and error / 3 < solution.error_estimate < 100 * error
    assert "weak form" in solution.trust and not solution.trust.startswith("Not")


@pytest.mark.slow
def test_layers_in_the_plane_are_those_of_a_line():
    """Nothing changes along y, and sides along x are natural: the solution is that of the layers of a line."""
    domain = Box(x=(0, 1.5), y=(0, 1)) * Time(0, 0.5)
    start = Initial(lambda x, y: layered(x, torch.zeros_like(x)), rate=lambda x, y: rate(x))
    problem = PDE(lambda u, x, y: square(x) * laplacian(u) - u.tt, domain, [Neumann(0.0), start])
    result = WEAK_FORM.stepper(recognised(problem.form), 1e-3, lambda *_: True, finer=3.0).run()
    x = domain.interior(500, "sobol", seed=1)
    x[:, 2] = 0.5
    with torch.no_grad():
        found, true = result.network(x)[:, 0], layered(x[:, 0], x[:, 2])
    assert float((found - true).norm() / true.norm()) < 3e-2


@pytest.mark.slow
def test_diffusion_through_a_jump_keeps_the_flux():
    """At late moments the flux is that of two resistors; k times the Laplacian would leave a straight line."""
    domain = Interval(0, 1) * Time(0, 2)
    problem = PDE(
        lambda u: u.t - diffusion(u, lambda x: torch.where(x < 0.37, 1.0, 10.0)),
        domain,
        [Dirichlet(0.0, on="x=0"), Dirichlet(1.0, on="x=1"), Initial(lambda x: x)],
    )
    solution = solve(problem, budget=0.02)
    flux = 1 / (0.37 + 0.63 / 10)
    x = torch.linspace(0, 1, 101).double()
    true = torch.where(x < 0.37, flux * x, 1 - flux * (1 - x) / 10)
    with torch.no_grad():
        found = solution(torch.stack([x, torch.full_like(x, 2.0)], 1))[:, 0]
    error = float((found - true).norm() / true.norm())
    assert error < 1e-3 and solution.error_estimate > error / 3
    assert "jumps" not in solution.trust


def board(x, y):
    return torch.where((torch.floor(4 * x) + torch.floor(4 * y)) % 2 == 0, 1.0, 20.0)


def finite_volumes(cells, end, steps):
    """u_t = div(k grad u) + 1 on a board of two materials, with harmonic means at faces and backward Euler."""
    line = (np.arange(cells) + 0.5) / cells
    x, y = np.meshgrid(line, line, indexing="ij")
    k, number = board(torch.tensor(x), torch.tensor(y)).numpy(), np.arange(cells**2).reshape(cells, cells)
    matrix = sparse.lil_array((cells**2, cells**2))
    for low, high in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        a, b, flow = number[low].ravel(), number[high].ravel(), (2 * k[low] * k[high] / (k[low] + k[high])).ravel()
        parts = np.concatenate([flow, flow, -flow, -flow])
        places = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
        matrix = matrix + sparse.coo_array((parts, places), shape=matrix.shape)
    walls = np.zeros(cells**2)
    for side in (number[0], number[-1], number[:, 0], number[:, -1]):
        walls[side] += 2 * k.ravel()[side]
    matrix = (matrix + sparse.diags_array(walls)) * cells**2
    factors, u = splu(sparse.csc_array(sparse.eye_array(cells**2) + end / steps * matrix)), np.zeros(cells**2)
    for _ in range(steps):
        u = factors.solve(u + end / steps)
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, end)], 1), u


@pytest.mark.slow
def test_the_estimate_holds_where_convergence_is_slow():
    """At corners where four cells of two materials meet, slopes have no bound."""
    domain = Box(x=(0, 1), y=(0, 1)) * Time(0, 0.1)
    problem = PDE(lambda u: u.t - diffusion(u, board) - 1.0, domain, [Dirichlet(0.0), Initial(0.0)])
    points, values = finite_volumes(80, 0.1, 200)
    for budget in (0.002, 0.02):
        solution = solve(problem, budget=budget)
        with torch.no_grad():
            error = np.linalg.norm(solution(torch.from_numpy(points))[:, 0].numpy() - values) / np.linalg.norm(values)
        assert error < 0.4 and solution.error_estimate > error / 3


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2])
def test_all_terms_and_sides_of_a_manufactured_field(order):
    """Each kind of side, with data that change in time, and terms of lower order, in a form that has no symmetry."""

    def true(x, y, t):
        return torch.cos(2 * x + y) * torch.exp(-t) + t * x * y

    def equation(u, x, y, t):
        lead = u.t if order == 1 else u.tt + 0.3 * u.t
        return 2 * lead - (2 + torch.sin(3 * x) * y) * laplacian(u) + x * u.x - u.y + (1 + y) * u

    domain = Box(x=(0, 1), y=(0, 1)) * Time(0, 1)
    sides = [
        Dirichlet(true, on="x=0"),
        Neumann(lambda x, y, t: -torch.sin(2 * x + y) * torch.exp(-t) + t * x, on="y=1"),
        Dirichlet(true, on="y=0"),
        Robin(
            lambda y: 1.7 + y,
            0.5,
            lambda x, y, t: -torch.sin(2 * x + y) * torch.exp(-t) + t * y / 2 + (1.7 + y) * true(x, y, t),
            on="x=1",
        ),
    ]
    zero = torch.zeros(())
    start = Initial(
        lambda x, y: true(x, y, zero), rate=(lambda x, y: -torch.cos(2 * x + y) + x * y) if order == 2 else None
    )

    def forced(u, x, y, t):
        c, s, e = torch.cos(2 * x + y), torch.sin(2 * x + y), torch.exp(-t)
        first, second = -c * e + x * y, c * e
        lead = first if order == 1 else second + 0.3 * first
        value, by_x, by_y, bent = c * e + t * x * y, -2 * s * e + t * y, -s * e + t * x, -5 * c * e
        source = 2 * lead - (2 + torch.sin(3 * x) * y) * bent + x * by_x - by_y + (1 + y) * value
        return equation(u, x, y, t) - source

    problem = PDE(forced, domain, [*sides, start])
    errors = []
    for finer in (0.5, 1.0):
        result = WEAK_FORM.stepper(recognised(problem.form), 1e-7, lambda *_: True, finer=finer).run()
        x = domain.interior(300, "sobol", seed=1)
        with torch.no_grad():
            errors.append(float((result.network(x)[:, 0] - true(*x.T)).norm() / true(*x.T).norm()))
    assert errors[1] < 1e-5 and errors[1] < errors[0] / 10


def test_periodic_sides_and_a_flux_of_a_smooth_coefficient():
    def true(x, t):
        return torch.exp(-t) * torch.sin(2 * math.pi * x)

    def equation(u, x, t):
        k, slope = 1 + 0.5 * torch.cos(2 * math.pi * x), -math.pi * torch.sin(2 * math.pi * x)
        wave = 2 * math.pi
        source = torch.exp(-t) * (
            -torch.sin(wave * x) - slope * wave * torch.cos(wave * x) + k * wave**2 * torch.sin(wave * x)
        )
        return u.t - diffusion(u, lambda x: 1 + 0.5 * torch.cos(2 * math.pi * x)) - source

    domain = Interval(0, 1) * Time(0, 1)
    problem = PDE(equation, domain, [Periodic("x"), Initial(lambda x: true(x, torch.zeros(())))])
    grid_problem = recognised(problem.form)
    assert not is_rough(grid_problem)
    result = WEAK_FORM.stepper(grid_problem, 1e-7, lambda *_: True).run()
    x = domain.interior(200, "sobol", seed=1)
    with torch.no_grad():
        assert float((result.network(x)[:, 0] - true(*x.T)).abs().max()) < 1e-6


def rough_in_the_plane(x, y):
    return torch.where(x + 0.3 * y > 0.1, 12.0, 1.0).double()


@pytest.mark.slow
def test_waves_keep_their_energy_where_the_speed_jumps():
    """Collocation has waves that grow; here the energy, the integral of u_t^2 / a + |grad u|^2, stays as it was."""
    start = Initial(lambda x, y: torch.exp(-12 * (x + 0.5) ** 2 - 12 * y**2), rate=0.0)
    domain = Box(x=(-1, 1), y=(-1, 1)) * Time(0, 4)
    problem = PDE(lambda u, x, y: u.tt - rough_in_the_plane(x, y) * laplacian(u), domain, [Neumann(0.0), start])
    integration = WEAK_FORM.stepper(recognised(problem.form), 1e-2, lambda *_: True)
    assert integration.run().is_complete
    stiff, _, mass = integration.solver.form.matrices
    energies = []
    for slab in integration.slabs:
        value, speed = integration.evolution.last_state(slab, float(np.ptp(slab.axes[2].breakpoints))).values.reshape(
            2, -1
        )
        energies.append(value @ (stiff @ value) + speed @ (mass @ speed))
    assert abs(energies[-1] / energies[0] - 1) < 1e-2


def test_what_is_rough():
    start = Initial(0.0)

    def problem(square, condition=None, is_linear=True):
        equation = (
            (lambda u, x, y, t: u.t - square(x, y, t) * laplacian(u))
            if is_linear
            else (lambda u, x, y, t: u.t - square(x, y, t) * laplacian(u) + u**2)
        )
        domain = Box(x=(0, 1), y=(0, 1)) * Time(0, 1)
        return recognised(PDE(equation, domain, [condition or Dirichlet(0.0), start]).form)

    def jump(x, y, t):
        return 1.0 + (x > 0.3)

    assert is_rough(problem(jump)) and is_rough(problem(jump, Neumann(lambda t: t)))
    assert not is_rough(problem(lambda x, y, t: 2 + torch.sin(3 * x + y)))
    assert not is_rough(problem(lambda x, y, t: 1 + torch.sigmoid((x - 0.5) / 0.03)))
    assert not is_rough(problem(lambda x, y, t: 1.0 + (x > 0.3 + t)))
    assert not is_rough(problem(jump, is_linear=False))
    assert not is_rough(problem(lambda x, y, t: jump(x, y, t) - 1.5))


def plucked(x):
    return torch.where(x < 0.3, x / 0.3, (1 - x) / 0.7).double()


def odd(s):
    """The start of the string, continued as an odd function of period two."""
    s = torch.remainder(s, 2.0)
    return torch.where(s < 1, plucked(s), -plucked(2 - s))


def front(x):
    return torch.where(x < 0.31, 1.0, 0.0).double()


STRING = Interval(0, 1) * Time(0, 1.5)
WALLS = [Dirichlet(0.0)]
MOVING = Interval(0, 1) * Time(0, 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "true", "most"),
    [
        (
            PDE(lambda u: u.tt - u.xx, STRING, [Initial(plucked, rate=0.0), Dirichlet(0.0)]),
            lambda x, t: (odd(x - t) + odd(x + t)) / 2,
            2e-3,
        ),
        (
            PDE(lambda u: u.t + u.x, MOVING, [Initial(front), Dirichlet(1.0, on="x=0")]),
            lambda x, t: front(x - t),
            6e-2,
        ),
        (
            PDE(lambda u: u.t + u.x, MOVING, [Initial(0.0), Dirichlet(1.0, on="x=0")]),
            lambda x, t: front(x - t + 0.31),
            8e-2,
        ),
    ],
    ids=["plucked string", "front", "inflow that begins"],
)
def test_starts_that_the_equation_keeps_rough(problem, true, most):
    """Against the formula of d'Alembert, and characteristics."""
    solution = solve(problem, budget=0.005)
    x = problem.domain.interior(3000, "sobol", seed=7)
    with torch.no_grad():
        error = float((solution(x)[:, 0] - true(*x.T)).norm() / true(*x.T).norm())
    assert error < most and error / 2 < solution.error_estimate < 30 * error
    assert "its start or boundary values are rough" in solution.trust and not solution.trust.startswith("Not")


@pytest.mark.slow
def test_what_a_rough_start_is():
    def part(start, equation=lambda u: u.tt - u.xx, rate=0.0, sides=WALLS, domain=STRING):
        return rough_part(recognised(PDE(equation, domain, [Initial(start, rate=rate), *sides]).form))

    def narrow(x):
        return torch.exp(-(((x - 0.4) / 0.004) ** 2))

    assert part(plucked) == "start or boundary values are" and part(0.0, rate=front) == "start or boundary values are"
    assert part(1.0) == "start or boundary values are" and part(1.0, sides=[Neumann(0.0)]) == ""
    assert part(narrow) == "" and part(lambda x: torch.sin(math.pi * x), rate=narrow) == ""
    assert part(lambda x: torch.sin(math.pi * x).float(), rate=lambda x: 1e-15 * front(x)) == ""
    assert part(plucked, lambda u: u.tt - u.xx + u**3) is None  # there is no weak form
    assert part(lambda x: 1 - x, lambda u: u.t - u.xx, None) == ""  # diffusion smooths it
    plane, sides = Box(x=(0, 1), y=(0, 1)) * Time(0, 1), [Dirichlet(0.0, on=side) for side in ("x=0", "y=0")]
    for start, found in (
        (lambda x, y: plucked(x) * y, "start or boundary values are"),
        (lambda x, y: x**2 * y * torch.sin(9 * y), ""),
    ):
        assert part(start, lambda u: u.t + u.x + u.y, None, sides, plane) == found


def test_a_budget_keeps_the_slabs_of_the_first_grid():
    domain = Box(x=(0, 1), y=(0, 1)) * Time(0, 50)
    start = Initial(lambda x, y: torch.cos(math.pi * x), rate=0.0)
    problem = PDE(lambda u, x, y: u.tt - rough_in_the_plane(x, y) * laplacian(u), domain, [Neumann(0.0), start])
    solution = solve(problem, budget=1e-4)
    assert solution.stopped == "budget" and "the solution ends at t = " in solution.message
    assert "one grid only" in solution.trust and solution.error_estimate == 1.0


@pytest.mark.parametrize(("rate", "rough"), [(0.0, "start or boundary values are"), (1.0, "")])
def test_a_string_whose_rate_contradicts_a_moving_end(rate, rough):
    """A kink runs into it from the end; a start with the rate of the end, (1 - x)^8, has none."""
    ends = [Dirichlet(lambda t: torch.sin(t), on="x=0"), Dirichlet(0.0, on="x=1")]
    start = Initial(0.0, rate=lambda x: rate * (1 - x) ** 8)
    problem = PDE(lambda u: u.tt - u.xx, Interval(0, 1) * Time(0, 1), [*ends, start])
    assert rough_part(recognised(problem.form)) == rough
    if rough:
        solution = solve(problem, tolerance=1e-2)
        x = torch.rand(500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        gap = solution(x)[:, 0] - torch.sin((x[:, 1] - x[:, 0]).clamp(min=0))  # d'Alembert's wave, before it returns
        assert float(gap.square().mean().sqrt()) < 3 * solution.error_estimate < 0.1


@pytest.mark.parametrize(
    ("inflow", "rough"),
    [(0.0, "start or boundary values are"), (lambda t: -torch.exp(-t) * torch.sin(2 * math.pi * t), "")],
)
def test_transport_whose_inflow_begins_at_another_rate(inflow, rough):
    """A kink runs along x = 2 t, on which slabs had become too short; along the flow the field falls as exp(-t)."""
    start = Initial(lambda x: torch.sin(math.pi * x))
    problem = PDE(lambda u: u.t + 2 * u.x + u, Interval(0, 1) * Time(0, 0.5), [start, Dirichlet(inflow, on="x=0")])
    assert rough_part(recognised(problem.form)) == rough
    solution = solve(problem, budget=0.02, tolerance=1e-5)
    x, t = torch.rand(400, 2, generator=torch.Generator().manual_seed(0)).double().unbind(1)
    back = x - t  # t is half as long as the points' second coordinates
    true = torch.exp(-t / 2) * torch.sin(math.pi * back)
    true = torch.where(back > 0, true, 0.0) if rough else true
    found = solution(torch.stack([x, t / 2], 1).numpy())[:, 0]
    error = np.linalg.norm(found - true.numpy()) / np.linalg.norm(true.numpy())
    assert error < 1e-3 and error / 3 < solution.error_estimate


@pytest.mark.slow
def test_transport_in_the_plane_from_a_start_with_another_rate_at_its_inflow():
    start = Initial(lambda x, y: torch.sin(math.pi * x) * torch.sin(math.pi * y))
    problem = PDE(
        lambda u: u.t + u.x + u.y / 2,
        Box(x=(0, 1), y=(0, 1)) * Time(0, 0.5),
        [start, Dirichlet(0.0, on=("x=0", "y=0"))],
    )
    assert rough_part(recognised(problem.form)) == "start or boundary values are"
    solution = solve(problem, budget=0.2)
    x, y, t = problem.domain.interior(500, "sobol", seed=1).unbind(1)
    back = (x - t).clamp(min=0.0), (y - t / 2).clamp(min=0.0)
    true = torch.sin(math.pi * back[0]) * torch.sin(math.pi * back[1])
    found = solution(torch.stack([x, y, t], 1).numpy())[:, 0]
    error = np.linalg.norm(found - true.numpy()) / np.linalg.norm(true.numpy())
    assert error < 5e-3 and error / 3 < solution.error_estimate
