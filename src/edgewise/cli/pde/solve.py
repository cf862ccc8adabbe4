"""`edgewise solve`: solve a differential equation, show its errors, and write the solution with figures."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from rich.table import Table as Grid
from rich.text import Text

from edgewise.cli.pde.equation import errors_with_line, open_equation
from edgewise.cli.pde.results import ALL, SolveJob, SolveResults
from edgewise.cli.shared.folder import ResultFolder
from edgewise.cli.shared.preparation import collect_warnings
from edgewise.cli.terminal.console import Screen
from edgewise.escaping import terminal_line
from edgewise.files.journal import Journal
from edgewise.outcomes import Progress, StopReason
from edgewise.pde import solve as solve_problem
from edgewise.presentation import seconds_text, typed_text


def run_solve(
    job: SolveJob, folder: ResultFolder | None, screen: Screen, journal: Journal | None = None
) -> SolveResults:
    """Solve the equation, show the errors, and write the folder if there is one.

    Ctrl-C keeps the best solution so far, once there is one, and the folder is still written. The journal, of a run
    with --out, keeps finished trainings until the run has ended well.
    """
    equation = open_equation(job.equation)
    screen.say(f"{equation.name}: {equation.statement}", style="bold")
    with errors_with_line(equation.file):
        start = time.perf_counter()
        with screen.progress("Solving") as report, collect_warnings():  # they are part of the message

            def show(progress: Progress) -> None:
                """Show the share of the time limit if it is larger than that of the budget; nothing in a pipe."""
                if job.time_limit is None:
                    share = 0.0
                else:
                    share = progress.seconds / job.time_limit
                if report is not None:
                    report(replace(progress, share=max(progress.share, share)))

            solution = solve_problem(
                equation.problem,
                time_limit=job.time_limit,
                tolerance=job.tolerance,
                progress=show,
                on_interrupt="keep",
                journal=journal,
            )
        # The errors on the screen, then the files.
        results = SolveResults.from_solution(job, equation, solution, time.perf_counter() - start)
        _show(results, screen)
        if folder is None:
            screen.say("No files were written; --out FOLDER writes the solution, its figures and all numbers.")
            screen.result(results.facts() | {"wrote": None})
            return results
        with screen.progress("Drawing the figures") as report:

            def drawing(activity: str) -> None:
                if report is not None:
                    report(Progress(activity, share=0.5))

            written = results.write(folder, drawing)
    if journal is not None and solution.stopped is not StopReason.INTERRUPTED:
        journal.remove()
    screen.always(f"Wrote {folder.path}: {', '.join(written)}.")
    screen.result(results.facts() | {"wrote": str(folder.path)})
    return results


def _show(results: SolveResults, screen: Screen) -> None:
    """Print how the solve ended, then a table of errors, the solver's own estimates and estimated coefficients."""
    solution = results.solution
    errors = results.errors
    # How the solve ended; with --quiet one line of numbers is all.
    ended = f"{solution.parameters:,} parameters, {seconds_text(results.seconds)}. {solution.message}"
    if solution.stopped is StopReason.INTERRUPTED:
        screen.always(ended, style="yellow")
    else:
        screen.say(ended)
    if screen.quiet:
        parts = [f"residual {_two_digits(solution.residual)}"]
        if errors:
            parts.append(f"relative L2 error {_two_digits(errors[ALL].relative_l2)}")
        parts += [f"{name} {typed_text(value)}" for name, value in solution.unknowns.items()]
        screen.always(f"{results.equation.name}: {', '.join(parts)}")
        return
    # A column for each field, and a row for each kind of error, for the residual and for each coefficient.
    columns = list(errors) or [ALL]
    grid = Grid(box=None, padding=(0, 2), pad_edge=False, show_header=len(columns) > 1)
    grid.add_column("")
    for name in columns:
        grid.add_column(Text(terminal_line(name)), justify="right", no_wrap=True)
    grid.add_column("")

    def add_row(title: str, numbers: list[str], explanation: str) -> None:
        blank = [""] * (len(columns) - len(numbers))
        grid.add_row(Text(terminal_line(title)), *blank, *numbers, Text(explanation, style="dim"))

    # Fields of `Errors` against an exact solution, if there is one: `errors` is empty without.
    titles = {
        "relative_l2": ("relative L2 error", "against the exact solution"),
        "relative_h1": ("relative H1 error", "with the gradient"),
        "l2": ("L2 error", "root mean square"),
        "h1": ("H1 error", "root mean square, with the gradient"),
        "largest": ("largest error", "at the points of the comparison"),
    }
    if errors:
        for key, (title, explanation) in titles.items():
            add_row(title, [_two_digits(getattr(one, key)) for one in errors.values()], explanation)
    # The solver's own estimates, then the coefficients with standard errors and where they come from.
    add_row("estimated relative error", [_two_digits(solution.error_estimate)], "the largest of all checks")
    add_row("residual", [_two_digits(solution.residual)], "at new points, scaled to the unit of the solution")
    for name, value in solution.unknowns.items():
        error = solution.standard_errors.get(name, math.nan)
        origin = "estimated from the conditions"
        if solution.problem.form.observations:
            origin = "estimated from the data"
        if f"Nothing determines the coefficient {name}:" in solution.trust:
            origin = "determined by nothing but the start"
        if math.isfinite(error):
            origin = f"standard error {typed_text(error, 2)}, {origin}"
        add_row(name, [typed_text(value)], origin)
    screen.say()
    screen.table(grid)
    screen.say()


def _two_digits(value: float) -> str:
    if math.isfinite(value):
        return typed_text(value, 2)
    return "-"
