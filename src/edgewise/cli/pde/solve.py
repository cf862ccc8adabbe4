"""`edgewise solve`: a differential equation by name or from a file, told on the screen."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from rich.table import Table as Grid
from rich.text import Text

from edgewise.cli.pde.posed import Posed, blamed, open_problem
from edgewise.cli.pde.solved import ALL, MARK, NAMES, Solved, SolveJob
from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.folder import ResultFolder
from edgewise.cli.shared.guard import printable
from edgewise.outcomes import Progress, StopReason
from edgewise.pde import EQUATIONS, Solution
from edgewise.pde import solve as solve_problem

# What each number of `Errors` is called, and a remark.
_ERRORS = {
    "relative_l2": ("relative L2 error", "against the exact solution"),
    "relative_h1": ("relative H1 error", "with the gradient"),
    "l2": ("L2 error", "root of the mean square"),
    "h1": ("H1 error", ""),
    "largest": ("largest error", ""),
}


def show_equations(screen: Screen) -> None:
    """The equations of the library and what they are."""
    grid = Grid.grid(padding=(0, 2))
    for equation in EQUATIONS:
        grid.add_row(Text(equation.name, style="bold"), Text(equation.statement))
    screen.table(grid)


def results_in(path: str, *, force: bool) -> ResultFolder:
    """The folder that --out names, for the files of a solution."""
    return ResultFolder(path, names=NAMES, mark=MARK, force=force)


def solve(job: SolveJob, folder: ResultFolder | None, screen: Screen) -> Solved:
    """Solves the equation, shows how well, and writes the folder if there is one.

    Ctrl-C keeps the best solution so far, once there is one, and the folder is still written.
    """
    if folder is not None:
        folder.check()
    posed = open_problem(job.equation)
    screen.say(f"{posed.name}: {posed.statement}", style="bold")
    with blamed(posed.file):
        began = time.perf_counter()
        solution = _solution(job, posed, screen)
        solved = Solved.of(job, posed, solution, time.perf_counter() - began)
        _show(solved, screen)
        if folder is None:
            screen.say("Nothing was written; add --out FOLDER to keep the solution, its figures and all numbers.")
            return solved
        with screen.progress("Drawing") as bar:
            written = solved.write(folder, lambda what: None if bar is None else bar.update(Progress(what, 0.5)))
    screen.always(f"Wrote {folder.path}: {', '.join(written)}.")
    return solved


def _solution(job: SolveJob, posed: Posed, screen: Screen) -> Solution:
    with screen.progress("Solving") as bar:

        def show(progress: Progress) -> None:
            share = 0.0 if job.time_limit is None else progress.seconds / job.time_limit
            root = None if progress.loss is None else math.sqrt(max(progress.loss, 0.0))
            assert bar is not None
            bar.update(replace(progress, share=max(progress.share, share), loss=root))

        return solve_problem(
            posed.problem,
            hidden=job.hidden,
            budget=job.budget,
            time_limit=job.time_limit,
            tolerance=job.tolerance,
            seed=job.seed,
            progress=None if bar is None else show,
        )


def _show(solved: Solved, screen: Screen) -> None:
    solution = solved.solution
    said = f"{solution.parameters:,} parameters, {solved.seconds:.1f} seconds. {solution.message}"
    if solution.stopped is StopReason.INTERRUPTED:
        screen.always(said, style="yellow")
    else:
        screen.say(said)
    if screen.quiet:
        screen.always(_in_short(solved))
    screen.say()
    screen.table(_numbers(solved))
    screen.say()


def _numbers(solved: Solved) -> Grid:
    """The distance from the exact solution, field by field; what the solver itself knows; the coefficients found."""
    columns = list(solved.errors) or [ALL]
    grid = Grid(box=None, padding=(0, 2), pad_edge=False, show_header=len(columns) > 1)
    grid.add_column("")
    for name in columns:
        grid.add_column(Text(printable(name)), justify="right", no_wrap=True)
    grid.add_column("")

    def row(label: str, numbers: list[str], remark: str) -> None:
        blank = [""] * (len(columns) - len(numbers))
        grid.add_row(Text(printable(label)), *blank, *numbers, Text(remark, style="dim"))

    for key, (label, remark) in _ERRORS.items() if solved.errors else ():
        row(label, [_number(getattr(errors, key)) for errors in solved.errors.values()], remark)
    row("estimated relative error", [_number(solved.solution.error_estimate)], "from the last two stages")
    row("residual", [_number(solved.solution.residual)], "on fresh points, in units of an error")
    for name, value in solved.solution.unknowns.items():
        error = solved.solution.standard_errors.get(name, math.nan)
        row(name, [f"{value:.6g}"], f"± {error:.2g}, from the data" if math.isfinite(error) else "from the data")
    return grid


def _in_short(solved: Solved) -> str:
    """One line for --quiet."""
    parts = [f"residual {_number(solved.solution.residual)}"]
    parts += [f"relative L2 error {_number(solved.errors[ALL].relative_l2)}"] if solved.errors else []
    parts += [f"{name} {value:.6g}" for name, value in solved.solution.unknowns.items()]
    return f"{solved.posed.name}: {', '.join(parts)}"


def _number(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "-"
