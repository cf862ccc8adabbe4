"""Differential equations, solved with nothing to choose: errors against exact or independent solutions, time, size.

The table also has published errors of physics-informed networks, and on four problems those of KANs and MLPs of several
sizes, with the same Levenberg-Marquardt method on the same kind of points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from edgewise.pde import PDE, Solution
from edgewise_experiments.pde.equations import error_of, solved
from edgewise_experiments.pde.networks import listed_networks, network_job, network_numbers, network_tables
from edgewise_experiments.problems.named_equations import NOISE, TRUE_DIFFUSION, named_equation
from edgewise_experiments.problems.references import references
from edgewise_experiments.runner import (
    NO_ROWS,
    Figure,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Store,
    key_figures,
    latest,
    median,
    run_jobs,
    scientific,
    working_seconds,
    worst,
)

QUICK = ("heat", "pendulum")
NOTES = (
    "`solve` runs in float64 with all its defaults. Errors are relative L2 errors by quadrature against the exact "
    "solution (Burgers: the integral of Cole and Hopf; cavity: Chebyshev collocation; Allen-Cahn: Fourier series). "
    "Errors of ODEs are the largest relative error of a field at the end time, against scipy's DOP853 and Radau; that "
    "of the coefficient is its distance from the truth in standard errors. Error and worst are the median and the "
    "largest error of the seeds, requested is the error that a problem should reach. Seconds are wall seconds, or CPU "
    "seconds where these are fewer because the machine was shared.",
    "On one or two coordinates a solution is a sum of all products of B-splines, mostly in one time element after "
    "another where time is among them (parameters are those of all together); in more dimensions it is a sum of "
    "separable functions. Published errors are those of networks trained for the problem at hand: Shukla et al., "
    "arXiv 2406.02917; Kiyani et al., arXiv 2501.16371, read from a curve; vRBA by the benchmark in its repository.",
)


@dataclass(frozen=True)
class Target:
    """An equation of the library and the error that its solution should reach."""

    name: str
    requested: float
    published: str = "-"
    several_seeds: bool = True


TARGETS = (
    Target("poisson", 1e-6),
    Target("poisson-disk", 1e-6),
    Target("poisson-annulus", 1e-6),
    Target("helmholtz", 1e-8, "3.5e-3, PINN with residual attention (Shukla et al.)"),
    Target("heat", 1e-7),
    Target("wave", 1e-7),
    Target("advection", 1e-7),
    Target("nonlinear-poisson", 1e-5),
    Target("biharmonic", 1e-5),
    Target("sine-gordon", 1e-5),
    Target("pendulum", 1e-6),
    Target("lotka-volterra", 1e-6),
    Target("robertson", 1e-6),
    Target("inverse-diffusion", 3.0),
    Target("poisson-5d", 1e-5),
    Target("poisson-5d-sum", 1e-5),
    Target("poisson-10d", 1e-5),
    Target("poisson-10d-product", 1e-5, several_seeds=False),
    Target("cavity", 1e-2, several_seeds=False),
    Target("poisson-corner", 1e-3, several_seeds=False),
    Target("burgers", 1e-5, "1e-8, PIKAN with SSBroyden (Kiyani et al.)", several_seeds=False),
    Target("kdv", 1e-5, "2.2e-6, vRBA with SSBroyden", several_seeds=False),
    Target("allen-cahn", 1e-5, "1.9e-6, vRBA with SSBroyden", several_seeds=False),
)
BY_NAME = {target.name: target for target in TARGETS}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Solve all equations, by default with three seeds of points, or one where a run takes more than two minutes."""
    targets = [BY_NAME[name] for name in QUICK] if quick else TARGETS
    jobs = [_job(target.name, (seeds or (0,))[0], quick) for target in targets]
    jobs += [network_job(*network, quick) for network in listed_networks(quick)]
    if not quick:
        several = [target.name for target in targets if target.several_seeds]
        jobs += [_job(name, seed, quick) for seed in (seeds or (0, 1, 2))[1:] for name in several]
    return summary(run_jobs(jobs, store, progress))


def _job(name: str, seed: int, quick: bool) -> Job:
    settings = {"tolerance": 1e-4, "budget": 0.01} if quick else {}
    key = {"problem": name, "model": "solve", "seed": seed, "quick": quick}
    work = partial(solved, named_equation(name).make, partial(error, name), seed=seed, **settings)
    return Job(f"{name}, seed {seed}", key, work)


def error(name: str, solution: Solution) -> float:
    """Return the error by which the row of an equation is judged."""
    if name == "inverse-diffusion":
        return coefficient_error(solution.problem, solution)["error"]
    if name in ("pendulum", "lotka-volterra", "robertson"):  # the largest relative error of a field at the end
        points, exact = references()[name]
        values = solution(torch.from_numpy(points)).numpy()[:, : exact.shape[1]]
        return float(np.abs((values - exact) / exact).max())
    return error_of(named_equation(name), solution)


def coefficient_error(problem: PDE, solution: Solution) -> dict:
    """Return the distance of the coefficient from the truth in standard errors, and the efficiency of the estimate.

    The efficiency is the least possible standard error, that of the closed solution by the bound of Cramer and Rao,
    over the standard error of the solution.
    """
    (name,) = solution.unknowns
    x = next(block for block in problem.blocks() if block.role == "observation").data.x
    slope = -(math.pi**2) * x[:, 1] * torch.exp(-TRUE_DIFFUSION * math.pi**2 * x[:, 1]) * torch.sin(math.pi * x[:, 0])
    least = NOISE / float(slope.norm())
    standard_error = solution.standard_errors[name]
    return {
        "error": abs(solution.unknowns[name] - TRUE_DIFFUSION) / standard_error,
        "coefficient": solution.unknowns[name],
        "standard_error": standard_error,
        "efficiency": least / standard_error,
    }


def summary(rows: list[dict]) -> Outcome:
    """Show the errors of `solve` on every problem, and those of networks with hidden layers."""
    solved = latest([row for row in rows if row["model"] == "solve"], "problem", "seed")
    if not solved:
        return NO_ROWS
    lines, missed, absent = [], [], []
    for target in TARGETS:
        seeds = [row for row in solved if row["problem"] == target.name]
        if not seeds:
            absent.append(target.name)
            continue
        error = median(row["error"] for row in seeds)
        if error is None or error > target.requested:
            missed.append(target.name)
        middle = next((row for row in seeds if row["error"] == error), seeds[0])
        lines.append(
            (
                named_equation(target.name).statement,
                _error_text(target, error),
                _error_text(target, worst(row["error"] for row in seeds)),
                str(len(seeds)),
                _error_text(target, target.requested),
                target.published,
                f"{middle['parameters']:,}",
                f"{median(map(working_seconds, seeds)):.1f}",
            )
        )
    numbers = {
        "problems that reach the requested error": f"{len(lines) - len(missed)} of {len(lines)}",
        "problems that miss it": ", ".join(missed) or "none",
        "problems not run": ", ".join(absent) or "none",
        "seconds of the slowest run": f"{max(map(working_seconds, solved)):.0f}",
        **network_numbers(rows),
    }
    columns = ("problem", "error", "worst", "seeds", "requested", "published", "parameters", "seconds")
    tables = (key_figures(numbers), ResultTable(columns, tuple(lines)), *network_tables(rows))
    return Outcome(tables, NOTES, {"errors": partial(draw_errors, solved)})


def _error_text(target: Target, value: float | None) -> str:
    if target.name == "inverse-diffusion":
        return "-" if value is None else f"{value:.1f} s.e."
    return scientific(value)


def draw_errors(solved: Sequence[dict]) -> Figure:
    """Draw the errors of the seeds and the requested error of every problem."""
    from edgewise_experiments.plots.errors import Span, error_dots

    errors = {
        target.name: [row["error"] for row in solved if row["problem"] == target.name and row["error"]]
        for target in TARGETS
        if target.name != "inverse-diffusion"
    }
    names = [name for name, values in errors.items() if values]
    marks = {
        "solve": [Span.of(errors[name]) for name in names],
        "asked for": [Span.of([BY_NAME[name].requested]) for name in names],
    }
    return error_dots(names, marks, xlabel="relative error")
