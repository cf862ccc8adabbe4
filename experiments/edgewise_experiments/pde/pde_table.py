"""Differential equations, solved with nothing to choose: errors against exact or independent solutions, time, size.

The table also has a classical method for each equation, published errors of physics-informed networks, and on four
problems those of KANs and MLPs of several sizes, with the same Levenberg-Marquardt method on the same kind of points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgewise.outcomes import ProgressCallback
from edgewise.pde import PDE, Solution, solve
from edgewise_experiments.pde.networks import listed_networks, network_job, network_numbers, network_tables
from edgewise_experiments.problems import reference_solutions
from edgewise_experiments.problems.classical import CLASSICAL, classical_row
from edgewise_experiments.problems.named_equations import NOISE, TRUE_DIFFUSION, named_equation
from edgewise_experiments.runner.jobs import Job, RowCallback, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable, key_figures, median, scientific, worst
from edgewise_experiments.runner.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUICK = ("heat", "pendulum")
REFERENCE_POINTS = 201  # on each axis, where the reference is another solver
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
    "The classical method is written by hand for its equation, with a size of a round number; its error is that at "
    "the last moment or at its points. Its seconds are CPU seconds, without those of the reference that measures the "
    "error. It has no estimate and no choice of the grid. Where it exists it is the better tool: a network is worth "
    "its time where nobody writes such a program, in many dimensions, or where coefficients are sought from data. The "
    "cavity's reference is itself a classical method.",
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
    jobs += [classical_job(target.name, quick) for target in targets if target.name in CLASSICAL]
    if not quick:
        several = [target.name for target in targets if target.several_seeds]
        jobs += [_job(name, seed, quick) for seed in (seeds or (0, 1, 2))[1:] for name in several]
    return summary(run_jobs(jobs, store, progress, line))


def _job(name: str, seed: int, quick: bool) -> Job:
    key = {"problem": name, "model": "solve", "seed": seed, "quick": quick}
    return Job(f"{name}, seed {seed}", key, partial(measure, name, seed, quick))


def classical_job(name: str, quick: bool) -> Job:
    """The classical method of an equation."""
    key = {"problem": name, "model": "classical", "seed": 0, "quick": quick}
    return Job(f"{name}, classical", key, lambda report: classical_row(name))


def measure(name: str, seed: int, quick: bool, report: ProgressCallback) -> dict:
    """Solve an equation of the library and measure the error against an exact or independent solution."""
    problem = named_equation(name).make()
    settings: dict[str, Any] = {"tolerance": 1e-4, "budget": 0.01} if quick else {}
    solution = solve(problem, seed=seed, progress=report, **settings)
    return {
        **measured_errors(name, problem, solution),
        "kind": type(solution.model).__name__,
        "parameters": solution.parameters,
        "estimate": solution.error_estimate,
        "residual": solution.residual,
        "stopped": solution.stopped,
        "message": solution.message,
        "stages": [
            {"parameters": stage.parameters, "loss": stage.loss, "change": stage.change, "seconds": stage.seconds}
            for stage in solution.stages
        ],
    }


def measured_errors(name: str, problem: PDE, solution: Solution) -> dict:
    """Return `error`, by which the row is judged, and further errors."""
    if name == "inverse-diffusion":
        return coefficient_error(problem, solution)
    if name in ("pendulum", "lotka-volterra", "robertson"):
        end = float(problem.domain.bounds[0, 1])
        exact = getattr(reference_solutions, name.replace("-", "_"))(np.array([0.0, end]))[-1]
        values = solution(torch.tensor([[end]], dtype=torch.float64))[0].numpy()
        return {"error": float(np.abs((values - exact) / exact).max()), "values": values.tolist()}
    if name in ("allen-cahn", "cavity"):
        return grid_errors(name, problem, solution)
    errors = solution.errors()
    return {"error": errors.relative_l2, "relative_h1": errors.relative_h1, "largest": errors.largest, "l2": errors.l2}


def grid_errors(name: str, problem: PDE, solution: Solution) -> dict:
    """Return the relative L2 error and the largest error on an even grid of the domain."""
    lines = [np.linspace(*ends, REFERENCE_POINTS) for ends in problem.domain.bounds.tolist()]
    points = reference_solutions.grid_points(*lines)
    if name == "cavity":
        exact = reference_solutions.cavity(points)
    else:
        exact = reference_solutions.allen_cahn(lines[0], lines[1]).T.reshape(-1, 1)
    found = solution(torch.from_numpy(points)).numpy()[:, : exact.shape[1]]
    return {"error": reference_solutions.distance(found, exact), "largest": float(np.abs(found - exact).max())}


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
        classical = latest([r for r in rows if (r["problem"], r["model"]) == (target.name, "classical")], "problem")
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
                classical[0]["method"] if classical else "-",
                _error_text(target, classical[0]["error"] if classical else None),
                f"{working_seconds(classical[0]):.2g}" if classical else "-",
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
    columns = (*columns, "classical method", "its error", "its seconds")
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


def line(row: dict) -> str:
    """Describe a stored row in one line."""
    kind = "" if row["model"] == "solve" else f" {row['model']} {row.get('shape', '')}".rstrip()
    return (
        f"{row['problem']}{kind}, seed {row['seed']}: {scientific(row['error'])}, {row['parameters']:,} parameters, "
        f"{row['seconds']:.1f} s"
    )
