"""Systems of first order that are driven at walls, against d'Alembert's waves, echoes of layers, and energies."""

import math

import numpy as np
import pytest
import torch
from tests.night import at_night

from edgewise.errors import InputError
from edgewise.pde import PDE, Box, Dirichlet, Initial, Interval, Time, solve
from edgewise.pde.spaces.grid_problem import recognised
from edgewise.pde.tiers.galerkin.first_order import symmetriser
from edgewise.pde.tiers.galerkin.rough import WEAK_FORM, first_order_problem, rough_part

LINE = Interval(0, 1) * Time(0, 1.6)
REST = Initial({"u": 0.0, "p": 0.0})


def after(s, g):
    """What a wall has sent at a moment s, which is nothing before 0."""
    return torch.where(s >= 0, g(s.clamp(min=0)), torch.zeros_like(s))


def smooth(t):
    return torch.sin(math.pi * t) ** 2


def switched(t):
    return torch.cos(3 * t)


def errors(solution, true, count=3000):
    x = solution.problem.domain.interior(count, "sobol", seed=7)
    found, exact = solution(x), torch.stack(true(*x.T), 1)
    assert solution.problem.domain.ends["t"][1] > 0.5
    return float((found - exact).norm() / exact.norm())


def acoustics(g, speed=1.0, density=1.0):
    walls = [Dirichlet({"u": lambda t: g(t)}, on="x=0"), Dirichlet({"p": 0.0}, on="x=1")]
    equation = lambda u, p: [p.t + speed**2 * density * u.x, u.t + p.x / density]  # noqa: E731

    def true(x, t):
        u, p = torch.zeros_like(x), torch.zeros_like(x)
        for k in range(1 + math.ceil(1.6 * speed / 2)):  # the free end turns the pressure, the driven one the speed
            on, back = ((-1) ** k * after(t - (each + 2 * k) / speed, g) for each in (x, 2 - x))
            u, p = u + on + back, p + density * speed * (on - back)
        return u, p

    return PDE(equation, LINE, [REST, *walls]), true


@pytest.mark.slow
@pytest.mark.parametrize(
    ("g", "speed", "density", "most"),
    [*at_night((smooth, 1.0, 1.0, 1e-4)), (switched, 2.0, 0.25, 0.1)],
)
def test_waves_from_rest_that_a_wall_drives(g, speed, density, most):
    problem, true = acoustics(g, speed, density)
    solution = solve(problem, budget=0.01)
    error = errors(solution, true)
    assert error < most and error / 2 < solution.error_estimate < 50 * error
    assert "its start or boundary values are rough" in solution.trust and not solution.trust.startswith("Not")


@pytest.mark.slow
def test_an_echo_of_a_layer_with_another_speed_and_density():
    """Impedances of 1 and 6: 5 / 7 of the pressure comes back from the interface, and 12 / 7 goes on."""

    def modulus(x):
        return torch.where(x < 0.5, 1.0, 12.0)

    def density(x):
        return torch.where(x < 0.5, 1.0, 3.0)

    def true(x, t):
        there, back = after(t - x, smooth), 5 / 7 * after(t - 1 + x, smooth)
        on = 12 / 7 * after(t - 0.5 - (x - 0.5) / 2, smooth)
        return torch.where(x < 0.5, there - back, on / 6), torch.where(x < 0.5, there + back, on)

    problem = PDE(
        lambda u, p, x: [p.t + modulus(x) * u.x, u.t + p.x / density(x)],
        Interval(0, 1) * Time(0, 0.74),
        [REST, Dirichlet({"u": lambda t: smooth(t)}, on="x=0"), Dirichlet({"p": 0.0}, on="x=1")],
    )
    assert rough_part(recognised(problem.form)) == "coefficients are"
    solution = solve(problem, budget=0.003)
    error = errors(solution, true)
    assert error < 1e-2 and error / 2 < solution.error_estimate < 50 * error


def plane(g):
    sides = [
        Dirichlet({"p": lambda t: g(t)}, on="x=0"),
        Dirichlet({"p": 0.0}, on="x=1"),
        Dirichlet({"v": 0.0}, on=["y=0", "y=1"]),
    ]
    start = Initial({"u": 0.0, "v": 0.0, "p": 0.0})
    domain = Box(x=(0, 1), y=(0, 1)) * Time(0, 0.8)
    return PDE(lambda u, v, p: [u.t + p.x, v.t + p.y, p.t + u.x + v.y], domain, [*sides, start])


@pytest.mark.slow
def test_energy_never_grows_between_walls_at_rest():
    """Acoustics with a random start, of which collocation has waves that grow."""
    problem = plane(lambda t: 0 * t)
    integration = WEAK_FORM.stepper(first_order_problem(problem.form), 1e-2, lambda *_: True, finer=0.5)
    integration.solver.initial()
    stiff, mass = (each.toarray() for each in integration.solver.form.matrices)
    assert np.linalg.eigvalsh(stiff + stiff.T).min() > -1e-12
    assert np.linalg.eigvalsh(mass).min() > 0


@pytest.mark.parametrize("turned", [False, True])
def test_elastic_waves_of_the_plane_become_symmetric(turned):
    """Stresses by Hooke's law: the matrix is that of the energy, and no scaling of single fields would do."""
    stretch, shear, density = 2.0, 1.3, 0.7
    along_x, along_y = np.zeros((2, 5, 5))
    along_x[2, 0], along_x[3, 0], along_x[4, 1] = -(stretch + 2 * shear), -stretch, -shear
    along_y[2, 1], along_y[3, 1], along_y[4, 0] = -stretch, -(stretch + 2 * shear), -shear
    along_x[0, 2] = along_x[1, 4] = along_y[0, 4] = along_y[1, 3] = -1 / density
    mixed = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0] if turned else np.eye(5)
    fluxes = [(mixed @ each @ mixed.T)[None] for each in (along_x, along_y)]
    (matrix,) = symmetriser(fluxes)
    assert np.linalg.eigvalsh(matrix).min() > 0.01
    for (each,) in fluxes:
        np.testing.assert_allclose(matrix @ each, (matrix @ each).T, atol=1e-12)
    with pytest.raises(ValueError, match="positive"):
        symmetriser([np.array([[[0.0, 1.0], [-1.0, 0.0]]])])  # elliptic


@pytest.mark.parametrize("others", [[], [Dirichlet({"p": 0.0}, on="x=0")]])
def test_a_wall_needs_as_many_conditions_as_waves_run_in(others):
    walls = [Dirichlet({"u": lambda t: smooth(t)}, on="x=0"), *others]
    problem = PDE(lambda u, p: [p.t + u.x, u.t + p.x], LINE, [REST, *walls])
    with pytest.raises(InputError, match=r"^conditions on 'x=1' must be 1 at least, as many as waves .* there, got 0$"):
        solve(problem)
