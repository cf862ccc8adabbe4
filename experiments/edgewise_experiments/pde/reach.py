"""How far `solve` comes with nothing to choose but the tolerance: errors that were aimed at, and seconds allowed.

Smooth equations of two and three coordinates, waves over many periods, and layers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from edgewise.outcomes import ProgressCallback
from edgewise.pde import PDE, Box, Dirichlet, Initial, Interval, Periodic, Solution, Time, laplacian, solve
from edgewise_experiments.pde import estimates
from edgewise_experiments.pde.equations import BY_NAME as PANEL
from edgewise_experiments.pde.equations import error_of
from edgewise_experiments.pde.pde_table import measured_errors
from edgewise_experiments.problems import cases
from edgewise_experiments.problems.named_equations import named_equation
from edgewise_experiments.problems.reference_solutions import allen_cahn, distance
from edgewise_experiments.runner.jobs import Job, RowCallback, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable, key_figures, scientific
from edgewise_experiments.runner.store import Store

PI = math.pi
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


def sharper_allen_cahn() -> PDE:
    """The Allen-Cahn equation of the library with a tenth of the diffusion."""
    return PDE(
        lambda u: u.t - 1e-5 * u.xx - 5 * (u - u**3),
        Interval(-1, 1) * Time(0, 1),
        [Periodic("x"), Initial(lambda x: x**2 * torch.cos(PI * x))],
    )


def vortices() -> PDE:
    """Taylor and Green's vortices, periodic: two velocities and the pressure."""

    def decay(t: Tensor, rate: float) -> Tensor:
        return torch.exp(-rate * 0.01 * t)

    fields = {
        "u": lambda x, y, t: torch.cos(x) * torch.sin(y) * decay(t, 2),
        "v": lambda x, y, t: -torch.sin(x) * torch.cos(y) * decay(t, 2),
        "p": lambda x, y, t: -(torch.cos(2 * x) + torch.cos(2 * y)) / 4 * decay(t, 4),
    }

    def flow(u, v, p):  # type: ignore[no-untyped-def]  # as a user writes it
        across, along, mass = cases.steady_flow(u, v, p)
        return u.t + across, v.t + along, mass

    return PDE(
        flow,
        Box(x=(0, 2 * PI), y=(0, 2 * PI)) * Time(0, 1),
        [
            Periodic("x"),
            Periodic("y"),
            Initial({"u": lambda x, y: torch.cos(x) * torch.sin(y), "v": lambda x, y: -torch.sin(x) * torch.cos(y)}),
        ],
        solution=fields,
    )


def allen_cahn_2d() -> PDE:
    """A travelling front of the Allen-Cahn equation in the plane."""
    width, speed = 0.1, 0.5

    def front(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return torch.sigmoid((x + y - 0.7 - speed * t) / (math.sqrt(2) * width))

    def source(u, x, y, t):  # type: ignore[no-untyped-def]  # as a user writes it
        s = front(x, y, t)
        slope = s * (1 - s) / (math.sqrt(2) * width)
        bent = slope * (1 - 2 * s) / (math.sqrt(2) * width)
        return u.t - 0.01 * laplacian(u) - (u - u**3) - (-speed * slope - 0.02 * bent - (s - s**3))

    start = {"u": lambda x, y: front(x, y, torch.zeros_like(x))}
    return PDE(source, cases.SQUARE * Time(0, 1), [Dirichlet(front), Initial(start)], solution=front)


def by_table(name: str) -> Callable[[Solution], float]:
    """Error as in the table of equations."""
    return lambda solution: measured_errors(name, named_equation(name).make(), solution)["error"]


def sharper_error(solution: Solution) -> float:
    """Error at the last moment against a Fourier series with more modes."""
    x = np.linspace(-1, 1, 401)
    exact = allen_cahn(x, np.array([1.0]), modes=4096, diffusion=1e-5)[0]
    found = solution(torch.from_numpy(np.stack([x, np.ones_like(x)], 1))).numpy()[:, 0]
    return distance(found, exact)


GOALS = {
    "Poisson": Goal(named_equation("poisson").make, 1e-12, 1, 1e-12),
    "Helmholtz, k = 30": Goal(partial(estimates.helmholtz, 30), 1e-10, 1),
    "Helmholtz, k = 100": Goal(partial(estimates.helmholtz, 100), 1e-9, 3),
    "Burgers": Goal(named_equation("burgers").make, 1e-12, 20, 1e-12),
    "Burgers, sharper": Goal(named_equation("burgers").make, 1e-13, 60, 1e-13),
    "Korteweg-de Vries": Goal(named_equation("kdv").make, 1e-9, 60),
    "Allen-Cahn": Goal(named_equation("allen-cahn").make, 1e-9, 60, measure=by_table("allen-cahn")),
    "Allen-Cahn, ten times sharper": Goal(sharper_allen_cahn, 1e-9, 60, measure=sharper_error),
    "Schroedinger": Goal(cases.schroedinger, 1e-9, 60),
    "sine-Gordon": Goal(named_equation("sine-gordon").make, 1e-9, 60),
    "Kuramoto-Sivashinsky": Goal(
        cases.kuramoto, 1e-6, math.inf, measure=partial(error_of, PANEL["Kuramoto-Sivashinsky (KS)"])
    ),
    "Taylor-Green, periodic": Goal(vortices, 1e-10, math.inf),
    "Burgers in the plane": Goal(cases.burgers_2d, 1e-6, 120),
    "Allen-Cahn in the plane": Goal(allen_cahn_2d, 1e-6, 120),
    "wave, 50 periods": Goal(partial(estimates.waves, 50), 1e-8, math.inf),
    "layer 1e-6": Goal(partial(estimates.layer, 1e-6), 1e-8, 1),
    "layer 1e-8": Goal(partial(estimates.layer, 1e-8), 1e-6, 1),
}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Solve all equations, or two of them."""
    jobs = [
        Job(f"{name}, seed {seed}", {"problem": name, "seed": seed}, partial(measure, name, seed))
        for seed in seeds or (0,)
        for name in (QUICK if quick else GOALS)
    ]
    return summary(run_jobs(jobs, store, progress, line))


def measure(name: str, seed: int, report: ProgressCallback) -> dict:
    """Solve an equation and compare."""
    goal = GOALS[name]
    begin, begin_cpu = time.perf_counter(), time.process_time()
    solution = solve(goal.make(), tolerance=goal.tolerance, seed=seed, progress=report)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    error = float(solution.errors().relative_l2) if goal.measure is None else goal.measure(solution)
    return {
        "error": error,
        "estimate": solution.error_estimate,
        "parameters": solution.parameters,
        "stopped": str(solution.stopped),
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
    }


def line(row: dict) -> str:
    """Return a line of progress."""
    return f"{row['problem']}: error {scientific(row['error'])}, {working_seconds(row):.1f} s"


def summary(rows: list[dict]) -> Outcome:
    """Return the table, and how many goals are reached."""
    rows = [row for row in latest(rows, "problem", "seed") if row["problem"] in GOALS]
    if not rows:
        return NO_ROWS
    table, reached = [], []
    for row in rows:
        goal = GOALS[row["problem"]]
        is_near = row["error"] is not None and row["error"] <= goal.error
        is_fast = working_seconds(row) <= goal.seconds
        reached += [row["problem"]] if is_near and is_fast else []
        table.append(
            (
                row["problem"],
                scientific(goal.error),
                scientific(row["error"]),
                scientific(row["estimate"]),
                f"{goal.seconds:g}" if math.isfinite(goal.seconds) else "any",
                f"{working_seconds(row):.1f}",
                f"{row['parameters']:,}",
                "yes" if is_near and is_fast else "error only" if is_near else "seconds only" if is_fast else "no",
            )
        )
    missed = [row["problem"] for row in rows if row["problem"] not in reached]
    figures = key_figures(
        {
            "reached in the seconds allowed": f"{len(reached)} of {len(rows)}",
            "not reached": "; ".join(missed) or "none",
            "not run": "; ".join(name for name in GOALS if all(row["problem"] != name for row in rows)) or "none",
        }
    )
    head = ("problem", "error aimed at", "error", "estimate", "seconds aimed at", "seconds", "parameters", "reached")
    return Outcome((figures, ResultTable(head, tuple(table))), NOTES)
