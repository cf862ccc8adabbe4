"""Equations that were written before anybody solved them: errors, doubts, and classical programs beside `solve`.

Half of the panel stayed closed to those who worked on the library until its last run. Eight statements have no
solution, many, or none that depends continuously on the data, and must be named.
"""

from __future__ import annotations

import math
import time
from functools import partial

import numpy as np
import torch

from edgewise.errors import EdgewiseError
from edgewise.outcomes import ProgressCallback
from edgewise.pde import PDE, Dirichlet, Initial, Interval, Solution, Time, eigenvalues, solve
from edgewise_experiments.problems.unseen_cases import UNSEEN, halves
from edgewise_experiments.problems.unseen_classical import CLASSICAL, spectrum_error
from edgewise_experiments.problems.unseen_lines import Unseen
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
)

BUDGET, LIMIT = 0.5, 120.0  # of `solve`: about a minute of one core; wall seconds, for a machine that is shared
BY_NAME = {case.name: case for case in UNSEEN}
OPEN, CLOSED = halves()
QUICK = ("flame", "free beam")
LEVELS = range(1, 15)
NOTES = (
    "Each equation is stated and solved once, with the default options and half the default budget, about a minute of "
    "one core. Errors are relative L2 errors, of all fields together, each in units of its size; those of spectra and "
    "of coefficients are the largest relative ones; that of the cavity is of the published extremes of speeds. "
    "*Solved*: an error of at most 1e-6 without a doubt. *Honest*: a larger one whose estimate is at least a third of "
    "it, *far, but honest* where it is above 1e-3. *Wrong silently*: above 1e-6 and ten times the estimate, without a "
    "doubt; *estimate too small*: between. A "
    "doubt is right where the error is above 1e-3 or three times the estimate, else a *false alarm*. *Named*: a "
    "statement that has no solution, or many, or an unstable one, of which the message says this; *doubted*: of which "
    "it says something else. Classical programs are run with growing precision until their error is at most that of "
    "`solve`, or 1e-12; seconds are CPU seconds of the run that reaches it.",
)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Solve all equations, or two of them."""
    jobs = [
        Job(f"{name}, seed {seed}", {"problem": name, "seed": seed}, partial(measure, name, seed))
        for seed in seeds or (0,)
        for name in (QUICK if quick else BY_NAME)
    ]
    return summary(run_jobs(jobs, store, progress, line))


def warm_up() -> None:
    """Solve two small problems, so that imports are in no row's seconds."""
    solve(PDE(lambda u: u.t + u, Time(0, 1), [Initial(1.0)]), tolerance=1e-4)
    solve(PDE(lambda u: u.xx + 1, Interval(0, 1), [Dirichlet(0.0)]), tolerance=1e-4)


def measure(name: str, seed: int, report: ProgressCallback) -> dict:
    """Solve an equation, compare it with its truth, and let the classical program reach the same error."""
    case = BY_NAME[name]
    warm_up()
    begin = time.process_time()
    try:
        row = solved(case, seed, report)
    except EdgewiseError as error:  # one sentence that says what is wrong with the statement
        row = {"error": None, "estimate": None, "is_doubted": True, "stopped": "refused", "message": str(error)}
    except Exception as error:  # the panel counts crashes
        row = {"error": None, "estimate": None, "is_doubted": False, "stopped": "crash", "message": repr(error)[:300]}
    row = {"seconds_of_solve": round(time.process_time() - begin, 3), **row}
    row["verdict"] = verdict(case, row)
    if name in CLASSICAL and row["error"] is not None:
        row["classical"] = classical(name, row["error"])
    return row


def solved(case: Unseen, seed: int, report: ProgressCallback) -> dict:
    """What `solve`, or `eigenvalues`, says and what is true."""
    begin = time.process_time()
    problem = case.make()
    if case.spectrum is not None:
        true = case.spectrum()
        begin = time.process_time()
        found = eigenvalues(problem, count=len(true), time_limit=LIMIT)
        seconds = time.process_time() - begin
        return {
            "seconds_of_solve": round(seconds, 3),
            "error": spectrum_error(found.values, true),
            "estimate": float(np.max(found.errors / np.abs(found.values))),
            "is_doubted": not found.trust.startswith("Checked"),
            "stopped": "spectrum",
            "message": found.trust[:600],
        }
    solution = solve(problem, budget=BUDGET, time_limit=LIMIT, seed=seed, progress=report)
    seconds = time.process_time() - begin
    return {
        "seconds_of_solve": round(seconds, 3),
        "error": None if case.named else error_of(case, solution),
        "estimate": solution.error_estimate,
        "is_doubted": not solution.trust.startswith("Checked"),
        "stopped": str(solution.stopped),
        "message": f"{solution.message} | {solution.trust}"[:900],
        "tier": solution.tier,
    }


def error_of(case: Unseen, solution: Solution) -> float:
    """Relative error; infinity where the solution ends before the last moment of the comparison."""
    if case.compare is not None:
        return case.compare(solution)
    assert case.exact is not None
    domain = solution.problem.domain
    points = case.points() if case.points else case.make().domain.interior(2000, "sobol", seed=11).numpy()
    if "t" in domain.coordinates and float(domain.bounds[-1, 1]) < points[:, -1].max() * (1 - 1e-9):
        return math.inf
    exact = case.exact(points)
    found = solution(torch.from_numpy(points))
    found = np.asarray(found.detach() if isinstance(found, torch.Tensor) else found)[:, : exact.shape[1]]
    size = np.sqrt(np.square(exact).mean(0))
    return float(np.sqrt(np.mean(np.square((found - exact) / size))))


def verdict(case: Unseen, row: dict) -> str:
    """The category of a row, see `NOTES`."""
    if row["stopped"] == "crash":
        return "crash"
    if case.named and row["stopped"] == "refused":
        return "named"
    if case.named:
        is_named = any(word.lower() in row["message"].lower() for word in case.named)
        return ("named" if is_named else "doubted") if row["is_doubted"] else "accepted"
    if row["stopped"] == "refused":
        return "refused"
    error = math.inf if row["error"] is None or not math.isfinite(row["error"]) else row["error"]
    estimate = row["estimate"] if row["estimate"] is not None and math.isfinite(row["estimate"]) else math.inf
    if row["is_doubted"]:
        return "right doubt" if error > 1e-3 or error > 3 * estimate else "false alarm"
    if error <= 1e-6:
        return "solved"
    if estimate >= error / 3:
        return "honest" if error <= 1e-3 else "far, but honest"
    return "wrong silently" if error > 10 * estimate else "estimate too small"


def classical(name: str, error: float) -> dict:
    """The classical program, with the least precision that reaches this error."""
    method, work = CLASSICAL[name]
    best: dict = {}
    for level in LEVELS:
        seconds = []
        for _ in range(3):
            begin = time.process_time()
            compare = work(level)
            seconds.append(time.process_time() - begin)
            if seconds[0] > 0.5:
                break
        reached = compare()
        best = {"method": method, "error": reached, "cpu_seconds": round(min(seconds), 5)}
        if reached <= max(error, 1e-12) or min(seconds) > 30:
            break
    return best


def line(row: dict) -> str:
    """Return a line of progress."""
    numbers = f"error {scientific(row['error'])}, estimate {scientific(row['estimate'])}"
    return f"{row['problem']}: {row['verdict']}, {numbers}, {row['seconds_of_solve']:.1f} s"


def ratio(row: dict) -> float | None:
    """CPU seconds of `solve` over those of the classical program that is as good; None without one."""
    beside = row.get("classical")
    if beside is None or row["error"] is None or beside["error"] > max(3 * row["error"], 1e-11):
        return None
    return row["seconds_of_solve"] / max(beside["cpu_seconds"], 1e-5)


def is_small(row: dict) -> bool:
    """True if nobody doubts a solution whose estimate is below a third of its error."""
    is_known = row["error"] is not None and row["estimate"] is not None
    return is_known and not row["is_doubted"] and row["error"] > max(1e-10, 3 * row["estimate"])


VERDICTS = (
    "solved",
    "honest",
    "far, but honest",
    "right doubt",
    "named",
    "false alarm",
    "estimate too small",
    "doubted",
    "refused",
    "accepted",
    "wrong silently",
    "crash",
)


def summary(rows: list[dict]) -> Outcome:
    """Return the numbers of both halves and the table of all equations."""
    rows = [row for row in latest(rows, "problem", "seed") if row["problem"] in BY_NAME]
    if not rows:
        return NO_ROWS
    parts = [[row for row in rows if row["problem"] in half] for half in (OPEN, CLOSED)]
    counts = [(word, *(str(sum(row["verdict"] == word for row in part)) for part in parts)) for word in VERDICTS]
    ratios = [ratio(row) for row in rows]
    known = sorted(value for value in ratios if value is not None)
    figures = key_figures(
        {
            "equations": str(len(rows)),
            "not run": ", ".join(name for name in BY_NAME if all(row["problem"] != name for row in rows)) or "none",
            **{
                f"{half}: solved to 1e-6, wrong silently, false alarms": ", ".join(
                    str(sum(row["verdict"] == word for row in part))
                    for word in ("solved", "wrong silently", "false alarm")
                )
                + f" of {len(part)}"
                for half, part in zip(("open half", "closed half"), parts, strict=True)
            },
            "estimates below a third of an error above 1e-10, without a doubt": ", ".join(
                row["problem"] for row in rows if is_small(row)
            )
            or "none",
            "CPU seconds over those of a classical program, median and largest": "-"
            if not known
            else f"{known[len(known) // 2]:.0f}, {known[-1]:.0f} of {len(known)}",
        }
    )
    head = ("problem", "equation", "half", "verdict", "error", "estimate", "seconds", "classical program", "ratio")
    table = ResultTable(head, tuple(cells(row) for row in rows))
    totals = ResultTable(("verdict", "open half", "closed half"), tuple(counts), "Halves")
    return Outcome((figures, totals, table), NOTES)


def cells(row: dict) -> tuple[str, ...]:
    """Texts of one equation."""
    times = ratio(row)
    return (
        row["problem"],
        BY_NAME[row["problem"]].statement,
        "open" if row["problem"] in OPEN else "closed",
        row["verdict"],
        scientific(row["error"]),
        scientific(row["estimate"]),
        f"{row['seconds_of_solve']:.1f}",
        row.get("classical", {}).get("method", "-"),
        "-" if times is None else f"{times:,.0f}",
    )
