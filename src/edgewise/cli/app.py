"""The commands with their options; each calls a function in a file of its own, which is imported only then."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import chain

import typer

from edgewise.cli.terminal import explorer_options, options
from edgewise.cli.terminal.exit_codes import guard
from edgewise.cli.terminal.help import Command, Group
from edgewise.cli.terminal.interrupts import importing

app = typer.Typer(
    name="edgewise",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _examples(*lines: str, after: str = "") -> str:
    """Return the end of a help page; without the blank lines between them the examples would be joined."""
    return "Examples:\n\n" + "\n\n".join(lines) + (f"\n\n{after}" if after else "")


@app.callback(
    epilog="Exit codes: 0 success; 1 the input or a file is wrong; 2 the command line is wrong; 70 a bug in Edgewise; "
    "130 interrupted without a result.\n\nEach command shows examples: edgewise fit --help"
)
def _edgewise(
    context: typer.Context,
    version: options.Version = False,
    debug: options.Debug = False,
    memory_limit: options.MemoryLimit = None,
) -> None:
    """Kolmogorov-Arnold networks: accurate models of tables and of differential equations that people can read."""
    context.obj = {"debug": debug, "memory_limit": memory_limit}


@app.command(
    "fit",
    cls=Command,
    epilog=_examples(
        "edgewise fit knots --out knots",
        "edgewise fit houses.csv --target price --out houses",
        "edgewise fit patients.parquet --target outcome --drop id --group hospital",
        "edgewise fit claims.csv --target claims --loss auto --exposure years",
        after="Ctrl-C ends the training and keeps the best model so far; the results are still written (exit code 0).",
    ),
)
def _fit(
    context: typer.Context,
    data: options.Data,
    target: options.Target = None,
    out: options.OutFolder = None,
    task: options.Task = None,
    drop: options.Drop = None,
    group: options.Group = None,
    id: options.FitId = None,
    test: options.Test = 0.2,
    delimiter: options.Delimiter = None,
    effort: options.Effort = options.EffortName.normal,
    loss: options.Loss = "squared",
    exposure: options.Exposure = None,
    time_limit: options.TimeLimit = None,
    seed: options.Seed = 0,
    compare: options.Compare = options.CompareName.quick,
    formulas: options.FitFormulas = None,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Learn to predict a column of a table, test the model on held-out rows, and compare it with other models."""
    with guard(context):
        from edgewise.cli.shared.folder import ResultFolder
        from edgewise.cli.shared.preparation import FitJob, assist_fit, prepare_for_fit
        from edgewise.cli.terminal.console import Screen
        from edgewise.processes import joined_processes

        job = FitJob(
            data=data,
            target=target,
            task=task,
            drop=drop or (),
            group=group,
            id=id,
            test=test,
            delimiter=delimiter,
            seed=seed,
            effort=effort,
            loss=loss,
            exposure=exposure,
            time_limit=time_limit,
            compare=compare,
            formulas=formulas,
        )
        screen = Screen(quiet=quiet, json=json)
        with joined_processes() as process, ExitStack() as stack:
            if process > 0:
                assist_fit(job)
                return
            folder = None
            if out is not None:
                folder = ResultFolder(out, force=force)
                stack.enter_context(folder.kept())
            prepared = prepare_for_fit(job, folder, screen)
            with importing():
                from edgewise.cli.shared.resume import run_facts, unfinished_run
                from edgewise.cli.table.fit import run_fit

            with unfinished_run(out, run_facts("fit", job, data=data), screen, resume=resume) as journal:
                run_fit(job, prepared, folder, screen, journal)


@app.command(
    "predict",
    cls=Command,
    epilog=_examples(
        "edgewise predict houses new_houses.csv",
        "edgewise predict houses new_houses.csv --id address --out predictions.csv",
        "edgewise predict heat points.csv",
    ),
)
def _predict(
    context: typer.Context,
    model: options.ModelOrSolution,
    data: options.Data,
    out: options.OutCsv = None,
    id: options.Id = None,
    delimiter: options.Delimiter = None,
    quiet: options.QuietErrors = False,
    force: options.ReplaceFile = False,
    json: options.Json = False,
) -> None:
    """Predict every row of a table and write the predictions as CSV.

    The columns are the number of the row (1 is the first one below the names), the prediction, its 90 % interval if
    the model has error bars, and for classes the probability of each. A solution of `edgewise solve` gives its values
    at the points of the table, and a file of formulas those of the chosen one.
    """
    with guard(context):
        from edgewise.cli.shared.large import large_file
        from edgewise.cli.shared.opening import check_columns, check_out, find_written
        from edgewise.cli.shared.source import open_source, select_columns
        from edgewise.cli.terminal.console import Screen

        written = find_written(model)
        check_out(out, [str(written.file), data], force=force)
        large = large_file(data)
        if large is None:
            parts = iter([open_source(data, delimiter).table])
        else:
            parts = large.parts()
        table = next(parts)
        check_columns(written, table)
        if id is not None:
            select_columns(table, [id], "--id")
        with importing():
            from edgewise.cli.table.predict import write_predictions

        screen = Screen(quiet=quiet, stderr=not json, json=json)
        write_predictions(written, chain([table], parts), screen, is_whole=large is None, out=out, id=id)


@app.command("info", cls=Command, epilog=_examples("edgewise info houses", "edgewise info houses --json"))
def _info(context: typer.Context, model: options.ModelOrSolution, json: options.Json = False) -> None:
    """Show what is in a model file, a solution of an equation, or a file of formulas."""
    with guard(context):
        from edgewise.cli.shared.opening import find_written
        from edgewise.cli.terminal.console import Screen

        written = find_written(model)
        with importing():
            from edgewise.cli.table.info import show_info

        show_info(written, Screen(json=json))


@app.command(
    "plot",
    cls=Command,
    epilog=_examples(
        "edgewise plot houses --data houses.csv",
        "edgewise plot houses --data houses.csv --kind effects --out effects.pdf",
        "edgewise plot houses --input area_m2",
        "edgewise plot heat --out heat.png",
    ),
)
def _plot(
    context: typer.Context,
    model: options.ModelOrSolution,
    data: options.OptionalData = None,
    out: options.OutFigure = None,
    kind: options.Figure = None,
    input: options.PlottedInputs = None,
    force: options.ReplaceFigure = False,
) -> None:
    """Draw the functions that a model has learned, a solution of an equation, or the errors of formulas."""
    with guard(context):
        from edgewise.cli.shared.large import open_sampled
        from edgewise.cli.shared.opening import find_written, plan_figure
        from edgewise.cli.terminal.console import Screen

        written = find_written(model)
        figure = plan_figure(written, kind, out, force=force, reads=[] if data is None else [data], inputs=input or ())
        if data is None:
            source = None
        else:
            source = open_sampled(data)
        screen = Screen()
        screen.notes([] if source is None else source.notes)
        with importing():
            from edgewise.cli.table.plot import draw

        draw(written, source, figure, screen)


@app.command(
    "explore",
    cls=Command,
    epilog=_examples(
        "edgewise explore houses --data houses.csv",
        "edgewise explore houses --data houses.csv --static houses.html",
        "edgewise explore houses --data houses.csv --edits houses-explored/edits.json --out again",
        "edgewise explore heat",
        after="Ctrl-C ends the page. Edits that were kept are in the folder, and the same command continues there.",
    ),
)
def _explore(
    context: typer.Context,
    model: options.ModelOrSolution,
    data: explorer_options.ExploredData = None,
    out: explorer_options.OutExplored = None,
    static: explorer_options.Static = None,
    edits: explorer_options.Edits = None,
    port: explorer_options.Port = 0,
    no_browser: explorer_options.NoBrowser = False,
) -> None:
    """Open a model in the browser: read its curves, ask it, edit it by hand, and see what each edit costs.

    A solution of an equation is shown along its coordinates, with sliders for time and parameters.
    """
    with guard(context):
        from edgewise.cli.shared.large import open_sampled
        from edgewise.cli.shared.opening import (
            Kind,
            check_columns,
            check_ending,
            check_left_out,
            check_out,
            find_written,
        )
        from edgewise.cli.terminal.console import Screen

        written = find_written(model)
        if static is not None:
            check_ending(static, (".html",))
            check_out(
                static, [str(written.file), *([] if data is None else [data])], force=False, remedy="name another file"
            )
        screen = Screen()
        if written.kind is Kind.solution:
            check_left_out(written, {"--data": data, "--edits": edits, "--out": out})
            with importing():
                from edgewise.cli import explorer
            explorer.show_solution(written, static, port, screen, browser=not no_browser)
            return
        if data is None:
            source = None
        else:
            source = open_sampled(data)
        if source is not None:
            check_columns(written, source.table)
            screen.notes(source.notes)
        with importing():
            from edgewise.cli import explorer

        session = explorer.open_session(written, source, edits, screen)
        if static is not None:
            explorer.write_page(session, written, static, screen)
        else:
            explorer.serve(session, out or explorer.default_folder(written), port, screen, browser=not no_browser)


@app.command(
    "explain",
    cls=Command,
    epilog=_examples(
        "edgewise explain houses --data houses.csv",
        "edgewise explain houses --data houses.csv --out contributions.svg",
        "edgewise explain houses --data houses.csv --row 17 --out row17.png",
        "edgewise explain houses --data houses.csv --out houses.html",
    ),
)
def _explain(
    context: typer.Context,
    model: options.ModelOrSolution,
    data: options.ExplainedData,
    row: options.Row = None,
    out: options.OutShares = None,
    force: options.ReplaceFile = False,
) -> None:
    """Show which inputs the predictions depend on, and how much each contributes."""
    with guard(context):
        from edgewise.cli.shared.large import open_sampled
        from edgewise.cli.shared.opening import (
            FIGURE_ENDINGS,
            Kind,
            check_columns,
            check_ending,
            check_out,
            find_written,
        )
        from edgewise.cli.shared.source import check_row, predicted_rows
        from edgewise.cli.terminal.console import Screen

        written = find_written(model)
        has_page = written.kind is Kind.model and row is None
        check_ending(out, (*FIGURE_ENDINGS, ".csv", *((".html",) if has_page else ())))
        check_out(out, [str(written.file), data], force=force)
        is_page = out is not None and out.lower().endswith(".html")
        if is_page:
            source = open_sampled(data, predicted_rows(written.file))
        else:
            source = open_sampled(data, () if row is None else (row,))
        table = source.table
        screen = Screen()
        check_columns(written, table)
        check_row(source, row)
        screen.notes(source.notes)
        with importing():
            from edgewise.cli.table.explain import show_explanation
            from edgewise.cli.table.results import write_page

        if is_page:
            write_page(written, source, str(out), screen)
        else:
            show_explanation(written, table, row, out, screen)


@app.command(
    "formula",
    cls=Command,
    epilog=_examples(
        "edgewise formula houses --data houses.csv",
        "edgewise formula houses --data houses.csv --out price.tex",
        "edgewise formula pendulum.csv --target period --out period.py",
    ),
)
def _formula(
    context: typer.Context,
    model: options.ModelOrTable,
    data: options.FormulaData = None,
    target: options.Target = None,
    structure: options.Structure = None,
    number: options.Number = None,
    out: options.OutFormula = None,
    time_limit: options.FormulaTime = None,
    resume: options.Resume = False,
    drop: options.Drop = None,
    quiet: options.Quiet = False,
    force: options.ReplaceFile = False,
    json: options.Json = False,
) -> None:
    """Find formulas for a model or a table, from short to accurate, in your units and column names."""
    with guard(context):
        from edgewise.cli.shared.opening import check_out
        from edgewise.cli.shared.preparation import FormulaJob, TableJob, read_for_formulas
        from edgewise.cli.terminal.console import Screen

        table = TableJob(data=model, target=target, task="regression", drop=drop or ())
        job = FormulaJob(model, data, table, number, time_limit, out, structure or "")
        check_out(out, [model] if data is None else [model, data], force=force)
        read = read_for_formulas(job)
        with importing():
            from edgewise.cli.shared.resume import run_facts, unfinished_run
            from edgewise.cli.table.formula import search_formulas

        file = str(read[0].file) if isinstance(read, tuple) else model
        screen = Screen(quiet=quiet, json=json)
        facts = run_facts("formula", job, model=file, data=data)
        with unfinished_run(out, facts, screen, resume=resume, is_file=True) as journal:
            search_formulas(job, read, screen, journal)


@app.command(
    "dynamics",
    cls=Command,
    epilog=_examples(
        "edgewise dynamics runs.csv --time t --id run",
        "edgewise dynamics runs.csv --time t --id run --out motion.html",
        after="Ctrl-C keeps the best equations so far; the results are still written (exit code 0).",
    ),
)
def _dynamics(
    context: typer.Context,
    data: options.Data,
    time: options.Moments,
    id: options.Runs = None,
    inputs: options.Forcing = None,
    drop: options.Drop = None,
    order: options.Order = 1,
    out: options.OutMotion = None,
    time_limit: options.TimeLimit = None,
    quiet: options.Quiet = False,
    force: options.ReplaceFile = False,
    json: options.Json = False,
) -> None:
    """Find the equations of motion behind measured trajectories, from short to accurate; bring several trajectories."""
    with guard(context):
        from edgewise.cli.shared.opening import FIGURE_ENDINGS, check_ending, check_out
        from edgewise.cli.terminal.console import Screen

        check_ending(out, (".html", ".json", *FIGURE_ENDINGS))
        check_out(out, [data], force=force)
        with importing():
            from edgewise.cli.table.dynamics import MotionJob, find_motion

        job = MotionJob(data, time, id, tuple(inputs or ()), tuple(drop or ()), order, out, time_limit)
        find_motion(job, Screen(quiet=quiet, json=json))


@app.command(
    "export",
    cls=Command,
    epilog=_examples("edgewise export houses --out houses.c", "edgewise export houses --out houses.onnx"),
)
def _export(
    context: typer.Context,
    model: options.Model,
    out: options.OutExport,
    force: options.ReplaceFile = False,
) -> None:
    """Write a model as one file that needs no Edgewise: Python, C, ONNX or torch.export, in your units."""
    with guard(context):
        from edgewise.cli.shared.opening import check_ending, check_out, find_written
        from edgewise.cli.terminal.console import Screen
        from edgewise.export.writers import WRITERS

        check_ending(out, tuple(WRITERS))
        written = find_written(model)
        check_out(out, [str(written.file)], force=force)
        with importing():
            from edgewise.cli.table.export import write_program

        write_program(written, out, Screen())


@app.command(
    "solve",
    cls=Command,
    epilog=_examples(
        "edgewise solve heat.py",
        "edgewise solve heat.py --time-limit 60 --out heat",
        after="Ctrl-C keeps the best solution so far, once there is one; the results are still written (exit code 0).",
    ),
)
def _solve(
    context: typer.Context,
    equation: options.Equation,
    out: options.OutSolution = None,
    time_limit: options.TimeLimit = None,
    tolerance: options.Tolerance = 1e-10,
    vtk: options.SolveVtk = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Solve a differential equation; show the residual, the estimated error and the error against an exact solution."""
    if vtk and out is None:
        raise typer.BadParameter("needs --out DIR, the folder of the file", param_hint="--vtk")
    with guard(context):
        from edgewise.cli.shared.folder import solution_folder
        from edgewise.cli.shared.opening import check_equation
        from edgewise.cli.terminal.console import Screen

        check_equation(equation)
        with ExitStack() as stack:
            folder = None
            if out is not None:
                folder = solution_folder(out, force=force)
                stack.enter_context(folder.kept())
                folder.check_owner(equation=equation)
            with importing():
                from edgewise.cli.pde.results import SolveJob
                from edgewise.cli.pde.solve import run_solve
                from edgewise.cli.shared.resume import run_facts, unfinished_run

            job = SolveJob(equation, time_limit, tolerance, vtk)
            screen = Screen(quiet=quiet, json=json)
            facts = run_facts("solve", job, equation=equation)
            journal = stack.enter_context(unfinished_run(out, facts, screen, resume=resume))
            run_solve(job, folder, screen, journal)
