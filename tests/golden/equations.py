"""Equations: the tier that solved each, its error against an exact or independent solution, estimate and work."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from edgewise.outcomes import Progress
from edgewise.pde import (
    PDE,
    Ball,
    Dirichlet,
    Disk,
    Initial,
    Interval,
    Solution,
    Time,
    eigenvalues,
    laplacian,
    other_solutions,
    solve,
)
from edgewise_experiments.pde import estimates, pde_table
from edgewise_experiments.pde.equations import BY_NAME, error_of
from edgewise_experiments.pde.reach import GOALS
from edgewise_experiments.pde.unknown_fields import exact_rod, rod
from edgewise_experiments.problems.named_equations import named_equation
from tests.golden.comparison import Row
from tests.golden.runner import bits

FLOOR = 1e-10  # the usual tolerance: smaller errors are rounding and luck
PLACES = 500  # at which the bits of a solution are taken
Error = Callable[[Solution], float]


def exact_error(solution: Solution) -> float:
    """Relative L2 error by quadrature against the closed solution."""
    return float(solution.errors().relative_l2)


def error_at(solution: Solution, points: np.ndarray, exact: np.ndarray) -> float:
    """Relative root mean square of the error at points (N, n) of the fields (N, fields)."""
    return float(np.linalg.norm(solution(points) - exact) / np.linalg.norm(exact))


def solved(make: Callable[[], PDE], error: Error = exact_error, **options: object) -> Row:
    """Solve a problem and measure."""
    shares = [0.0]

    def note(progress: Progress) -> None:
        shares.append(progress.share)

    solution = solve(make(), progress=note, **options)
    if "another solution exists" in solution.trust:
        solution = min([solution, *other_solutions(solution)], key=error)
    x = solution.problem.domain.interior(PLACES, "sobol", seed=5)
    estimate = solution.error_estimate
    return {
        "tier": solution.tier,
        "error": error(solution),
        "estimate": None if math.isnan(estimate) else estimate,
        "work": max(shares) * options.get("budget", 1.0),
        "floor": FLOOR,
        "bits": bits(solution(x), estimate, *solution.unknowns.values()),
    }


def panel(name: str) -> Callable[[], Row]:
    """An equation of the panel, with its budget."""
    return partial(solved, BY_NAME[name].make, partial(error_of, BY_NAME[name]), budget=0.1)


def table(name: str, **options: object) -> Callable[[], Row]:
    """An equation of the table."""
    return lambda: solved(named_equation(name).make, partial(pde_table.error, name), **options)


def reach(name: str) -> Callable[[], Row]:
    """An equation of those that show how far `solve` comes."""
    goal = GOALS[name]
    return partial(solved, goal.make, goal.measure or exact_error, tolerance=goal.tolerance)


def found_conductivity() -> Row:
    """The conductivity of a rod from 200 temperatures with noise."""

    def error(solution: Solution) -> float:
        x = solution.problem.domain.interior(PLACES, "sobol", seed=1)
        return error_at(solution, x.numpy(), exact_rod(x).numpy())

    return solved(partial(rod, 0, 0.1), error)


def eigenvalue_of_a_drum() -> Row:
    """The square of the first zero of Bessel's function, on cut cells."""
    drum = PDE(lambda u, lam: laplacian(u) + lam * u, Disk(), [Dirichlet(0.0)], coefficients={"lam": 1.0})
    found = eigenvalues(drum, count=1, tolerance=1e-5)
    error = abs(float(found.values[0]) - 5.783185962946785)
    return {"tier": "eigenvalues", "error": error, "floor": FLOOR, "bits": bits(found.values)}


def eigenvalues_of_an_oscillator() -> Row:
    """The harmonic oscillator has 1/2, 3/2, ..."""
    problem = PDE(
        lambda u, x, E: u.xx / 2 + (E - x**2 / 2) * u, Interval(-9, 9), [Dirichlet(0.0)], coefficients={"E": 0.0}
    )
    found = eigenvalues(problem, count=4)
    error = float(np.abs(found.values - [0.5, 1.5, 2.5, 3.5]).max())
    return {"tier": "eigenvalues", "error": error, "floor": FLOOR, "bits": bits(found.values)}


def upper_solution() -> Row:
    """The second solution of Bratu's equation, by deflation."""
    lower = solve(PDE(lambda u: u.xx + u.value.exp(), Interval(0, 1), [Dirichlet(0.0)]))
    (upper,) = other_solutions(lower)
    theta = brentq(lambda theta: theta - math.sqrt(2) * math.cosh(theta / 4), 5, 20, xtol=1e-15)
    x = np.linspace(0, 1, 101)[:, None]
    exact = -2 * np.log(np.cosh((x - 0.5) * theta / 2) / np.cosh(theta / 4))
    return {"tier": upper.tier, "error": error_at(upper, x, exact), "floor": FLOOR, "bits": bits(upper(x))}


def delayed() -> Row:
    """u' = -u(t - 1) by the method of steps."""

    def error(solution: Solution) -> float:
        t = np.linspace(0, 2.5, 101)[:, None]
        exact = 1 - t + (t > 1) * (t - 1) ** 2 / 2 - (t > 2) * (t - 2) ** 3 / 6
        return error_at(solution, t, exact)

    return solved(lambda: PDE(lambda u, t: u.t + u(t - 1), Time(0, 2.5), [Initial(1.0)]), error)


def switching_force() -> Row:
    """u'' = -sign(u): parabolas that meet where the field changes its sign."""
    quarter = math.sqrt(2)

    def error(solution: Solution) -> float:
        t = np.linspace(0, 4, 81)[:, None]
        exact = np.where(t < quarter, 1 - t**2 / 2, (t - 2 * quarter) ** 2 / 2 - 1)
        return error_at(solution, t, exact)

    return solved(lambda: PDE(lambda u: u.tt + torch.sign(u.value), Time(0, 4), [Initial(1.0, rate=0.0)]), error)


def wave_from_a_wall() -> Row:
    """A system of first order at rest that a wall drives: d'Alembert's wave before its first echo, in weak form."""

    def driven(t: Tensor) -> Tensor:
        return torch.sin(math.pi * t) ** 2

    def make() -> PDE:
        walls = [Dirichlet({"u": driven}, on="x=0"), Dirichlet({"p": 0.0}, on="x=1")]
        rest = Initial({"u": 0.0, "p": 0.0})
        return PDE(lambda u, p: [p.t + u.x, u.t + p.x], Interval(0, 1) * Time(0, 0.9), [rest, *walls])

    def error(solution: Solution) -> float:
        points = solution.problem.domain.interior(PLACES, "sobol", seed=7)
        x, t = points.unbind(1)
        exact = driven((t - x).clamp(min=0))
        return error_at(solution, points.numpy(), torch.stack([exact, exact], 1).numpy())

    return solved(make, error, budget=0.01)


def heat_on_a_disk() -> Row:
    """A domain cut from a grid, in time, with a closed solution."""

    def exact(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return torch.exp(-t) * torch.sin(x + y / 2)

    def make() -> PDE:
        start = Initial(lambda x, y: exact(x, y, 0 * x))
        equation = lambda u, x, y, t: u.t - 0.05 * laplacian(u) + 0.9375 * exact(x, y, t)  # noqa: E731
        return PDE(equation, Disk() * Time(0, 1), [Dirichlet(exact), start], solution=exact)

    return solved(make, budget=0.05, tolerance=1e-5)


def shell() -> Row:
    """Poisson's equation between two spheres, on cut cells."""

    def wave(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return torch.sin(2 * x + y) * torch.exp(z / 2)

    def make() -> PDE:
        domain = Ball() - Ball(0.4, (0.1, 0.0, 0.1))
        equation = lambda u, x, y, z: laplacian(u) + 4.75 * wave(x, y, z)  # noqa: E731
        return PDE(equation, domain, [Dirichlet(wave)], solution=wave)

    return solved(make, tolerance=1e-4)


def kan() -> Row:
    """Poisson's equation by a KAN with hidden nodes."""
    return solved(named_equation("poisson").make, hidden=(4,), grid_size=5, starts=1, budget=0.005)


def wave_in_two_layers() -> Row:
    """Two layers with different speeds: a weak form because the coefficient jumps off the grid."""

    def pulse(s: Tensor) -> Tensor:
        return torch.exp(-(((s - 0.3) / 0.07) ** 2))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        before = pulse(x - t) + pulse(1.226 - x - t) / 3
        return torch.where(x < 0.613, before, 4 / 3 * pulse(0.613 + (x - 0.613) / 2 - t))

    def make() -> PDE:
        start = Initial(lambda x: exact(x, 0 * x), rate=lambda x: 2 * (x - 0.3) / 0.07**2 * pulse(x))
        equation = lambda u, x: u.tt - torch.where(x < 0.613, 1.0, 4.0) * u.xx  # noqa: E731
        return PDE(equation, Interval(0, 1.5) * Time(0, 0.5), [Dirichlet(0.0), start], solution=exact)

    return solved(make, budget=0.02)


ROWS: dict[str, Callable[[], Row]] = {
    **{
        name: panel(name)
        for name in (
            "Airy",
            "Bratu",
            "Liouville",
            "two layers",
            "elasticity",
            "clamped plate",
            "minimal surface",
            "Monge-Ampere",
            "charge",
            "wave (Wave1d-C)",
            "telegraph",
            "beam",
            "Fisher",
            "Schroedinger",
            "Gray-Scott",
            "moving bump",
            "family",
            "Lorenz",
            "orbit",
            "Lane-Emden",
            "memory",
            "four circles",
            "four holes (Poisson2d-C)",
            "patches (Poisson2d-MS)",
            "five dimensions (PNd)",
            "cubic in five dimensions",
        )
    },
    **{name: table(name) for name in ("robertson", "advection", "inverse-diffusion", "poisson-corner")},
    "annulus": table("poisson-annulus", budget=0.05),
    "layer 1e-6": reach("layer 1e-6"),
    "kernel": lambda: solved(partial(estimates.kernel, 0.2), tolerance=1e-8),
    "conductivity of a rod": found_conductivity,
    "eigenvalue of a drum": eigenvalue_of_a_drum,
    "eigenvalues of an oscillator": eigenvalues_of_an_oscillator,
    "upper solution of Bratu": upper_solution,
    "delay": delayed,
    "switching force": switching_force,
    "wave from a wall": wave_from_a_wall,
    "wave in two layers": wave_in_two_layers,
    "heat on a disk": heat_on_a_disk,
    "shell": shell,
    "KAN": kan,
}
