"""How far `solve` comes with nothing to choose but the tolerance: errors that were aimed at, and seconds allowed.

Smooth equations of two and three coordinates, waves over many periods, and layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, cos, exp, sin

from edgewise.pde import PDE, Box, Dirichlet, Initial, Periodic, Solution, Time, laplacian
from edgewise_experiments.pde import estimates
from edgewise_experiments.pde.equations import error_of, exact_error, solved
from edgewise_experiments.problems.cases import BY_NAME as PANEL
from edgewise_experiments.problems.cases import PI, SQUARE, schroedinger, steady_flow
from edgewise_experiments.problems.named_equations import Equation, allen_cahn, named_equation, wave
from edgewise_experiments.runner import (
    NO_ROWS,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    latest,
    run_jobs,
    scientific,
    working_seconds,
)

QUICK = ("Poisson", "layer 1e-6")
NOTES = (
    "Every equation is solved once with the default budget; only the tolerance is given where the error that is aimed "
    "at is below the default tolerance of 1e-10. Errors are relative L2 errors, as in the tables of equations. Seconds "
    "are wall seconds, or CPU seconds of one core where these are fewer because the machine was shared; the seconds "
    "that were aimed at are those of two cores.",
)


@dataclass(frozen=True)
class Goal:
    """An equation with the error and the seconds that are aimed at."""

    make: Callable[[], PDE]
    error: float
    seconds: float
    tolerance: float = 1e-10
    measure: Callable[[Solution], float] | None = None


def vortices() -> PDE:
    """Taylor and Green's vortices, periodic: two velocities and the pressure."""

    def decay(t: Tensor, rate: float) -> Tensor:
        return exp(-rate * 0.01 * t)

    def flow(u, v, p):  # type: ignore[no-untyped-def]  # as a user writes it
        across, along, mass = steady_flow(u, v, p)
        return u.t + across, v.t + along, mass

    start = {"u": lambda x, y: cos(x) * sin(y), "v": lambda x, y: -sin(x) * cos(y)}
    fields = {
        "u": lambda x, y, t: cos(x) * sin(y) * decay(t, 2),
        "v": lambda x, y, t: -sin(x) * cos(y) * decay(t, 2),
        "p": lambda x, y, t: -(cos(2 * x) + cos(2 * y)) / 4 * decay(t, 4),
    }
    domain = Box(x=(0, 2 * PI), y=(0, 2 * PI)) * Time(0, 1)
    return PDE(flow, domain, [Periodic("x"), Periodic("y"), Initial(start)], solution=fields)


def burgers_2d() -> PDE:
    """A front of Burgers' equations in the plane (Fletcher), Reynolds number 20."""
    reynolds = 20.0

    def sigmoid(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return torch.sigmoid(-(4 * y - 4 * x - t) * reynolds / 32) / 4

    parts = {"u": lambda x, y, t: 0.75 - sigmoid(x, y, t), "v": lambda x, y, t: 0.75 + sigmoid(x, y, t)}
    start = {"u": lambda x, y: parts["u"](x, y, 0 * x), "v": lambda x, y: parts["v"](x, y, 0 * x)}
    return PDE(
        lambda u, v: (
            u.t + u * u.x + v * u.y - laplacian(u) / reynolds,
            v.t + u * v.x + v * v.y - laplacian(v) / reynolds,
        ),
        SQUARE * Time(0, 0.5),
        [Dirichlet(parts), Initial(start)],
        solution=parts,
    )


def allen_cahn_2d() -> PDE:
    """A travelling front of the Allen-Cahn equation in the plane."""
    width, speed = 0.1, 0.5

    def front(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return torch.sigmoid((x + y - 0.7 - speed * t) / (math.sqrt(2) * width))

    def equation(u, x, y, t):  # type: ignore[no-untyped-def]  # as a user writes it
        s = front(x, y, t)
        slope = s * (1 - s) / (math.sqrt(2) * width)
        bent = slope * (1 - 2 * s) / (math.sqrt(2) * width)
        return u.t - 0.01 * laplacian(u) - (u - u**3) - (-speed * slope - 0.02 * bent - (s - s**3))

    start = Initial(lambda x, y: front(x, y, 0 * x))
    return PDE(equation, SQUARE * Time(0, 1), [Dirichlet(front), start], solution=front)


SHARPER = Equation("allen-cahn, ten times sharper", "with a tenth of the diffusion", partial(allen_cahn, 1e-5))
GOALS = {
    "Poisson": Goal(named_equation("poisson").make, 1e-12, 1, 1e-12),
    "Helmholtz, k = 30": Goal(partial(estimates.helmholtz, 30), 1e-10, 1),
    "Helmholtz, k = 100": Goal(partial(estimates.helmholtz, 100), 1e-9, 3),
    "Burgers": Goal(named_equation("burgers").make, 1e-12, 20, 1e-12),
    "Burgers, sharper": Goal(named_equation("burgers").make, 1e-13, 60, 1e-13),
    "Korteweg-de Vries": Goal(named_equation("kdv").make, 1e-9, 60),
    "Allen-Cahn": Goal(allen_cahn, 1e-9, 60, measure=partial(error_of, named_equation("allen-cahn"))),
    "Allen-Cahn, ten times sharper": Goal(SHARPER.make, 1e-9, 60, measure=partial(error_of, SHARPER)),
    "Schroedinger": Goal(schroedinger, 1e-9, 60),
    "sine-Gordon": Goal(named_equation("sine-gordon").make, 1e-9, 60),
    "Kuramoto-Sivashinsky": Goal(
        PANEL["Kuramoto-Sivashinsky (KS)"].make,
        1e-6,
        math.inf,
        measure=partial(error_of, PANEL["Kuramoto-Sivashinsky (KS)"]),
    ),
    "Taylor-Green, periodic": Goal(vortices, 1e-10, math.inf),
    "Burgers in the plane": Goal(burgers_2d, 1e-6, 120),
    "Allen-Cahn in the plane": Goal(allen_cahn_2d, 1e-6, 120),
    "wave, 50 periods": Goal(partial(wave, 50), 1e-8, math.inf),
    "layer 1e-6": Goal(partial(estimates.layer, 1e-6), 1e-8, 1),
    "layer 1e-8": Goal(partial(estimates.layer, 1e-8), 1e-6, 1),
}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Solve all equations, or two of them."""
    jobs = []
    for seed in seeds or (0,):
        for name in QUICK if quick else GOALS:
            goal = GOALS[name]
            work = partial(solved, goal.make, goal.measure or exact_error, tolerance=goal.tolerance, seed=seed)
            jobs.append(Job(f"{name}, seed {seed}", {"problem": name, "seed": seed}, work))
    return summary(run_jobs(jobs, store, progress))


def summary(rows: list[dict]) -> Outcome:
    """Return the table, and how many goals are reached."""
    rows = [row for row in latest(rows, "problem", "seed") if row["problem"] in GOALS]
    if not rows:
        return NO_ROWS
    table, missed = [], []
    for row in rows:
        goal = GOALS[row["problem"]]
        is_near = row["error"] is not None and row["error"] <= goal.error
        is_fast = working_seconds(row) <= goal.seconds
        missed += [] if is_near and is_fast else [row["problem"]]
        table.append(
            (
                row["problem"],
                scientific(goal.error),
                scientific(row["error"]),
                scientific(row["estimate"]),
                f"{goal.seconds:g}" if math.isfinite(goal.seconds) else "any",
                f"{working_seconds(row):.1f}",
                f"{row['parameters']:,}",
                {(1, 1): "yes", (1, 0): "error only", (0, 1): "seconds only", (0, 0): "no"}[is_near, is_fast],
            )
        )
    figures = {
        "reached in the seconds allowed": f"{len(rows) - len(missed)} of {len(rows)}",
        "not reached": "; ".join(missed) or "none",
        "not run": "; ".join(name for name in GOALS if all(row["problem"] != name for row in rows)) or "none",
    }
    head = ("problem", "error aimed at", "error", "estimate", "seconds aimed at", "seconds", "parameters", "reached")
    return Outcome((key_figures(figures), ResultTable(head, tuple(table))), NOTES)
