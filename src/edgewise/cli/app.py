"""The commands; each hands over to a function in the file of its name, which is loaded only then."""

from __future__ import annotations

import sys

import typer

from edgewise.cli.shared import options
from edgewise.cli.shared.guard import guard
from edgewise.errors import InputError

app = typer.Typer(
    name="edgewise",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _examples(*lines: str, after: str = "") -> str:
    """An epilog; blank lines between the lines, for without them they would be run together."""
    return "Examples:\n\n" + "\n\n".join(lines) + (f"\n\n{after}" if after else "")


@app.callback(
    epilog="Exit codes: 0 done, 1 something is wrong with input or files, 2 wrong usage, 70 a bug, 130 interrupted "
    "with nothing kept. Each command has examples: edgewise fit --help"
)
def _edgewise(context: typer.Context, version: options.Version = False, debug: options.Debug = False) -> None:
    """Kolmogorov-Arnold networks: accurate models of tables that can be read edge by edge."""
    context.obj = {"debug": debug}


@app.command(
    "fit",
    epilog=_examples(
        "edgewise fit knots --out knots",
        "edgewise fit houses.csv --target price --out houses",
        "edgewise fit patients.parquet --target outcome --drop id --group hospital",
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
    features: options.Features = None,
    group: options.Group = None,
    test: options.Test = 0.2,
    delimiter: options.Delimiter = None,
    hidden: options.Hidden = None,
    grid_size: options.GridSize = None,
    budget: options.Budget = 1.0,
    time_limit: options.TimeLimit = None,
    seed: options.Seed = 0,
    no_baselines: options.NoBaselines = False,
    formulas: options.FitFormulas = 20.0,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Learn to predict a column of a table; test the model and compare it with others."""
    with guard(context):
        from edgewise.cli.shared.console import Screen
        from edgewise.cli.shared.folder import ResultFolder
        from edgewise.cli.shared.job import FitJob
        from edgewise.cli.shared.source import listed
        from edgewise.cli.table.fit import fit

        job = FitJob(
            data=data,
            target=target,
            task=None if task is None else task.value,
            drop=listed(drop, "--drop"),
            features=listed(features, "--features"),
            group=group,
            test=test,
            delimiter=delimiter,
            hidden=_widths(hidden),
            grid_size=grid_size,
            budget=budget,
            time_limit=time_limit,
            seed=seed,
            baselines=not no_baselines,
            formulas=formulas,
        )
        fit(job, None if out is None else ResultFolder(out, force=force), Screen(quiet=quiet))


@app.command(
    "predict",
    epilog=_examples(
        "edgewise predict houses new_houses.csv",
        "edgewise predict houses/model.safetensors new_houses.csv --out predictions.csv",
    ),
)
def _predict(
    context: typer.Context,
    model: options.Model,
    data: options.Data,
    out: options.OutCsv = None,
    std: options.Std = False,
    delimiter: options.Delimiter = None,
    quiet: options.QuietErrors = False,
) -> None:
    """Predict every row of a table, as CSV: row number, prediction, probabilities of the classes or error bars; with a
    folder of `edgewise solve` its fields at the points of the table."""
    with guard(context):
        from edgewise.cli.shared.console import Screen
        from edgewise.cli.table.predict import predict

        predict(model, data, out, delimiter, Screen(quiet=quiet, stderr=True), _emit, std=std)


@app.command("info", epilog=_examples("edgewise info houses"))
def _info(context: typer.Context, model: options.Model) -> None:
    """Show what a model file, or a folder of `edgewise solve`, holds: network, training, score, inputs."""
    with guard(context):
        from edgewise.cli.shared.console import Screen
        from edgewise.cli.table.info import info

        info(model, Screen())


@app.command(
    "plot",
    epilog=_examples(
        "edgewise plot houses --data houses.csv",
        "edgewise plot houses --data houses.csv --kind effects --out effects.pdf",
    ),
)
def _plot(
    context: typer.Context,
    model: options.Model,
    data: options.OptionalData = None,
    out: options.OutFigure = "network.svg",
    kind: options.Kind = options.KindName.network,
    delimiter: options.Delimiter = None,
) -> None:
    """Draw a model with the functions it learned."""
    with guard(context):
        from edgewise.cli.shared.console import Screen
        from edgewise.cli.table.plot import plot

        plot(model, data, out, kind.value, delimiter, Screen())


@app.command(
    "explain",
    epilog=_examples(
        "edgewise explain houses --data houses.csv",
        "edgewise explain houses --data houses.csv --out shares.svg",
        "edgewise explain houses --data houses.csv --row 17 --out row17.png",
    ),
)
def _explain(
    context: typer.Context,
    model: options.Model,
    data: options.ExplainedData,
    row: options.Row = None,
    out: options.OutShares = None,
    delimiter: options.Delimiter = None,
    quiet: options.Quiet = False,
) -> None:
    """Say what predictions depend on, and what each input adds to them."""
    with guard(context):
        from edgewise.cli.shared.console import Screen
        from edgewise.cli.table.explain import explain

        explain(model, data, row, out, delimiter, Screen(quiet=quiet))


@app.command(
    "formula",
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
    imitate: options.Imitate = False,
    number: options.Number = None,
    digits: options.Digits = 6,
    out: options.OutFormula = None,
    time_limit: options.FormulaTime = 60.0,
    drop: options.Drop = None,
    features: options.Features = None,
    delimiter: options.Delimiter = None,
    quiet: options.Quiet = False,
) -> None:
    """Find formulas for a model or a table: each with its length and its error, in your units and column names."""
    with guard(context):
        from edgewise.cli.shared.console import Screen
        from edgewise.cli.shared.job import FitJob
        from edgewise.cli.shared.source import listed
        from edgewise.cli.table.formula import formula

        job = FitJob(
            data=model,
            target=target,
            task="regression",
            drop=listed(drop, "--drop"),
            features=listed(features, "--features"),
            delimiter=delimiter,
        )
        settings = {"imitate": imitate, "place": number, "time_limit": time_limit, "digits": digits, "out": out}
        formula(model, data, job, Screen(quiet=quiet), **settings)


@app.command(
    "export",
    epilog=_examples("edgewise export houses --out houses.c", "edgewise export houses --out houses.onnx"),
)
def _export(context: typer.Context, model: options.Model, out: options.OutExport, quiet: options.Quiet = False) -> None:
    """Write a model as one file that needs no Edgewise: Python, C, ONNX or torch.export, in your units."""
    with guard(context):
        from edgewise.cli.shared.console import Screen
        from edgewise.cli.table.export import export

        export(model, out, Screen(quiet=quiet))


@app.command(
    "advise",
    epilog=_examples(
        "edgewise advise houses.csv --target price",
        "edgewise advise patients.parquet --target outcome --need interpretability",
    ),
)
def _advise(
    context: typer.Context,
    data: options.Data,
    target: options.Target = None,
    need: options.Need = None,
    task: options.Task = None,
    drop: options.Drop = None,
    features: options.Features = None,
    delimiter: options.Delimiter = None,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    """Say whether a KAN or an MLP suits a table: the KAN paper's guide, answered by training small ones."""
    with guard(context):
        from edgewise.cli.shared.console import Screen
        from edgewise.cli.shared.job import FitJob
        from edgewise.cli.shared.source import listed
        from edgewise.cli.table.advise import advise

        job = FitJob(
            data=data,
            target=target,
            task=None if task is None else task.value,
            drop=listed(drop, "--drop"),
            features=listed(features, "--features"),
            delimiter=delimiter,
            seed=seed,
        )
        advise(job, listed(need, "--need"), Screen(quiet=quiet))


@app.command(
    "solve",
    epilog=_examples(
        "edgewise solve --list",
        "edgewise solve poisson",
        "edgewise solve heat --out heat",
        "edgewise solve my_equation.py --time-limit 60 --out mine",
        after="Ctrl-C keeps the best solution so far, once there is one; the results are still written (exit code 0).",
    ),
)
def _solve(
    context: typer.Context,
    equation: options.Equation = None,
    list_names: options.ListEquations = False,
    out: options.OutSolution = None,
    hidden: options.SolveHidden = None,
    budget: options.SolveBudget = 1.0,
    time_limit: options.TimeLimit = None,
    tolerance: options.Tolerance = 1e-10,
    seed: options.SolveSeed = 0,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Solve a differential equation and say how well: residual, estimated error, error against the exact solution."""
    if equation is None and not list_names:
        raise typer.BadParameter("name an equation or a file, or use --list", param_hint="EQUATION")
    with guard(context):
        from edgewise.cli.pde.solve import results_in, show_equations, solve
        from edgewise.cli.pde.solved import SolveJob
        from edgewise.cli.shared.console import Screen

        if list_names:
            show_equations(Screen())
            return
        job = SolveJob(equation, _widths(hidden), budget, time_limit, tolerance, seed)
        solve(job, None if out is None else results_in(out, force=force), Screen(quiet=quiet))


@app.command(
    "reproduce",
    epilog=_examples(
        "edgewise reproduce --list",
        "edgewise reproduce tables --quick",
        "edgewise reproduce toy-functions --out results",
        "edgewise reproduce --all --quick --out quick",
        after="With --out every finished row is stored at once; the same command later goes on where it stopped.",
    ),
)
def _reproduce(
    context: typer.Context,
    name: options.Experiment = None,
    list_names: options.ListNames = False,
    all_names: options.AllNames = False,
    quick: options.Quick = False,
    out: options.OutResults = None,
    seeds: options.Seeds = None,
    seed: options.ExperimentSeed = 0,
) -> None:
    """Run an experiment again whose numbers the documentation shows."""
    if name is None and not list_names and not all_names:
        raise typer.BadParameter("name an experiment, or use --list or --all", param_hint="NAME")
    with guard(context):
        from edgewise.cli.reproduce import experiments_command
        from edgewise.cli.shared.console import Screen

        command = experiments_command()

        if list_names:
            command.show_names(Screen())
        elif all_names:
            command.reproduce_all(Screen(), quick=quick, out=out or "reproduced", seeds=seeds, seed=seed)
        else:
            command.reproduce(name, Screen(), quick=quick, out=out, seeds=seeds, seed=seed)


def _widths(text: str | None) -> tuple[int, ...] | None:
    """The numbers in "5,3"; "none" is no hidden layer."""
    if text is None:
        return None
    if text.strip().lower() == "none":
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and 0 < int(part[:9]) <= 10_000 for part in parts):
        raise InputError(f'--hidden must be positive whole numbers as in "5,3", or "none", got {text!r:.60}')
    return tuple(int(part) for part in parts)


def _emit(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
