"""Differential equations, solved with nothing to choose: errors against exact or independent solutions, time, size.

Beside them published errors of physics-informed networks, and on four problems KANs and MLPs of several sizes with the
same Levenberg-Marquardt method on the same kind of points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from edgewise.pde import PDE, Solution, named_equation, solve
from edgewise.pde.library import NOISE, TRUE_DIFFUSION
from edgewise_experiments.pde import reference_solutions
from edgewise_experiments.pde.networks import network_job, network_tables, networks, networks_said
from edgewise_experiments.runner.jobs import Job, Progress, Tell, latest, run_jobs, working_seconds
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable, median, scientific, seeds_said, worst
from edgewise_experiments.runner.store import Store

QUICK = ("heat", "pendulum")
MANY_SEEDS = 120  # seconds up to which a row has three seeds
REFERENCE_POINTS = 201  # on each axis


@dataclass(frozen=True)
class Row:
    """name: in the library. reach: the relative error asked for. published: the lowest error known and its source.

    short: within `MANY_SEEDS`.
    """

    name: str
    reach: float
    published: str = "-"
    short: bool = True


ROWS = (
    Row("poisson", 1e-6),
    Row("poisson-disk", 1e-6),
    Row("poisson-annulus", 1e-6),
    Row("helmholtz", 1e-8, "3.5e-3, PINN with residual attention (Shukla et al.)"),
    Row("heat", 1e-7),
    Row("wave", 1e-7),
    Row("advection", 1e-7),
    Row("nonlinear-poisson", 1e-5),
    Row("biharmonic", 1e-5),
    Row("sine-gordon", 1e-5),
    Row("pendulum", 1e-6),
    Row("lotka-volterra", 1e-6),
    Row("robertson", 1e-6),
    Row("inverse-diffusion", 3.0),
    Row("poisson-5d", 1e-5),
    Row("poisson-5d-sum", 1e-5),
    Row("poisson-10d", 1e-5),
    Row("poisson-10d-product", 1e-5, short=False),
    Row("cavity", 1e-2, short=False),
    Row("poisson-corner", 1e-3, short=False),
    Row("burgers", 1e-5, "1e-8, PIKAN with SSBroyden (Kiyani et al.)", short=False),
    Row("kdv", 1e-5, "2.2e-6, vRBA with SSBroyden", short=False),
    Row("allen-cahn", 1e-5, "1.9e-6, vRBA with SSBroyden", short=False),
)
BY_NAME = {row.name: row for row in ROWS}


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: Progress) -> Outcome:
    """Three seeds, of points, for rows within two minutes, one for the others, unless told otherwise."""
    rows = [BY_NAME[name] for name in QUICK] if quick else ROWS
    jobs = [_job(row.name, (seeds or (0,))[0], quick) for row in rows]
    jobs += [network_job(*key, quick) for key in networks(quick)]
    if not quick:
        jobs += [_job(row.name, seed, quick) for seed in (seeds or (0, 1, 2))[1:] for row in rows if row.short]
    return summary(run_jobs(jobs, store, progress, line))


def _job(name: str, seed: int, quick: bool) -> Job:
    key = {"problem": name, "model": "solve", "seed": seed, "quick": quick}
    return Job(f"{name}, seed {seed}", key, partial(measure, name, seed, quick))


def measure(name: str, seed: int, quick: bool, tell: Tell) -> dict:
    """Solves a problem of the library and measures the error against what does not come from us."""
    problem = named_equation(name).make()

    settings = {"tolerance": 1e-4, "budget": 0.01} if quick else {}
    solution = solve(problem, seed=seed, progress=lambda p: tell(p.stage, p.share, p.loss), **settings)
    if solution.stopped == "interrupted":
        raise KeyboardInterrupt
    return {
        **errors(name, problem, solution),
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


def errors(name: str, problem: PDE, solution: Solution) -> dict:
    """`error`: the one that the row is judged by; and others."""
    if name == "inverse-diffusion":
        return _coefficient(problem, solution)
    if name in ("pendulum", "lotka-volterra", "robertson"):
        return _at_the_end(name, problem, solution)
    if name in ("allen-cahn", "cavity"):
        return _on_a_grid(name, problem, solution)
    found = solution.errors()
    return {"error": found.relative_l2, "relative_h1": found.relative_h1, "largest": found.largest, "l2": found.l2}


def _at_the_end(name: str, problem: PDE, solution: Solution) -> dict:
    """The largest relative error of a field at the end time."""
    end = float(problem.domain.bounds[0, 1])
    exact = getattr(reference_solutions, name.replace("-", "_"))(np.array([0.0, end]))[-1]
    found = solution(torch.tensor([[end]], dtype=torch.float64))[0].numpy()
    return {"error": float(np.abs((found - exact) / exact).max()), "values": found.tolist()}


def _on_a_grid(name: str, problem: PDE, solution: Solution) -> dict:
    """The relative L2 error over an even grid of the domain."""
    lines = [np.linspace(*ends, REFERENCE_POINTS) for ends in problem.domain.bounds.tolist()]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 2)
    if name == "cavity":
        exact = reference_solutions.cavity(points)
    else:
        exact = reference_solutions.allen_cahn(lines[0], lines[1]).T.reshape(-1, 1)
    found = solution(torch.from_numpy(points)).numpy()[:, : exact.shape[1]]
    difference = found - exact
    return {
        "error": float(np.linalg.norm(difference) / np.linalg.norm(exact)),
        "largest": float(np.abs(difference).max()),
    }


def _coefficient(problem: PDE, solution: Solution) -> dict:
    """`error`: distance from the truth in standard errors; `efficiency`: the least standard error there can be, that of
    the closed solution by the bound of Cramer and Rao, over ours."""
    (name,) = solution.unknowns
    x = next(block for block in problem.blocks() if block.role == "observation").data.x
    slope = -(math.pi**2) * x[:, 1] * torch.exp(-TRUE_DIFFUSION * math.pi**2 * x[:, 1]) * torch.sin(math.pi * x[:, 0])
    least = NOISE / float(slope.norm())
    ours = solution.standard_errors[name]
    distance = abs(solution.unknowns[name] - TRUE_DIFFUSION)
    return {
        "error": distance / ours,
        "coefficient": solution.unknowns[name],
        "standard_error": ours,
        "efficiency": least / ours,
    }


def summary(rows: list[dict]) -> Outcome:
    """The table of problems; networks with hidden layers beside it."""
    ours = latest([row for row in rows if row["model"] == "solve"], "problem", "seed")
    if not ours:
        return NO_ROWS
    lines, missed = [], []
    for each in (row for row in ROWS if any(found["problem"] == row.name for found in ours)):
        found = [row for row in ours if row["problem"] == each.name]
        error = median(row["error"] for row in found)
        if error is None or error > each.reach:
            missed.append(each.name)
        middle = next((row for row in found if row["error"] == error), found[0])
        lines.append(
            (
                named_equation(each.name).statement,
                _error(each, error),
                _error(each, worst(row["error"] for row in found)),
                str(len(found)),
                _error(each, each.reach),
                each.published,
                f"{middle['parameters']:,}",
                f"{median(map(working_seconds, found)):.1f}",
            )
        )
    columns = ("problem", "error", "worst", "seeds", "reach", "published", "parameters", "seconds")
    absent = [row.name for row in ROWS if all(found["problem"] != row.name for found in ours)]
    sentences = [
        f"`solve` with nothing chosen, float64: {len(lines) - len(missed)} of {len(lines)} problems reach what was "
        f"asked for{', not so ' + ', '.join(missed) if missed else ''}, the slowest in "
        f"{max(map(working_seconds, ours)):.0f} seconds{'; not run yet: ' + ', '.join(absent) if absent else ''}.",
        "Error: relative L2 error by quadrature against the exact solution (Burgers: Cole and Hopf's integral; cavity: "
        "Chebyshev collocation; Allen-Cahn: Fourier series); ODEs: the largest relative error of a field at the end "
        "time by scipy's DOP853 and Radau; the coefficient: distance from the truth in standard errors; "
        f"{seeds_said(int(line[3]) for line in lines)}. Seconds: wall, or CPU where that is less, for the machine was "
        "shared.",
        "On one or two coordinates all products of B-splines, in time window after window where the equation is "
        "nonlinear (parameters: of all windows together); in more dimensions sums of separable functions. Published "
        "figures are of networks trained for the problem at hand: Shukla et al., arXiv 2406.02917; Kiyani et al., "
        "arXiv 2501.16371, read off a curve; vRBA by the benchmark in its repository.",
    ]
    sentences += networks_said(rows)
    tables = (ResultTable(columns, tuple(lines)), *network_tables(rows))
    return Outcome(tables, tuple(sentences), {"errors": partial(_draw, ours)})


def _error(row: Row, value: float | None) -> str:
    if row.name == "inverse-diffusion":
        return "-" if value is None else f"{value:.1f} s.e."
    return scientific(value)


def _draw(ours: list[dict]):
    from edgewise.plot import Span, error_dots

    names = [row.name for row in ROWS if row.name != "inverse-diffusion"]
    names = [name for name in names if any(row["problem"] == name and row["error"] for row in ours)]
    spans = [Span.of([row["error"] for row in ours if row["problem"] == name and row["error"]]) for name in names]
    asked = [Span.of([BY_NAME[name].reach]) for name in names]
    return error_dots(names, {"solve": spans, "asked for": asked}, xlabel="relative error")


def line(row: dict) -> str:
    """A stored row for people."""
    kind = "" if row["model"] == "solve" else f" {row['model']} {row['shape']}"
    return (
        f"{row['problem']}{kind}, seed {row['seed']}: {scientific(row['error'])}, {row['parameters']:,} parameters, "
        f"{row['seconds']:.1f} s"
    )
