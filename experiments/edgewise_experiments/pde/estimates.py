"""Estimated errors of solutions of differential equations against true ones: how often an estimate holds.

Equations of the library and others with known solutions, smooth and hard: boundary layers, narrow sources, fast
advection, sharp kernels, corners, and some that a small budget leaves unsolved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, cos, exp, sin

from edgewise.pde import (
    PDE,
    Box,
    Dirichlet,
    Disk,
    Initial,
    Interval,
    Neumann,
    Periodic,
    Robin,
    Time,
    integral,
    laplacian,
)
from edgewise.settings import ABOVE_ZERO
from edgewise_experiments.pde.equations import exact_error, solved
from edgewise_experiments.problems.named_equations import PI, known, named_equation, wave
from edgewise_experiments.runner import (
    NO_ROWS,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    run_jobs,
    scientific,
)

LINE, SQUARE = Interval(0, 1), Box(x=(0, 1), y=(0, 1))
BUDGETS = (0.001, 0.02)  # a poor and a better solution of each problem
QUICK = ("heat", "layer 1e-04")
NOTES = (
    "Each equation is solved with two small budgets. True errors are relative L2 errors by quadrature; an estimate "
    "holds if it is at least a third of the true error. Doubts are solutions of which `solution.trust` says that they "
    "are not to be trusted.",
)
LIBRARY = (
    "poisson",
    "poisson-disk",
    "poisson-annulus",
    "poisson-corner",
    "helmholtz",
    "heat",
    "wave",
    "advection",
    "burgers",
    "kdv",
    "sine-gordon",
    "nonlinear-poisson",
    "biharmonic",
    "poisson-5d",
    "poisson-5d-sum",
    "inverse-diffusion",
)


def layer(eps: float) -> PDE:
    """eps u'' + u' = 1 with u = 0 at both ends: a layer of this width at the left one."""
    return PDE(lambda u: eps * u.xx + u.x - 1, LINE, [Dirichlet(0.0)], solution=lambda x: x - 1 + exp(-x / eps))


def inner_layer(eps: float) -> PDE:
    """A steep front in the middle: u = tanh((x - 1/2) / eps)."""

    def front(x: Tensor) -> Tensor:
        return torch.tanh((x - 0.5) / eps)

    return known(lambda u, x: u.xx + 2 / eps**2 * front(x) * (1 - front(x) ** 2), LINE, front)


def spike(width: float) -> PDE:
    """A narrow bump as the solution."""

    def bump(x: Tensor) -> Tensor:
        return exp(-(((x - 0.3456) / width) ** 2))

    return known(lambda u, x: u.xx - (4 * (x - 0.3456) ** 2 / width**2 - 2) / width**2 * bump(x), LINE, bump)


def bump_2d(width: float) -> PDE:
    """The same on a square."""

    def squared(x: Tensor, y: Tensor) -> Tensor:
        return ((x - 0.3) ** 2 + (y - 0.6) ** 2) / width**2

    def equation(u, x, y):  # type: ignore[no-untyped-def]  # as a user writes it
        return laplacian(u) - 4 * (squared(x, y) - 1) / width**2 * exp(-squared(x, y))

    return known(equation, SQUARE, lambda x, y: exp(-squared(x, y)))


def advection(speed: float) -> PDE:
    """A sine that goes around a circle."""
    return PDE(
        lambda u: u.t + speed * u.x,
        Interval(0, 2 * PI) * Time(0, 1),
        [Periodic("x"), Initial(lambda x: sin(x))],
        solution=lambda x, t: sin(x - speed * t),
    )


def helmholtz(k: float) -> PDE:
    """A plane wave on a square."""
    a, b = k * math.cos(0.7), k * math.sin(0.7)
    return known(lambda u: laplacian(u) + k**2 * u, SQUARE, lambda x, y: cos(a * x + b * y))


def kernel(distance: float) -> PDE:
    """A Fredholm equation with a kernel of this width whose solution is 1 + x."""

    def whole(x: Tensor) -> Tensor:
        """The integral of the kernel times 1 + s over [-1, 1]."""
        right, left = (1 - x) / distance, (-1 - x) / distance
        angle = torch.atan(right) - torch.atan(left)
        return ((1 + x) * angle + distance / 2 * torch.log((1 + right**2) / (1 + left**2))) / PI

    def equation(u, x):  # type: ignore[no-untyped-def]  # as a user writes it
        inner = integral(u, -1, 1, lambda u, s: distance / PI / (distance**2 + (x[:, None] - s) ** 2) * u)
        return u + inner - (1 + x) - whole(x)

    return PDE(equation, Interval(-1, 1), [], solution=lambda x: 1 + x)


def heat_2d() -> PDE:
    """Heat on a square."""
    return PDE(
        lambda u: u.t - 0.1 * laplacian(u),
        SQUARE * Time(0, 1),
        [Dirichlet(0.0), Initial(lambda x, y: sin(PI * x) * sin(PI * y))],
        solution=lambda x, y, t: exp(-0.2 * PI**2 * t) * sin(PI * x) * sin(PI * y),
    )


def growth(rate: float) -> PDE:
    """u' = rate (u - cos t) - sin t with u(0) = 1: errors grow as exp(rate t)."""
    equation = lambda u, t: u.t - rate * (u - cos(t)) + sin(t)  # noqa: E731 - as a user writes it
    return PDE(equation, Time(0, 3), [Initial(1.0)], solution=lambda t: cos(t))


def logistic(rate: float) -> PDE:
    """Logistic growth, nonlinear in time."""
    equation = lambda u: u.t - rate * u * (1 - u)  # noqa: E731
    return PDE(equation, Time(0, 10), [Initial(0.01)], solution=lambda t: 1 / (1 + 99 * exp(-rate * t)))


def robin() -> PDE:
    """A Robin condition, a flux."""
    ends = [Dirichlet(1.0, on="x=0"), Robin(1.0, 1.0, 2 * math.e, on="x=1")]
    return PDE(lambda u, x: u.xx - exp(x), LINE, ends, solution=lambda x: x.exp())


def hole() -> PDE:
    """A harmonic function on a square with a hole."""
    domain = SQUARE - Disk(0.2, (0.4, 0.5))
    return known(lambda u: laplacian(u), domain, lambda x, y: torch.log((x - 0.4) ** 2 + (y - 0.5) ** 2) / 2)


def mixed() -> PDE:
    """Neumann conditions on two sides of a square."""

    def product(x: Tensor, y: Tensor) -> Tensor:
        return cos(PI * x) * exp(y)

    sides = [Dirichlet(product, on=["y=0", "y=1"]), Neumann(0.0, on=["x=0", "x=1"])]
    return PDE(lambda u, x, y: laplacian(u) - (1 - PI**2) * product(x, y), SQUARE, sides, solution=product)


def ridge(dimension: int) -> PDE:
    """A function of the sum of all coordinates, which is of no low rank."""

    def curvature(points: Tensor) -> Tensor:
        s = points.sum(1)
        return dimension * (6 * s**2 - 2) / (1 + s**2) ** 3

    domain = Box.cube(dimension)
    return known(
        lambda u, points: laplacian(u) - curvature(points), domain, lambda points: 1 / (1 + points.sum(1) ** 2)
    )


PROBLEMS: dict[str, Callable[[], PDE]] = {
    **{name: named_equation(name).make for name in LIBRARY},
    **{f"layer {eps:.0e}": partial(layer, eps) for eps in (1e-2, 1e-4, 1e-6)},
    **{f"front {eps:.0e}": partial(inner_layer, eps) for eps in (1e-1, 1e-2, 1e-3)},
    **{f"spike {width:.0e}": partial(spike, width) for width in (1e-2, 1e-3)},
    **{f"bump {width:.0e}": partial(bump_2d, width) for width in (2e-1, 2e-2)},
    **{f"advection at {speed}": partial(advection, speed) for speed in (3, 30)},
    **{f"wave, {periods} periods": partial(wave, periods) for periods in (2, 10, 50)},
    **{f"helmholtz, k = {k}": partial(helmholtz, k) for k in (3, 10, 30)},
    **{f"kernel of width {width}": partial(kernel, width) for width in (1.0, 0.1)},
    **{f"growth {rate}": partial(growth, rate) for rate in (-50, 2, 5)},
    **{f"logistic {rate}": partial(logistic, rate) for rate in (1, 5)},
    "heat on a square": heat_2d,
    "robin": robin,
    "square with a hole": hole,
    "mixed": mixed,
    "ridge 3": partial(ridge, 3),
}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Solve every problem with both budgets, or two problems with the smaller one."""
    jobs = []
    for seed in seeds or (0,):
        for name in QUICK if quick else PROBLEMS:
            for budget in BUDGETS[:1] if quick else BUDGETS:
                work = partial(solved, PROBLEMS[name], exact_error, budget=budget, seed=seed)
                jobs.append(Job(f"{name}, {budget}", {"problem": name, "budget": budget, "seed": seed}, work))
    return summary(run_jobs(jobs, store, progress))


def summary(rows: list[dict]) -> Outcome:
    """Return the table of all problems, and one of how many estimates hold."""
    if not rows:
        return NO_ROWS
    table = tuple(
        (
            row["problem"],
            f"{row['budget']:g}",
            scientific(row["error"]),
            scientific(row["estimate"]),
            f"{row['estimate'] / row['error']:,.1f}" if row["error"] and row["estimate"] is not None else "-",
            row["stopped"].replace("_", " "),
            "yes" if row["is_doubted"] else "no",
        )
        for row in rows
    )
    few = [row for row in rows if not times_too_small(row) <= 3]
    silent = [row for row in rows if not row["is_doubted"] and not times_too_small(row) <= 100]
    wrong = [row for row in rows if row["stopped"] == "converged" and not row["error"] <= 1e-3]
    totals = key_figures(
        {
            "solutions": str(len(rows)),
            "estimates of at least a third of the error": f"{len(rows) - len(few)} of {len(rows)}",
            "smaller ones": ", ".join(f"{row['problem']} ({row['budget']:g})" for row in few) or "none",
            "estimates 100 times too small, without a doubt": str(len(silent)),
            "converged with an error above 1e-3": str(len(wrong)),
        }
    )
    head = ("problem", "budget", "error", "estimate", "estimate / error", "stopped", "doubts")
    return Outcome((totals, ResultTable(head, table, "Errors and estimates")), NOTES)


def times_too_small(row: dict) -> float:
    """Error over estimate; infinity where a number is missing. Errors above the solution's size count as that."""
    if row["error"] is None or row["estimate"] is None:
        return math.inf
    return min(row["error"], 1.0) / max(row["estimate"], ABOVE_ZERO)
