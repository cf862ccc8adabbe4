"""The options and arguments of the commands: their names, types, help texts and parsers."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Callable
from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Annotated, Any

import typer

from edgewise import __version__
from edgewise.checks import is_sequence


class TaskName(StrEnum):
    """Kinds of target."""

    regression = "regression"
    classification = "classification"


class FigureName(StrEnum):
    """Kinds of figure of `edgewise plot`."""

    network = "network"
    edges = "edges"
    effects = "effects"
    pair = "pair"
    solution = "solution"
    history = "history"
    formulas = "formulas"


class EffortName(StrEnum):
    """Amounts of computation that `edgewise fit` spends on the choice of the model."""

    low = "low"
    normal = "normal"
    high = "high"


class CompareName(StrEnum):
    """With which other models `edgewise fit` compares."""

    quick = "quick"
    none = "none"


class Names(tuple[str, ...]):
    """Names in an option such as --drop "a,b"."""


def parse_names(text: str) -> Names:
    """Return the names in a text like "a,b, c"; a name that contains a comma stands in double quotes."""
    try:
        names = next(csv.reader([text], strict=True, skipinitialspace=True), [])
    except csv.Error:
        names = []
    names = [name.strip() for name in names]
    if not names or "" in names:
        raise typer.BadParameter(f"expected names separated by commas, got {text!r:.60}")
    return Names(names)


def parse_number(text: str | float) -> float:
    """Return the number in a text."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number, got {text!r:.60}") from None


def whole_number(least: int) -> Callable[[str | int], int]:
    """Return the parser of a whole number from `least` on, whose message names that and the text."""

    def parse_whole_number(text: str | int) -> int:
        words = str(text).strip()
        # Fewer than 18 digits fit into 64 bits.
        if words.lstrip("+-").isascii() and words.lstrip("+-").isdecimal() and len(words) < 18:
            value = int(words)
            if value >= least:
                return value
        raise typer.BadParameter(f"expected a whole number of at least {least}, got {text!r:.60}")

    return parse_whole_number


def command_line(command: str, job: Any) -> str:
    """Return the command line of a job, a dataclass whose fields are named like the options of the command.

    The field without a default is the argument; options that have their default are left out.
    """
    words = ["edgewise", command]
    # The argument, then each option that differs from its default, as the parser reads it back.
    for field in fields(job):
        value = getattr(job, field.name)
        if field.default is MISSING:
            words.append(value)
        elif value != field.default:
            words.append(f"--{field.name.replace('_', '-')}")
            if is_sequence(value):
                words.append(",".join(f'"{one}"' if "," in str(one) else str(one) for one in value))
            elif not isinstance(value, bool):
                words.append(f"{value:g}" if isinstance(value, float) else str(value))
    return shlex.join(words)


def _without_default(*names: str, **settings: Any) -> Any:
    """Declare an option whose default is not shown in the help."""
    return typer.Option(*names, show_default=False, **settings)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgewise {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the full traceback of an error.")]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory-limit", metavar="SIZE", help="Memory that the command may take for its work, such as 2GB (on Linux)."
    ),
]

# Tables and models

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Table: a CSV file (any delimiter, also .gz) or Parquet file with column names, a folder of Parquet "
        "files, a pattern in quotes such as 'sales/*.parquet', or knots, the table that comes with Edgewise.",
        show_default=False,
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Folder that `edgewise fit --out` wrote, or the file model.safetensors in it.",
        show_default=False,
    ),
]
ModelOrSolution = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Folder that `edgewise fit --out` or `edgewise solve --out` wrote, the .safetensors file in it, or the "
        ".json file of `edgewise formula --out`.",
        show_default=False,
    ),
]
ModelOrTable = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model, together with --data; or a table, together with --target, to search without a model.",
        show_default=False,
    ),
]
Delimiter = Annotated[
    str | None,
    _without_default(
        "--delimiter",
        metavar="CHAR",
        help='Delimiter of the CSV file: one character, "tab" or "whitespace". Default: detected.',
    ),
]
Target = Annotated[str | None, _without_default("--target", "-t", metavar="COL", help="Column to predict.")]
Task = Annotated[
    TaskName | None,
    _without_default(
        "--task", metavar="KIND", help="regression or classification. Default: decided from the values of the target."
    ),
]
Drop = Annotated[
    Names | None,
    _without_default("--drop", metavar="A,B", parser=parse_names, help="Columns to leave out, separated by commas."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]
TimeLimit = Annotated[
    float | None,
    _without_default(
        "--time-limit",
        metavar="SECONDS",
        parser=parse_number,
        help="End the search after this time, with the best result so far; its judgement and report may follow.",
    ),
]

# fit

OutFolder = Annotated[
    str | None,
    _without_default(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder for model.safetensors, metrics.json, predictions.csv and report.html. Default: write nothing.",
    ),
]
Group = Annotated[
    str | None,
    _without_default(
        "--group",
        metavar="COL",
        help="Column of group labels: rows of one group are never divided, neither between training and test rows nor "
        "where candidates are compared. It is not used as an input.",
    ),
]
Loss = Annotated[
    str,
    typer.Option(
        "--loss",
        metavar="WORD",
        help="Loss of a numeric target: squared, log, absolute, huber, quantile:SHARE, poisson, negative_binomial, "
        "gamma or tweedie; auto takes the likeliest one for counts and positive targets.",
    ),
]
Exposure = Annotated[
    str | None,
    _without_default(
        "--exposure",
        metavar="COL",
        help="Column with the time, persons or area that each target counts, with a loss for counts or auto. It is not "
        "an input; predictions are for the exposure of each row.",
    ),
]
Test = Annotated[
    float,
    typer.Option(
        "--test", metavar="SHARE", parser=parse_number, help="Share of the rows to hold out as test rows, at most 0.9."
    ),
]
Effort = Annotated[
    EffortName,
    typer.Option(
        "--effort",
        metavar="WORD",
        help="low: curves of single columns; normal: pairs and hidden nodes where they help; high: more.",
    ),
]
Seed = Annotated[
    int,
    typer.Option("--seed", metavar="N", parser=whole_number(0), help="Seed of the random split and of the training."),
]
Compare = Annotated[
    CompareName,
    typer.Option(
        "--compare",
        metavar="SET",
        help="Other models on the same split, after the results are written: quick (a linear model, and gradient "
        "boosting with its defaults) or none.",
    ),
]
FitFormulas = Annotated[
    float | None,
    _without_default(
        "--formulas",
        metavar="SECONDS",
        parser=parse_number,
        help="Limit of the search for a formula of a numeric target; 0 skips it. Default: work of about 20 seconds.",
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace files in the folder --out even if they are of another table or not of Edgewise."
    ),
]

Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on with the run in --out that was cut short; its table and options must be the same."
    ),
]

# predict, plot, explain, export

OutCsv = Annotated[
    str | None, _without_default("--out", "-o", metavar="FILE", help="CSV file to write. Default: standard output.")
]
Id = Annotated[
    str | None,
    _without_default("--id", metavar="COL", help="Column to copy beside each prediction, as a name of its row."),
]
FitId = Annotated[
    str | None,
    _without_default(
        "--id",
        metavar="COL",
        help="Column of names of the rows: it is copied into predictions.csv and is not used as an input.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, and nothing else.")]
QuietErrors = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors on stderr.")]
OptionalData = Annotated[
    str | None,
    _without_default(
        "--data",
        "-d",
        metavar="DATA",
        help="Table whose rows are used to draw the functions. Default: points with the distribution of each column in "
        "training.",
    ),
]
PlottedInputs = Annotated[
    Names | None,
    _without_default(
        "--input",
        "-i",
        metavar="A,B",
        parser=parse_names,
        help="Draw the effects of these inputs alone, separated by commas; of two together with --kind pair.",
    ),
]
OutFigure = Annotated[
    str | None,
    _without_default(
        "--out", "-o", metavar="FILE", help="Figure to write: .svg, .pdf or .png. Default: the kind with .svg."
    ),
]
ReplaceFile = Annotated[bool, typer.Option("--force", help="Replace a file of this name that edgewise did not write.")]
ReplaceFigure = Annotated[
    bool,
    typer.Option("--force", help="Replace a file that edgewise did not write, or an earlier one of the default name."),
]
Figure = Annotated[
    FigureName | None,
    _without_default(
        "--kind",
        metavar="KIND",
        help="For a model: network (diagram of the network, the default), edges (functions of the first layer) or "
        "effects (partial dependence on each input). For a solution: solution (the default) or history. For formulas: "
        "formulas (length against error, the default) or effects.",
    ),
]
ExplainedData = Annotated[
    str, _without_default("--data", "-d", metavar="DATA", help="Table whose predictions are explained.")
]
Row = Annotated[
    int | None,
    _without_default(
        "--row",
        metavar="N",
        parser=whole_number(1),
        help="Also explain the prediction of this row; 1 is the first row below the names of the columns.",
    ),
]
OutShares = Annotated[
    str | None,
    _without_default(
        "--out",
        "-o",
        metavar="FILE",
        help="Write the contributions of the inputs as a figure (.svg, .pdf, .png) or as numbers (.csv), or the report "
        "of the model with its score on this table (.html).",
    ),
]
OutExport = Annotated[
    str,
    _without_default(
        "--out",
        "-o",
        metavar="FILE",
        help="File to write; its ending decides: .py (needs NumPy only), .c (C99), .onnx or .pt2 (torch.export).",
    ),
]
# formula

FormulaData = Annotated[
    str | None,
    _without_default(
        "--data",
        "-d",
        metavar="DATA",
        help="Table for a model. The formulas fit its target column, or the model's predictions if it has none.",
    ),
]
Structure = Annotated[
    str | None,
    _without_default(
        "--structure",
        metavar="FORM",
        help="Known form of the law, with unknown functions and constants, for example 'a*f(x, y) + g(z)'.",
    ),
]
Number = Annotated[
    int | None,
    _without_default(
        "--number",
        "-n",
        metavar="N",
        parser=whole_number(1),
        help="Choose the formula with this number in the list. Default: the best one.",
    ),
]
FormulaTime = Annotated[
    float | None,
    _without_default(
        "--time-limit",
        metavar="SECONDS",
        parser=parse_number,
        help="End the search after this time, or at an exact formula. Default: work of about a minute.",
    ),
]
OutFormula = Annotated[
    str | None,
    _without_default(
        "--out",
        "-o",
        metavar="FILE",
        help="Write all formulas (.csv, .json), the chosen one (.tex, .py, .c), or a figure of length against error "
        "(.svg, .pdf, .png).",
    ),
]

# solve

Equation = Annotated[
    str,
    typer.Argument(
        metavar="EQUATION",
        help="A Python file that defines `problem`, a PDE of edgewise.pde, and optionally its solution `exact`.",
        show_default=False,
    ),
]
OutSolution = Annotated[
    str | None,
    _without_default(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder for the solution, its figures, solution.json and, for equations in time, an animation. Default: "
        "write nothing.",
    ),
]
Tolerance = Annotated[
    float,
    typer.Option("--tolerance", metavar="ERROR", parser=parse_number, help="Stop at this estimated relative error."),
]
SolveVtk = Annotated[
    bool,
    typer.Option("--vtk", help="With --out: also write the first three coordinates, in the middle of others, as .vtk."),
]
Moments = Annotated[
    str, typer.Option("--time", metavar="COL", help="Column of times, numbers or dates.", show_default=False)
]
Runs = Annotated[
    str | None,
    _without_default("--id", metavar="COL", help="Column that tells trajectories apart. Default: all rows are one."),
]
Forcing = Annotated[
    Names | None,
    _without_default(
        "--inputs", metavar="A,B", parser=parse_names, help="Columns that act on the motion, separated by commas."
    ),
]
Order = Annotated[
    int,
    typer.Option("--order", metavar="N", parser=whole_number(1), help="2 for x'' = f(x, x') from positions alone."),
]
OutMotion = Annotated[
    str | None,
    _without_default(
        "--out",
        "-o",
        metavar="FILE",
        help="Write a report (.html), the equations (.json), or the figure with fits, forecast, phase portrait and "
        "front (.svg, .pdf, .png).",
    ),
]
