"""The files of a fit: the model, its metrics, the predictions of the test rows, and the report, also after the fit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

import edgewise
from edgewise.checkpoint import codec
from edgewise.cli.shared.folder import ResultFolder
from edgewise.cli.shared.model import open_model, prediction_columns, rows_of_test
from edgewise.cli.shared.opening import Written
from edgewise.cli.shared.preparation import FitJob, PreparedTable, split_sentence
from edgewise.cli.shared.source import Source, columns_csv
from edgewise.cli.table.training import FitFormulas, TrainedModel
from edgewise.cli.terminal.console import Screen
from edgewise.cli.terminal.plain_values import plain
from edgewise.compare.baselines import BaselineResult
from edgewise.errors import InputError
from edgewise.estimator.reporting import (
    SETTINGS,
    JudgedRows,
    explained,
    fit_sentence,
    model_figures,
    package_versions,
    page_content,
    training_facts,
    with_formulas,
)
from edgewise.estimator.storage import save_estimator
from edgewise.files.folders import MODEL_FILE
from edgewise.files.whole import write_bytes
from edgewise.interpret.attribution.effects import evenly_picked, mean_contributions
from edgewise.interpret.attribution.explanations import GlobalExplanation, constant_sentence
from edgewise.metrics import MEASURED, METRICS, Score, row_losses
from edgewise.plot import formula_front
from edgewise.presentation import counted
from edgewise.report.comparison import Comparison, ModelResult, by_losses
from edgewise.report.content import ReportContent, ReportFigure, formula_rows
from edgewise.report.page import Report
from edgewise.tables import Table

INTERRUPTED = "The training was interrupted; the model is the best one up to then."


@dataclass(frozen=True, eq=False)
class FitResults:
    """Everything that a fit gives."""

    job: FitJob  # the options
    prepared: PreparedTable  # the table
    trained: TrainedModel  # the KAN
    baselines: Sequence[BaselineResult]  # the other models
    formulas: FitFormulas | None = None  # formulas of a numeric target
    _drawn: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def notes(self) -> list[str]:
        """All sentences about the table, the training and the comparison."""
        return [*self.prepared.notes, *self.trained.notes, *(note for one in self.baselines for note in one.notes)]

    def figure_rows(self) -> Table:
        """Return the training rows for figures and scores, evenly picked if there are many."""
        # Of more than 2,000 rows neither figures nor scores would change visibly.
        return self.prepared.frame[evenly_picked(self.prepared.train, 2000)]

    def figure_codes(self) -> np.ndarray:
        """Return these rows as numbers, one for each column; see `InputEncoder.codes`."""
        return self.trained.estimator.encoder_.codes(self.figure_rows())

    def constant_sentence(self) -> str:
        """Return a sentence about a model that gives all rows the same prediction, else ""."""
        estimator = self.trained.estimator
        with np.errstate(invalid="ignore", over="ignore"):
            return constant_sentence(estimator._predicted(self.figure_codes()), estimator._task.answers)

    def ranked_inputs(self) -> list[tuple[str, float]]:
        """Return the names of the inputs and by how much each moves a prediction on average, the strongest first."""

        def ranked() -> list[tuple[str, float]]:
            estimator = self.trained.estimator
            with np.errstate(invalid="ignore", over="ignore"):  # predictions of huge targets may overflow
                sizes = mean_contributions(estimator._predicted, self.figure_codes()).tolist()
            return sorted(zip(estimator.encoder_.columns, sizes, strict=True), key=lambda pair: -pair[1])

        return cast("list[tuple[str, float]]", self.kept("ranking", ranked))

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` gives, computed once for these results and their copies by `replace`."""
        if name not in self._drawn:
            self._drawn[name] = make()
        return self._drawn[name]

    def write(self, folder: ResultFolder, *, report: Literal["draw", "keep", "none"] = "draw") -> list[str]:
        """Write all four files or none, and return their names; raise FileError.

        The report, whose figures take most of the time, is drawn, kept as an earlier one is, or removed.
        """
        prepared = self.prepared
        trained = self.trained
        summary = metrics(self)
        predictions = self.predictions_csv()
        stored = ("edgewise", "data", "command", "score", "metrics", "rows", "inputs", "formulas")
        extra = {"target": codec.plain(prepared.response), "fit": {key: summary[key] for key in stored}}
        files: dict[str, Callable[[Path], object]] = {
            MODEL_FILE: lambda path: save_estimator(trained.estimator, path, extra=extra),
            "predictions.csv": lambda path: write_bytes(path, predictions.encode()),
        }
        if report == "draw":
            files["report.html"] = Report(report_content(self)).save
        # Last, since this file marks a folder with complete results.
        files["metrics.json"] = lambda path: write_bytes(path, (json.dumps(summary, indent=2) + "\n").encode())
        folder.write(files, keep=("report.html",) * (report == "keep"))
        return list(files)

    def predictions_csv(self) -> str:
        """Return the predictions of the test rows as CSV."""
        prepared = self.prepared
        trained = self.trained
        test = self.prepared.test
        columns: dict[str, Sequence[object]] = {}
        if prepared.ids is not None and self.job.id is not None:
            columns[self.job.id] = prepared.ids[test].tolist()
        columns[prepared.target] = prepared.y[test].tolist()
        columns |= prediction_columns(
            prepared.target, trained.prediction, trained.probabilities, prepared.labels, trained.interval
        )
        return columns_csv(prepared.rows[test], columns)


# metrics.json


def metrics(results: FitResults) -> dict[str, object]:
    """Return everything about the fit as JSON has it, with None for a number that is undefined."""
    job = results.job
    prepared = results.prepared
    trained = results.trained
    estimator = trained.estimator
    config = trained.estimator.model_.config
    formulas = None
    if results.formulas is not None:
        formulas = results.formulas.facts()
    # The models of the comparison: the KAN, whose settings are those of its search, then the others.
    compared: list[tuple[TrainedModel | BaselineResult, dict[str, object]]] = [(trained, {})]
    compared += [(one, dict(one.settings)) for one in results.baselines]
    # Where the result comes from, its scores beside those of the other models, the network and its training.
    facts = {
        "edgewise": edgewise.__version__,
        "data": job.data,
        "command": job.command,
        "target": prepared.target,
        "task": prepared.task,
        "classes": list(prepared.response.classes),
        "rows": {"table": prepared.table_rows, "training": prepared.training_rows, "test": len(prepared.test)},
        "split": {"seed": job.seed, "test": job.test, "group": prepared.group},
        "score": {
            "name": next(iter(trained.metrics)),
            "value": trained.score,
            "error": trained.error,
        },
        "metrics": trained.metrics,
        "comparison": [
            {
                "model": row.name,
                "score": row.score,
                "standard_error": row.error,
                "coefficients": row.parameters,
                "seconds": round(one.seconds, 3),
                "metrics": one.metrics,
                "settings": settings,
            }
            for row, (one, settings) in zip(compared_models(results).models, compared, strict=True)
        ],
        "model": {
            "width": list(config.width),
            "grid_size": list(config.grid_size),
            "degree": config.degree,
            "coefficients": estimator._coefficients,
        },
        "training": {
            "stopped": estimator.report_.stopped,
            "message": estimator.report_.message,
            "interrupted": trained.interrupted,
            "steps": estimator.report_.steps,
            "why": list(estimator.search_.sentences),
        },
        "inputs": [{"name": name, "score": score} for name, score in results.ranked_inputs()],
        "formulas": formulas,
        "notes": results.notes,
        "versions": package_versions(),
    }
    return cast("dict[str, object]", plain(facts))


def compared_models(results: FitResults) -> Comparison:
    """Return the comparison on the test rows, the KAN first."""
    prepared = results.prepared
    trained = results.trained
    remark = "interrupted" if trained.interrupted else ""
    count = trained.estimator._coefficients
    own = ModelResult("KAN", trained.score, count, trained.seconds, trained.error, remark)
    # The others, each with the standard error of its difference from the KAN on the same test rows.
    observed = prepared.y[prepared.test]
    others = [one.beside(observed, trained.prediction, prepared.task) for one in results.baselines]
    metric = METRICS[MEASURED[prepared.task][0]]
    rows = f"the {counted(len(prepared.test), 'test row')}"
    comparison = Comparison([own, *others], metric.name, metric.is_share, metric.higher_is_better, rows)
    if trained.probabilities is None or not others:
        return comparison
    # The verdict on classifiers is that of their log losses, which tell models apart on fewer rows than accuracies do.
    ours = row_losses(observed, trained.probabilities, np.array(prepared.labels, dtype=prepared.y.dtype))
    return by_losses(comparison, [ours, *(one.losses for one in results.baselines)])


# The report


def report_content(results: FitResults) -> ReportContent:
    """Return the content of the report, with its figures."""
    job = results.job
    prepared = results.prepared
    trained = results.trained
    estimator = trained.estimator
    explanation = results.kept("explanation", lambda: explain_rows(results))
    drawn = report_figures(results, explanation)
    # What the command line knows beside the estimator: the table, the other models and the formulas.
    source = prepared.source.table.source
    if prepared.large is not None:
        source = job.data
    summary = [fit_sentence(estimator, f", on {counted(prepared.training_rows, 'row')} of {source}")]
    if trained.interrupted:
        summary.append(INTERRUPTED)
    # The sections that only some reports have.
    given: dict[str, Any] = {}
    fronts = []
    if explanation is None:
        given["inputs"] = results.ranked_inputs()[: SETTINGS.shown_inputs]
    if results.formulas is not None:
        listed = results.formulas.formulas
        fronts.append(listed.front)
        given["formula_rows"] = formula_rows(listed.front)
        given["formulas"] = results.formulas.sentences()
    if prepared.target == prepared.source.target:  # the background of a packaged table is about its own target
        given["background"] = prepared.source.background
    # The page itself, which the estimator's own report shares.
    columns = estimator.encoder_.columns
    count = counted(len(columns), "input")
    return page_content(
        estimator,
        results.figure_codes(),
        judged_rows(results),
        explanation,
        fronts,
        title=f"{prepared.target}, predicted from {count}",
        summary=summary,
        comparison=compared_models(results),
        figures=drawn,
        data={
            "table": job.data,
            "rows in the table": prepared.table_rows,
            "columns in the table": len(prepared.source.table.names),
            "target": prepared.target,
            "inputs": len(columns),
            "split": split_sentence(job, prepared),
        },
        split={"training": prepared.training_rows, "test": len(prepared.test)},
        notes=results.notes,
        training={**training_facts(estimator), "seconds": round(trained.seconds, 1)},
        command=job.command,
        seed=job.seed,
        **given,
    )


def judged_rows(results: FitResults) -> JudgedRows:
    """Return the test rows with the predictions of the KAN; its classes are those of the whole table."""
    prepared = results.prepared
    trained = results.trained
    name = METRICS[MEASURED[prepared.task][0]].name
    classes: list[Any] = []
    if prepared.labels:
        classes = list(np.array(prepared.labels, dtype=prepared.y.dtype))
    score = Score(name, trained.score, trained.error)
    return JudgedRows(score, prepared.y[prepared.test], trained.prediction, classes, trained.coverage)


def explain_rows(results: FitResults) -> GlobalExplanation | None:
    """Explain the predictions of the training rows; None where the inputs are constant or the shares overflow."""
    return explained(results.trained.estimator, results.figure_codes())


def report_figures(results: FitResults, explanation: GlobalExplanation | None) -> list[ReportFigure]:
    """Return all figures of the report; figures without formulas and other models are drawn once."""

    def of_model() -> list[ReportFigure]:
        codes = results.figure_codes()
        judged = judged_rows(results)
        return model_figures(results.trained.estimator, results.figure_rows(), codes, judged, explanation)

    figures = results.kept("figures", of_model)
    if results.formulas is None:
        return list(figures)
    front = formula_front(results.formulas.formulas.front, target=results.prepared.target, max_formulas=0)
    return with_formulas(figures, [ReportFigure("formulas", front)])


# The report of a model that was fitted earlier


def write_page(written: Written, source: Source, out: str, screen: Screen) -> None:
    """Write the report of a model, scored on the test rows of its own table, or on all rows of another one."""
    model = open_model(written.model_file)
    if model.response is None or model.target not in source.table.columns:
        raise InputError(f"--data must have the target {model.target!r}, got a table without it: {source.name}")
    # The rows with a known target; of the table of the fit, those that were not trained on.
    table = source.table.take(model.response.known(source.table))
    test = rows_of_test(model, source)
    about = f"{counted(len(table), 'row')} of {os.path.basename(source.name)}"
    if test is not None:
        table = table.take(np.isin(table.rows, test))
        about = f"the {len(table):,} test rows of {os.path.basename(source.name)}"
    elif len(table):
        screen.notes(["The score is too good if the model was trained on any of these rows."])
    # The page of the estimator, for these rows and their targets.
    X, notes = model.inputs(table)
    screen.notes(notes)
    y = model.estimator._task.as_labels(model.response.decode(model.response.encode(table)))
    count = len(model.estimator.encoder_.columns)
    title = f"{model.target}, predicted from {counted(count, 'input')}"
    with screen.drawing():
        model.estimator.report(X=cast(Any, X), y=y, title=title).save(out)
    screen.say(f"Wrote {out}: what the model learned, with its score on {about}.")
