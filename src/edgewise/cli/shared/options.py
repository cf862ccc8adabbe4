"""The options of the commands, each written once: name, value and help."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from edgewise import __version__


class TaskName(StrEnum):
    """What kind of target."""

    regression = "regression"
    classification = "classification"


class KindName(StrEnum):
    """What to draw."""

    network = "network"
    edges = "edges"
    effects = "effects"


def _given(*names: str, help: str, metavar: str | None = None, **settings):
    """An option that has no default worth showing."""
    return typer.Option(*names, help=help, metavar=metavar, show_default=False, **settings)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgewise {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="CSV (any delimiter, .gz too) or Parquet file with column names, or the name of a packaged table: knots.",
        show_default=False,
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="The folder that `edgewise fit --out` wrote, or the model.safetensors in it.",
        show_default=False,
    ),
]
Delimiter = Annotated[
    str | None,
    _given(
        "--delimiter", metavar="CHAR", help='Of a CSV file: one character, "tab" or "whitespace"; found if not given.'
    ),
]

Target = Annotated[str | None, _given("--target", "-t", metavar="COL", help="The column to predict.")]
OutFolder = Annotated[
    str | None,
    _given(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder for model.safetensors, metrics.json, predictions.csv, report.html; else nothing is written.",
    ),
]
Task = Annotated[
    TaskName | None,
    _given("--task", metavar="KIND", help="regression or classification; decided from the target if not given."),
]
Drop = Annotated[str | None, _given("--drop", metavar="A,B", help="Columns not to use.")]
Features = Annotated[str | None, _given("--features", metavar="A,B", help="The only columns to learn from.")]
Group = Annotated[
    str | None,
    _given("--group", metavar="COL", help="Rows with the same value here stay together in the split; never an input."),
]
Test = Annotated[float, typer.Option("--test", metavar="SHARE", help="Share of the rows kept for the test.")]
Hidden = Annotated[
    str | None,
    _given(
        "--hidden",
        metavar="5,3",
        help='Nodes of the hidden layers, or "none"; if not given, cross-validation on the training rows chooses.',
    ),
]
GridSize = Annotated[
    int | None, _given("--grid-size", metavar="N", min=1, max=1000, help="Knot intervals of each edge; likewise.")
]
Budget = Annotated[
    float, typer.Option("--budget", metavar="WORK", help="Work allowed; 1 is up to about a minute on two cores.")
]
SolveBudget = Annotated[
    float, typer.Option("--budget", metavar="WORK", help="Work allowed; 1 is a few minutes at most on one core.")
]
TimeLimit = Annotated[
    float | None,
    _given("--time-limit", metavar="SECONDS", help="Start nothing new after so long; what is begun is finished."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the split and of the training.")]
NoBaselines = Annotated[
    bool, typer.Option("--no-baselines", help="Don't train a linear model, an MLP and boosting for comparison.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]
Force = Annotated[
    bool, typer.Option("--force", help="Let --out replace files of these names that edgewise didn't write.")
]

OutCsv = Annotated[str | None, _given("--out", "-o", metavar="FILE", help="CSV file to write; else stdout.")]
Std = Annotated[
    bool, typer.Option("--std", help="Add columns: standard deviation of the prediction, ends of its 90 % interval.")
]
QuietErrors = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.")]

OptionalData = Annotated[
    str | None, _given("--data", "-d", metavar="DATA", help="Table whose rows the functions are drawn on.")
]
Need = Annotated[
    str | None,
    _given("--need", metavar="A,B", help="accuracy, interpretability, efficiency: what counts; all if not given."),
]
ExplainedData = Annotated[
    str, typer.Option("--data", "-d", metavar="DATA", help="Table whose predictions are explained.", show_default=False)
]
Row = Annotated[
    int | None,
    _given("--row", metavar="N", min=0, help="Explain the prediction of this row too, as predict numbers it."),
]
OutShares = Annotated[
    str | None,
    _given("--out", "-o", metavar="FILE", help="Figure of the shares (.svg, .pdf, .png), or all of them as .csv."),
]
ModelOrTable = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model, with --data; or a table, with --target: then the formulas come straight from it.",
        show_default=False,
    ),
]
FormulaData = Annotated[
    str | None,
    _given(
        "--data",
        "-d",
        metavar="DATA",
        help="Table for a model: its target if it is there, else what the model predicts.",
    ),
]
Imitate = Annotated[
    bool, typer.Option("--imitate", help="Formulas for the model's predictions, even where the table has the target.")
]
Number = Annotated[
    int | None, _given("--number", "-n", metavar="N", help="Choose this formula of the list, not the one that is best.")
]
FormulaTime = Annotated[
    float, typer.Option("--time-limit", metavar="SECONDS", help="For the search, about; it ends early if exact.")
]
Digits = Annotated[int, typer.Option("--digits", metavar="N", min=1, max=17, help="Significant digits shown.")]
OutFormula = Annotated[
    str | None,
    _given(
        "--out",
        "-o",
        metavar="FILE",
        help="All formulas as .csv or .json, the chosen one as .tex, .py or .c, the front as .svg, .pdf or .png.",
    ),
]
OutExport = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help=".py (NumPy only), .c (C99), .onnx or .pt2 (torch.export).",
        show_default=False,
    ),
]
FitFormulas = Annotated[
    float,
    typer.Option("--formulas", metavar="SECONDS", help="To look for formulas of a numeric target; 0 looks for none."),
]
OutFigure = Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="A .svg, .pdf or .png.")]
Kind = Annotated[
    KindName,
    typer.Option(
        "--kind", metavar="KIND", help="network (the diagram), edges (the first layer) or effects (of each input)."
    ),
]

Experiment = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which one; see --list.", show_default=False)]
ListNames = Annotated[bool, typer.Option("--list", help="Show the experiments.")]
AllNames = Annotated[bool, typer.Option("--all", help="Run all, one after the other, and write one HTML page.")]
Quick = Annotated[bool, typer.Option("--quick", help="A small version that takes seconds.")]
OutResults = Annotated[
    str | None, _given("--out", "-o", metavar="DIR", help="Folder for the results: JSON, figures as SVG and PDF.")
]
Seeds = Annotated[
    int | None, _given("--seeds", metavar="N", min=1, max=1000, help="How many; left out: what the experiment needs.")
]
ExperimentSeed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="The first one.")]

Equation = Annotated[
    str | None,
    typer.Argument(
        metavar="EQUATION",
        help="A name, see --list, or a Python file that defines `problem`, a PDE of edgewise.pde, and perhaps `exact`.",
        show_default=False,
    ),
]
ListEquations = Annotated[bool, typer.Option("--list", help="Show the equations that have a name.")]
OutSolution = Annotated[
    str | None,
    _given(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder for the solution, figures, solution.json, over time an animation; else nothing is written.",
    ),
]
SolveHidden = Annotated[
    str | None,
    _given(
        "--hidden",
        metavar="5,3",
        help='Solve with a KAN of these hidden layers, or "none"; else chosen by the equation.',
    ),
]
Tolerance = Annotated[float, typer.Option("--tolerance", metavar="ERROR", help="Estimated relative error to stop at.")]
SolveSeed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the points and the first weights.")]
