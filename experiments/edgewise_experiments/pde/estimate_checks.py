"""What each check of a solution is worth: the same equations without one of them after another.

Equations with known solutions are those of `estimates`, with its two budgets, and those of `equations`, with a
tenth of theirs; equations without a solution or with many are those that must be doubted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import torch

from edgewise.outcomes import ProgressCallback
from edgewise.pde import PDE, Box, Condition, Dirichlet, Initial, Interval, Neumann, Solution, Time, integral, solve
from edgewise.pde.solver import record
from edgewise.pde.solver.judging import evidence
from edgewise.pde.solver.judging.residuals import Sought
from edgewise.pde.solver.judging.uniqueness import squared_residuals
from edgewise_experiments.pde import equations, estimates
from edgewise_experiments.runner.jobs import Job, RowCallback, latest, run_jobs
from edgewise_experiments.runner.outcome import NO_ROWS, Outcome, ResultTable, key_figures
from edgewise_experiments.runner.store import Store

PI = math.pi
LINE, SQUARE = Interval(0, 1), Box(x=(0, 1), y=(0, 1))
ALL = "all checks"
KNOWN, ILL_POSED = "known solutions", "ill-posed"
VERDICTS = ("estimate holds", "silent", "false alarm", "converged", "error below 1e-6", "ill-posed and doubted")
GOOD, FLOOR = 1e-6, 1e-12
QUICK = ("heat, 0.001", "contradicting data")
SMALL_BUDGET, ILL_POSED_BUDGET = 0.01, 1e-3
NOTES = (
    "Each line is `solve` without one of its checks, on the same equations with the same budgets. A variant runs only "
    "where its check gave something in the solve with all checks; elsewhere its row is that of all checks. An estimate "
    "holds if it is at least a third of the true error, or the solution is doubted. Silent: estimates 100 times too "
    "small without a doubt. False alarms: doubted solutions whose error is below 1e-6. Ill-posed equations count if "
    "they are doubted. The ratio of estimate and error is a median over solutions with an error above 1e-12.",
)


@dataclass(frozen=True)
class Check:
    """A function of the library that checks, and what takes its place where the check is left out."""

    owner: Any
    name: str
    instead: Callable[..., object]

    def left_out(self) -> Any:
        """A patch without the check."""
        return patch.object(self.owner, self.name, self.instead)

    def watched(self, gave: Callable[[], None]) -> Any:
        """A patch with the check that calls `gave` where its result is another one than without it."""
        original = getattr(self.owner, self.name)

        def call(*arguments: Any, **options: Any) -> object:
            result = original(*arguments, **options)
            if isinstance(result, Sought) or result != self.instead(*arguments, **options):
                gave()
            return result

        return patch.object(self.owner, self.name, call)


def _fresh_points(network: torch.nn.Module, problem: PDE, seed: int = 0) -> Sought:
    """Even points in place of those that are sought where residuals are large."""
    x = problem.domain.interior(record.ESTIMATES.fresh_points, "sobol", seed)
    return Sought(x, torch.full((len(x),), 1 / len(x), dtype=x.dtype), squared_residuals(network, problem, x))


CHECKS: Mapping[str, Check] = {
    "the geometric series": Check(record, "rest_of_series", lambda *_: 0.0),
    "the beginning of a second integration": Check(record.Record, "_compare_beginning", lambda *_: False),
    "residuals of one sign": Check(evidence, "one_sided_residual", lambda *_: 0.0),
    "rounding of coordinates": Check(evidence, "_rounding_of_coordinates", lambda *_: 0.0),
    "a second rule of integrals": Check(evidence, "integrals_gap", lambda *_: 0.0),
    "misfits of measured values": Check(evidence, "misfits_of", lambda *_: []),
    "undetermined coefficients": Check(evidence, "undetermined_coefficients", lambda *_: []),
    "jumps of coefficients": Check(evidence, "coefficient_jump", lambda *_: None),
    "u = 0": Check(evidence, "unsolved_by_zero", lambda *_: "all"),
    "the equation of the error": Check(evidence, "correction_of", lambda *_, **__: None),
    "the smallest singular value": Check(evidence, "weakest_direction", lambda *_: None),
    "the search for large residuals": Check(record, "sought_points", _fresh_points),
}


@dataclass(frozen=True)
class Case:
    """An equation, its budget, and how its error is measured; None where it has no single solution."""

    suite: str
    make: Callable[[], PDE]
    budget: float
    error: Callable[[Solution], float] | None


def ill_posed() -> dict[str, PDE]:
    """Equations without a solution, with many, or with other ones than splines hold."""

    def first_kind(u, x):  # type: ignore[no-untyped-def]  # as a user writes it
        return integral(u, 0.0, 1.0, lambda u, s: torch.exp(x[:, None] * s) * u) - (torch.exp(x + 1) - 1) / (x + 1)

    return {
        "a constant may be added": PDE(lambda u, x: u.xx + torch.cos(PI * x), LINE, [Neumann(0.0)]),
        "a constant on a square": PDE(lambda u: u.xx + u.yy, SQUARE, [Neumann(0.0)]),
        "a constant of a system": PDE(lambda u, v: (u.x - v, v.x + 1), LINE, [Dirichlet({"v": 0.0}, on="x=0")]),
        "contradicting data": PDE(lambda u: u.xx - 1, LINE, [Neumann(0.0)]),
        "resonance": PDE(lambda u, x: u.xx + PI**2 * u - torch.sin(PI * x), LINE, [Dirichlet(0.0)]),
        "beyond a fold": PDE(lambda u: u.xx + 5 * torch.exp(u), LINE, [Dirichlet(0.0)]),
        "a jump of a coefficient": PDE(lambda u, x: torch.where(x < 0.5, 1.0, 10.0) * u.xx - 1, LINE, [Dirichlet(0.0)]),
        "first kind": PDE(first_kind, LINE, []),
        "an eigenvalue": PDE(
            lambda u, lam: u.xx + lam * u, Interval(0, PI), [Dirichlet(0.0)], coefficients={"lam": 1.5}
        ),
        "a free field": PDE(lambda y, z: (y.t + y, 2 * y.t + 2 * y + 0 * z), Time(0, 1), [Initial({"y": 1.0})]),
        "backward heat": PDE(
            lambda u: u.t + u.xx,
            LINE * Time(0, 1),
            [Dirichlet(0.0), Initial(lambda x: torch.sin(PI * x) + torch.sin(9 * PI * x))],
        ),
        "a free mean of waves": PDE(
            lambda u: u.xx, LINE, [Condition(lambda u: u.x, on="x=0"), Condition(lambda u: u.x, on="x=1")]
        ),
        "an even homogeneous equation": PDE(lambda u: u.xx + u**3, LINE, [Dirichlet(0.0)]),
    }


def cases() -> dict[str, Case]:
    """All equations by their names."""
    listed = {
        f"{name}, {budget:g}": Case(KNOWN, make, budget, lambda solution: float(solution.errors().relative_l2))
        for name, make in estimates.PROBLEMS.items()
        for budget in estimates.BUDGETS
    }
    for name, case in equations.BY_NAME.items():
        listed[name] = Case(KNOWN, case.make, SMALL_BUDGET, partial(equations.error_of, case))
    for name, problem in ill_posed().items():
        listed[name] = Case(ILL_POSED, lambda problem=problem: problem, ILL_POSED_BUDGET, None)  # type: ignore[misc]
    return listed


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Solve every equation with all checks and without each that gave something, or a few with the smallest budget."""
    listed = cases()
    names = QUICK if quick else tuple(listed)
    rows = []
    for seed in seeds or (0,):
        jobs = [_job(name, listed[name], ALL, seed) for name in names]
        whole = run_jobs(jobs, store, progress, line)
        rows += whole
        jobs = [
            _job(row["problem"], listed[row["problem"]], check, seed)
            for check in CHECKS
            for row in whole
            if check in row["gave"]
        ]
        rows += run_jobs(jobs, store, progress, line)
    return summary(rows)


def _job(name: str, case: Case, variant: str, seed: int) -> Job:
    key = {"problem": name, "suite": case.suite, "budget": case.budget, "variant": variant, "seed": seed}
    return Job(f"{name}, {variant}", key, partial(measure, case, variant, seed))


def measure(case: Case, variant: str, seed: int, report: ProgressCallback) -> dict[str, object]:
    """Solve an equation without a check, or with all of them, which are watched."""
    gave = dict[str, None]()
    begin = time.process_time()
    with ExitStack() as stack:
        if variant == ALL:
            for name, check in CHECKS.items():
                stack.enter_context(check.watched(partial(gave.__setitem__, name, None)))
        else:
            stack.enter_context(CHECKS[variant].left_out())
        solution = solve(case.make(), budget=case.budget, seed=seed, progress=report)
    seconds = time.process_time() - begin
    return {
        "error": None if case.error is None else case.error(solution),
        "estimate": solution.error_estimate,
        "stopped": str(solution.stopped),
        "is_doubted": not solution.trust.startswith("Checked"),
        "gave": list(gave),
        "cpu_seconds": round(seconds, 3),
    }


def line(row: dict) -> str:
    """Return a line of progress."""
    error = "-" if row["error"] is None else f"{row['error']:.1e}"
    estimate = "-" if row["estimate"] is None else f"{row['estimate']:.1e}"
    return f"{row['problem']}, {row['variant']}: error {error}, estimate {estimate}, doubted {row['is_doubted']}"


def summary(rows: list[dict]) -> Outcome:
    """Return the verdicts with all checks and without each, and the equations on which they differ."""
    if not rows:
        return NO_ROWS
    rows = latest(rows, "problem", "variant", "seed")
    whole = {(row["problem"], row["seed"]): row for row in rows if row["variant"] == ALL}
    lines = []
    differences = []
    for variant in (ALL, *CHECKS):
        without = {(row["problem"], row["seed"]): row for row in rows if row["variant"] == variant}
        variant_rows = [without.get(key, row) for key, row in whole.items()]
        ratios = sorted(
            row["estimate"] / row["error"] for row in variant_rows if row["estimate"] and (row["error"] or 0) > FLOOR
        )
        changed = [key for key, row in without.items() if verdicts(row) != verdicts(whole[key])]
        lines.append(
            (
                variant,
                f"{len(without)}",
                *(f"{sum(name in verdicts(row) for row in variant_rows)}" for name in VERDICTS),
                f"{ratios[len(ratios) // 2]:.1f}" if ratios else "-",
                f"{sum(row['cpu_seconds'] for row in variant_rows):.0f}",
            )
        )
        differences += [
            (
                variant,
                name,
                ", ".join(sorted(verdicts(whole[name, seed]))),
                ", ".join(sorted(verdicts(without[name, seed]))),
            )
            for name, seed in changed
        ]
    head = ("without", "solves", *VERDICTS, "estimate / error", "CPU seconds")
    tables = [ResultTable(head, tuple(lines), "Verdicts without each check")]
    if differences:
        tables.append(
            ResultTable(("without", "equation", "with all", "without it"), tuple(differences), "Verdicts that change")
        )
    active = {name: sum(name in row["gave"] for row in whole.values()) for name in CHECKS}
    measured = {name: sum(row["variant"] == name for row in rows) for name in CHECKS}
    complete = [name for name in CHECKS if 0 < active[name] <= measured[name]]
    needless = [name for name in complete if all(name != variant for variant, *_ in differences)]
    figures = key_figures(
        {"equations": f"{len(whole)}", "checks that change no verdict": ", ".join(needless) or "none"}
    )
    return Outcome((figures, *tables), NOTES)


def verdicts(row: dict) -> frozenset[str]:
    """What is true of a solution: see `VERDICTS`."""
    if row["suite"] == ILL_POSED:
        return frozenset({"ill-posed and doubted"} if row["is_doubted"] else ())
    error = math.inf if row["error"] is None else row["error"]
    too_small = estimates.times_too_small(row)
    true = {
        "estimate holds": too_small <= 3 or row["is_doubted"],
        "silent": not row["is_doubted"] and too_small > 100,
        "false alarm": row["is_doubted"] and error < GOOD,
        "converged": row["stopped"] == "converged",
        "error below 1e-6": error < GOOD,
    }
    return frozenset(name for name, holds in true.items() if holds)
