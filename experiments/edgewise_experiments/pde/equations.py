"""Equations that `solve` was not developed on: errors and times beside published networks.

Cases of PINNacle, a benchmark of physics-informed networks (Hao et al., arXiv 2306.08827), and textbook equations; each
is solved once, with nothing to choose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch

from edgewise.outcomes import ProgressCallback
from edgewise.pde import PDE, Solution, other_solutions, solve
from edgewise_experiments.problems.cases import BY_NAME, PUBLISHED
from edgewise_experiments.problems.named_equations import Equation
from edgewise_experiments.problems.references import distance, references
from edgewise_experiments.runner import (
    NO_ROWS,
    Figure,
    Job,
    Outcome,
    ResultTable,
    RowCallback,
    Stopwatch,
    Store,
    key_figures,
    latest,
    run_jobs,
    scientific,
    working_seconds,
)

BUDGET = 0.1  # of `solve`: about a quarter of a minute of one core, and minutes for the panel
# More for those that need it: many holes, and a solid, for which a budget of 0.1 buys one grid, and no second one to
# estimate its error from.
BUDGETS = {"heat around holes (Heat2d-CG)": 1.0, "four balls (Poisson3d-CG)": 1.0}
QUICK = ("telegraph", "Lane-Emden")
NOTES = (
    "Every equation is solved once, with nothing chosen but the budget, 0.1, and 1 for the heat around holes and the "
    "cube without four balls. Errors are relative L2 errors over the whole domain by quadrature where there is a "
    "closed solution; else at the last moment, or at points of the domain, against series, collocation, finite "
    "elements, or scipy's solvers of ordinary differential equations. An estimate holds if it is at least a third of "
    "the error, or if the solution is not trusted or ends early; one that ends early has no error and is not drawn. "
    "Seconds are wall seconds, or CPU seconds where these are fewer because the machine was shared. Names in brackets "
    "are those of PINNacle's cases, where the problem is the same; its errors are the lowest of about ten methods (Hao "
    "et al., arXiv 2306.08827, table 3, read from a summary). Five of its cases are not run: the printed statements of "
    "NS2d-CG, NS2d-LT, Wave2d-MS and GS have no solution, and the initial fields of Burgers2d-C are not at hand. The "
    "two random coefficients are those of its generator with its seed.",
)


def run(*, quick: bool, store: Store, seeds: tuple[int, ...] | None, progress: RowCallback) -> Outcome:
    """Solve all equations, or two of them."""
    jobs = []
    for seed in seeds or (0,):
        for name in QUICK if quick else BY_NAME:
            budget, error = BUDGETS.get(name, BUDGET), partial(error_of, BY_NAME[name])
            work = partial(solved, BY_NAME[name].make, error, budget=budget, seed=seed)
            jobs.append(Job(f"{name}, seed {seed}", {"problem": name, "budget": budget, "seed": seed}, work))
    return summary(run_jobs(jobs, store, progress))


def solved(
    make: Callable[[], PDE], error: Callable[[Solution], float], report: ProgressCallback, **options: object
) -> dict:
    """Solve an equation and measure; the seconds are those of `solve`.

    Where `solve` says that there are several solutions, they are asked for, and the nearest one counts.
    """
    watch = Stopwatch()
    solution = solve(make(), progress=report, **options)
    if "another solution exists" in solution.trust:
        solution = min([solution, *other_solutions(solution)], key=error)
    spent = watch.seconds()
    return {
        "error": error(solution),
        "estimate": solution.error_estimate,
        "parameters": solution.parameters,
        "stopped": str(solution.stopped),
        "message": solution.message,
        "is_doubted": not solution.trust.startswith("Checked"),
        **spent,
    }


def exact_error(solution: Solution) -> float:
    """Relative L2 error by quadrature against the closed solution."""
    return float(solution.errors().relative_l2)


def error_of(equation: Equation, solution: Solution) -> float:
    """Relative L2 error; infinity where the solution ends before the moment of the reference."""
    if equation.name not in references():
        return exact_error(solution)
    points, exact = references()[equation.name]
    if solution.problem.domain.bounds[-1, 1] < points[:, -1].max():
        return math.inf
    return distance(solution(torch.from_numpy(points)).numpy()[:, : exact.shape[1]], exact)


def holds(row: dict) -> bool:
    """True if the estimate is at least a third of the error, or there are doubts, or the solution ended early."""
    error = math.inf if row["error"] is None else row["error"]
    return row["is_doubted"] or not math.isfinite(error) or row["estimate"] >= error / 3


def summary(rows: list[dict]) -> Outcome:
    """Return the tables of all equations, and how many are solved and how many estimates hold."""
    rows = [row for row in latest(rows, "problem", "seed") if row["problem"] in BY_NAME]
    if not rows:
        return NO_ROWS
    wrong = [row["problem"] for row in rows if not holds(row)]
    far = [row for row in rows if not holds(row) and row["error"] > max(1e-3, 100 * row["estimate"])]
    compared = [row for row in rows if row["problem"] in PUBLISHED]
    ahead = sum(at_most(row, PUBLISHED[row["problem"]][0]) for row in compared)
    figures = {
        "equations": str(len(rows)),
        "not run": ", ".join(name for name in BY_NAME if all(row["problem"] != name for row in rows)) or "none",
        "with an error of at most 1e-6": str(sum(at_most(row, 1e-6) for row in rows)),
        "with an error of at most 1e-3": str(sum(at_most(row, 1e-3) for row in rows)),
        "estimates that hold": f"{len(rows) - len(wrong)} of {len(rows)}",
        "those that do not": ", ".join(wrong) or "none",
        "wrong without a word (error above 1e-3, estimate 100 times too small)": str(len(far)),
        "cases of PINNacle with an error below its best method's": f"{ahead} of {len(compared)}",
        "seconds of all": f"{sum(map(working_seconds, rows)):.0f}",
    }
    head = ("problem", "equation", "error", "estimate", "parameters", "seconds", "stopped", "doubts", "PINNacle's best")
    table = ResultTable(head, tuple(map(cells, rows)))
    return Outcome((key_figures(figures), table), NOTES, {"errors": partial(draw, rows)})


def at_most(row: dict, error: float) -> bool:
    """True if the error is at most this; a solution that ended early has none."""
    return row["error"] is not None and row["error"] <= error


def cells(row: dict) -> tuple[str, ...]:
    """Texts of one equation."""
    best, method = PUBLISHED.get(row["problem"], (None, ""))
    return (
        row["problem"],
        BY_NAME[row["problem"]].statement,
        scientific(row["error"]),
        scientific(row["estimate"]),
        f"{row['parameters']:,}",
        f"{working_seconds(row):.1f}",
        row["stopped"].replace("_", " "),
        "yes" if row["is_doubted"] else "no",
        "-" if best is None else ", ".join(filter(None, (f"{best:.1e}", method))),
    )


def draw(rows: list[dict]) -> Figure:
    """Draw the error of every equation beside its estimate."""
    from edgewise_experiments.plots.errors import Span, error_dots

    shown = [row for row in rows if row["error"] is not None and 0 < row["error"] < math.inf]
    marks = {kind: [Span.of([row[kind]]) for row in shown] for kind in ("error", "estimate")}
    return error_dots([row["problem"] for row in shown], marks, xlabel="relative error")
