"""Corners and round holes in `solve`: series of Bessel functions, poles and manufactured solutions as witnesses."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import i0, i1, jv, k0, k1, yv

import edgewise
from edgewise.pde import (
    PDE,
    Annulus,
    Box,
    Dirichlet,
    Disk,
    LevelSet,
    LShape,
    Neumann,
    Polygon,
    Robin,
    gradient,
    laplacian,
    solve,
)
from edgewise.pde.solver.judging.evidence import LARGEST_RESIDUAL
from edgewise.pde.spaces.networks import EnrichedNetwork, TensorNetwork
from edgewise.pde.tiers.least_squares import even_levels, operator_of
from edgewise_experiments.problems.named_equations import named_equation

pytestmark = pytest.mark.slow
SQUARE = Box(x=(-1, 1), y=(-1, 1))


def lightning(points, poles=60):
    """-laplacian u = 1, u = 0 on the L-shape by poles clustered at its corners (Gopal and Trefethen, 2019)."""
    corners = np.array([-1 - 1j, -1j, 0, 1, 1 + 1j, -1 + 1j])
    outside = np.exp(1j * np.pi / 4 * np.array([5, 7, 7, 7, 1, 3]))
    distance = np.exp(4 * (np.sqrt(np.arange(1, poles + 1)) - math.sqrt(poles)))
    at = (corners[:, None] + outside[:, None] * distance).ravel()
    near = np.exp(-np.linspace(0, 30, 500)) / 2
    along = np.concatenate([near, 1 - near])
    ends = np.roll(corners, -1)
    rim = np.concatenate([a + (b - a) * along for a, b in zip(corners, ends, strict=True)])

    def columns(z):
        scale = np.tile(distance, 6)
        fractions = scale / (z[:, None] - at)
        powers = (z[:, None] + 0.3 - 0.3j) ** np.arange(25) / 1.6 ** np.arange(25)
        both = np.concatenate([fractions, powers], 1)
        return np.concatenate([both.real, both.imag], 1)

    rim = rim[np.abs(rim[:, None] - corners).min(1) > 1e-13]
    matrix = columns(rim)
    coef = np.linalg.lstsq(matrix, np.abs(rim) ** 2 / 4, rcond=1e-15)[0]
    misfit = np.abs(matrix @ coef - np.abs(rim) ** 2 / 4).max()
    return columns(points) @ coef - np.abs(points) ** 2 / 4, misfit


def test_poisson_on_an_l_shape():
    solution = solve(PDE(lambda u: laplacian(u) + 1, LShape(), [Dirichlet(0.0)]))
    assert isinstance(solution.model, EnrichedNetwork) and solution.stopped == "converged"
    assert solution.trust.startswith("Checked: ")
    x = LShape().interior(200, "sobol", seed=4).numpy()
    wanted, misfit = lightning(x[:, 0] + 1j * x[:, 1])
    assert misfit < 1e-7  # by the maximum principle
    error = np.abs(solution(x)[:, 0] - wanted).max()
    assert error < misfit + 1e-9


def test_the_singular_solution_of_the_library():
    solution = solve(named_equation("poisson-corner").make())
    error = solution.errors().relative_l2
    assert error < 1e-12 and error < 3 * solution.error_estimate + 1e-14
    x = np.array([[0.0, 0.0], [-0.5, 0.5]])
    assert solution(x)[0] == pytest.approx(0, abs=1e-12)


def slit(x, y):
    """r^(1/2) sin(angle / 2), and something smooth: zero on the right of the lower side, level on the left."""
    return torch.sqrt(((x**2 + y**2).sqrt() - x).clamp(min=0) / 2) + torch.cos(x) * torch.exp(y)


def test_two_conditions_meet_on_a_straight_side():
    """With a variable coefficient, and lower terms."""
    half = Polygon([(-1, 0), (0, 0), (1, 0), (1, 1), (-1, 1)])

    @torch.enable_grad()
    def source(x, y):
        x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
        u = slit(x, y)
        slopes = torch.autograd.grad(u.sum(), (x, y), create_graph=True)
        flux = [(2 + x * y) * slope for slope in slopes]
        second = [torch.autograd.grad(f.sum(), at, retain_graph=True)[0] for f, at in zip(flux, (x, y), strict=True)]
        return (second[0] + second[1] - u).detach()

    def equation(u, x, y):
        return (2 + x * y) * laplacian(u) + y * u.x + x * u.y - u - source(x, y)

    conditions = [
        Dirichlet(slit, on=["edge 2", "edge 3", "edge 4", "edge 5"]),
        Neumann(lambda x: -torch.cos(x), on="edge 1"),
    ]
    problem = PDE(equation, half, conditions, solution=slit)
    assert operator_of(problem).square is None
    solution = solve(problem)
    error = solution.errors().relative_l2
    assert error < 1e-9 and error < 3 * solution.error_estimate + 1e-14


def test_lower_terms_on_an_l_shape():
    """Two equations with the same solution: u = v exp(x), where -laplacian v = 1."""
    first = solve(PDE(lambda v: laplacian(v) + 1, LShape(), [Dirichlet(0.0)]))
    equation = PDE(lambda u, x: laplacian(u) - 2 * u.x + u + torch.exp(x), LShape(), [Dirichlet(0.0)])
    second = solve(equation)
    x = LShape().interior(500, "sobol", seed=4)
    wanted = first(x)[:, 0] * x[:, 0].exp()
    error = float((second(x)[:, 0] - wanted).norm() / wanted.norm())
    assert error < 1e-8 and error < 3 * second.error_estimate + 1e-10


@pytest.mark.parametrize("square", [-4.0, 9.0])
def test_a_ring_by_bessel_functions(square):
    problem = PDE(
        lambda u: laplacian(u) + square * u + 1,
        Annulus(0.3, 1.0, (0.2, 0.1)),
        [Dirichlet(0.0, on="outer"), Robin(1.0, 1.0, 1.0, on="inner")],
    )
    solution = solve(problem)
    wave = math.sqrt(abs(square))
    pair = (i0, k0) if square < 0 else (partial(jv, 0), partial(yv, 0))
    slopes = (i1, lambda r: -k1(r)) if square < 0 else (lambda r: -jv(1, r), lambda r: -yv(1, r))
    matrix = [
        [f(wave) for f in pair],
        [f(0.3 * wave) - wave * slope(0.3 * wave) for f, slope in zip(pair, slopes, strict=True)],
    ]
    factors = np.linalg.solve(matrix, [1 / square, 1 + 1 / square])
    x = problem.domain.interior(200, "sobol", seed=4).numpy()
    r = np.hypot(x[:, 0] - 0.2, x[:, 1] - 0.1)
    wanted = factors[0] * pair[0](wave * r) + factors[1] * pair[1](wave * r) - 1 / square
    assert np.abs(solution(x)[:, 0] - wanted).max() < 1e-8
    assert solution.stopped == "converged"


def test_files_derivatives_and_fluxes(tmp_path):
    domain = SQUARE - Disk(0.4, (0.1, 0.2))
    problem = PDE(lambda u: laplacian(u) - 3 * u, domain, [Dirichlet(1.0)])
    solution = solve(problem, tolerance=1e-6)
    edgewise.save(solution, tmp_path / "hole.safetensors")
    again = edgewise.load(tmp_path / "hole.safetensors", problem=problem)
    x = domain.interior(100, "sobol", seed=2)
    assert torch.equal(again(x), solution(x)) and again.trust == solution.trust
    third = solution.derivative(x, "xxx") + solution.derivative(x, "xyy")
    assert torch.allclose(third, 3 * solution.derivative(x, "x"), atol=0.02)
    outer = solution.flux([name for name in domain.boundary_names if name != "circle"])
    inside = 3 * solution.integral()
    assert outer + solution.flux("circle") == pytest.approx(inside, rel=2e-3)


@pytest.mark.parametrize(
    "problem",
    [
        PDE(lambda u: u.xx + 2 * u.yy + 1, LShape(), [Dirichlet(0.0)]),
        PDE(lambda u: laplacian(u) + 1, SQUARE - Box(x=(-0.5, 0.5), y=(-0.5, 0.5)), [Dirichlet(0.0)]),
        PDE(lambda u, v: (laplacian(u) + v, laplacian(v) + u), LShape(), [Dirichlet({"u": 0.0, "v": 1.0})]),
        PDE(lambda u: gradient(u).sum(1) - u, LShape(), [Dirichlet(1.0, on="edge 1")]),
    ],
)
def test_other_problems_are_left_to_least_squares_of_splines(problem):
    assert list(even_levels(problem)) == []


def smooth(x, y):
    return x.exp() * (2 * y).sin() + (3 * x * y).cos()


def source(x, y):
    """Laplacian of `smooth`."""
    return -3 * x.exp() * (2 * y).sin() - 9 * (x**2 + y**2) * (3 * x * y).cos()


@pytest.mark.parametrize(
    "domain",
    [
        Disk(),
        LevelSet(lambda x, y: x**2 / 4 + y**2 - 1, x=(-3, 3), y=(-2, 2)),  # a box wider than the ellipse
        Disk() - LevelSet(lambda x, y: x**2 / 0.16 + y**2 / 0.04 - 1, x=(-1, 1), y=(-1, 1)),
    ],
)
def test_splines_alone_on_smooth_domains(domain):
    solution = solve(
        PDE(lambda u, x, y: laplacian(u) - source(x, y), domain, [Dirichlet(smooth)], solution=smooth), budget=0.1
    )
    assert type(solution.model) is TensorNetwork and solution.stopped == "converged"
    error = solution.errors().relative_l2
    assert error < 3e-11 and error / 3 < solution.error_estimate < 1e-9


def test_no_graded_grids_follow_even_ones_that_are_better(monkeypatch):
    """A tolerance below rounding is never reached; graded grids, which have 1e-9 after a minute, would not help."""

    def trained(refinement):
        raise AssertionError("a graded grid is made")

    monkeypatch.setattr("edgewise.pde.solver.cascade.GradedGrids.levels", trained)
    equation = lambda u, x, y: laplacian(u) - source(x, y)  # noqa: E731
    solution = solve(PDE(equation, Disk(), [Dirichlet(smooth)], solution=smooth), tolerance=1e-16)
    assert solution.stopped == "no_progress" and solution.errors().relative_l2 < 1e-12


@pytest.mark.parametrize("domain", [Annulus(0.5, 1.0), SQUARE - Disk(0.3, (0.2, 0.1))])
def test_a_system_around_a_hole(domain):
    """Elasticity whose solution goes on smoothly into the hole."""

    def sources(x, y):
        first = -x.exp() * (2 * y).sin() - 4 * (2 * x * y).sin() - 8 * x * y * (2 * x * y).cos()
        return first, -(12 * x**2 + 4 * y**2) * (2 * x * y).cos() + 4 * x.exp() * (2 * y).cos()

    def equation(u, v, x, y):
        first, second = sources(x, y)
        return 3 * u.xx + u.yy + 2 * v.xy - first, 3 * v.yy + v.xx + 2 * u.xy - second

    known = {"u": lambda x, y: x.exp() * (2 * y).sin(), "v": lambda x, y: (2 * x * y).cos()}
    solution = solve(PDE(equation, domain, [Dirichlet(known)], solution=known), budget=0.1)
    assert type(solution.model) is TensorNetwork
    assert solution.errors().relative_l2 < 1e-10 and solution.error_estimate < 1e-9


def test_a_narrow_peak_is_left_to_graded_grids():
    def peak(x, y):
        return (-100 * (x - 0.3) ** 2 - 100 * (y + 0.2) ** 2).exp()

    def equation(u, x, y):
        return laplacian(u) - (40000 * ((x - 0.3) ** 2 + (y + 0.2) ** 2) - 400) * peak(x, y)

    problem = PDE(equation, Disk(), [Dirichlet(peak)], solution=peak)
    assert len(list(even_levels(problem))) <= 4
    solution = solve(problem, budget=0.1)
    assert solution.parameters > 2000 and solution.errors().relative_l2 < 1e-3


def test_a_nonlinear_start_on_a_disk():
    """From each of Bratu's two radial solutions, log(8 b / (1 + b r^2)^2 / w), Newton's method stays there."""
    weight = 1.9
    problem = PDE(lambda u: laplacian(u) + weight * torch.exp(u), Disk(), [Dirichlet(0.0)])
    x = problem.domain.interior(500, "sobol", seed=3)
    for b in np.roots([weight, 2 * weight - 8, weight]).tolist():  # u = 0 at r = 1

        def known(x, y, b=b):
            return (8 * b / weight / (1 + b * (x**2 + y**2)) ** 2).log()

        near = solve(PDE(lambda u, x, y, known=known: u - known(x, y), Disk(), [Dirichlet(0.0)]), tolerance=1e-4)
        solution = solve(problem, start=near, budget=0.1)
        exact = known(*x.unbind(1))
        assert (solution(x)[:, 0] - exact).norm() < 1e-9 * exact.norm() and solution.stopped == "converged"


def test_a_nonlinear_problem():
    """The residual at fresh points is small, and a start from its own solution stays there."""
    problem = PDE(lambda u: laplacian(u) - u**3 + 1, LShape(), [Dirichlet(0.0)])
    solution = solve(problem, tolerance=1e-8)
    assert isinstance(solution.model, EnrichedNetwork)
    assert solution.residual < 1e-6 < LARGEST_RESIDUAL and solution.error_estimate < 1e-7


def test_slopes_at_corners_are_finite_where_data_do_not_jump():
    def exact(x, y):
        return torch.exp(x) * torch.cos(y)

    solution = solve(PDE(laplacian, LShape(), [Dirichlet(exact)]), tolerance=1e-8)
    x = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)
    assert isinstance(solution.model, EnrichedNetwork)
    assert torch.allclose(solution.derivative(x, "x"), exact(*x.T), rtol=0, atol=1e-6)


def test_a_load_on_a_disk_without_a_sector():
    """Sines of the angle: r^2 and r^v have the same sine series on the edges; 4 / (n pi) are the factors of 1."""
    opening, count = 5 * math.pi / 3, 4001
    sector = Disk() - Polygon([(0, 0), (2, -2 * math.sqrt(3)), (2, 0)])
    solution = solve(PDE(lambda u: laplacian(u) + 1, sector, [Dirichlet(0.0)]), tolerance=1e-4)
    assert isinstance(solution.model, EnrichedNetwork)
    points = sector.interior(100, "sobol", seed=3)
    radius, angle = points.norm(dim=1)[:, None], torch.atan2(points[:, 1], points[:, 0])[:, None] % (2 * math.pi)
    number = torch.arange(1, count, 2, dtype=torch.float64)
    power = number * math.pi / opening
    terms = 4 / (number * math.pi) / (power**2 - 4) * (radius**2 - radius**power) * torch.sin(power * angle)
    gap = (solution(points)[:, 0] - terms.sum(1)).abs().max()
    assert float(gap) < 1e-4 * float(terms.sum(1).max())
