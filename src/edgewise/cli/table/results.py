"""The files of a fit: the model, its metrics, the predictions of the test rows, and the report, also after the fit."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

import edgewise
from edgewise.cli.shared.folder import ResultFolder
from edgewise.cli.shared.model import open_model, prediction_columns, rows_of_test
from edgewise.cli.shared.opening import Written
from edgewise.cli.shared.preparation import FitJob, PreparedTable, split_sentence
from edgewise.cli.shared.source import Source, columns_csv
from edgewise.cli.table.training import FitFormulas, TrainedModel
from edgewise.cli.terminal.console import Screen
from edgewise.compare.baselines import BaselineResult
from edgewise.errors import InputError
from edgewise.estimator import KANRegressor, save_estimator
from edgewise.estimator.reporting import (
    alike_sentences,
    class_results,
    compared_figures,
    error_sentences,
    explained,
    explanation_figures,
    explanation_parts,
    inference_parts,
    network_figures,
    package_versions,
)
from edgewise.files import write_bytes
from edgewise.interpret.attribution.effects import mean_contributions
from edgewise.interpret.attribution.explanations import GlobalExplanation, constant_sentence
from edgewise.metrics import MEASURED, METRICS, paired_error
from edgewise.plot import formula_front
from edgewise.presentation import counted
from edgewise.report.content import ModelResult, ReportContent, ReportFigure, formula_rows
from edgewise.report.page import write_report
from edgewise.tables import Table

TITLES = {
    "linear": {"regression": "Ridge regression", "classification": "Logistic regression"},
    "boosting": {"regression": "Gradient boosting, defaults", "classification": "Gradient boosting, defaults"},
}
INTERRUPTED = "The training was interrupted; the model is the best one up to then."
SHOWN_INPUTS = 20  # in the report: metrics.json lists all inputs
FIGURE_ROWS = 2_000  # training rows for figures and scores: more would not change them visibly


@dataclass(frozen=True, eq=False)
class FitResults:
    """Everything that a fit gives."""

    job: FitJob  # the options
    prepared: PreparedTable  # the table
    trained: TrainedModel  # the KAN
    baselines: Sequence[BaselineResult]  # the other models
    formulas: FitFormulas | None = None  # formulas of a numeric target
    is_interrupted: bool = False  # whether Ctrl-C ended a stage, so that nothing else is begun
    _drawn: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def notes(self) -> list[str]:
        """All sentences about the table, the training and the comparison."""
        return [*self.prepared.notes, *self.trained.notes, *(note for one in self.baselines for note in one.notes)]

    def figure_rows(self) -> Table:
        """Return the training rows for figures and scores, evenly picked if there are many."""
        rows = self.prepared.train
        return self.prepared.frame[rows[np.linspace(0, len(rows) - 1, min(FIGURE_ROWS, len(rows))).astype(int)]]

    def figure_codes(self) -> np.ndarray:
        """Return these rows as numbers, one for each column; see `InputEncoder.codes`."""
        return self.trained.estimator.encoder_.codes(self.figure_rows())

    def constant_sentence(self) -> str:
        """Return a sentence about a model that gives all rows the same prediction, else ""."""
        estimator = self.trained.estimator
        with np.errstate(invalid="ignore", over="ignore"):
            return constant_sentence(estimator._predicted(self.figure_codes()), estimator._answer_names())

    def ranked_inputs(self) -> list[tuple[str, float]]:
        """Return the names of the inputs and by how much each moves a prediction on average, the strongest first."""

        def ranked() -> list[tuple[str, float]]:
            estimator = self.trained.estimator
            with np.errstate(invalid="ignore", over="ignore"):  # predictions of huge targets may overflow
                sizes = mean_contributions(estimator._predicted, self.figure_codes()).tolist()
            return sorted(zip(estimator.encoder_.columns, sizes, strict=True), key=lambda pair: -pair[1])

        return cast("list[tuple[str, float]]", self.kept("ranking", ranked))

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` gives, computed once for these results and those that are made of them by `replace`."""
        if name not in self._drawn:
            self._drawn[name] = make()
        return self._drawn[name]

    def write(self, folder: ResultFolder, *, report: Literal["draw", "keep", "none"] = "draw") -> list[str]:
        """Write all four files or none, and return their names; raise FileError.

        The report, whose figures take most of the time, is drawn, kept as an earlier one is, or removed.
        """
        prepared = self.prepared
        trained = self.trained
        content, summary = report_content(self, figures=True) if report == "draw" else None, metrics(self)
        predictions = self.predictions_csv()
        stored = ("edgewise", "data", "command", "score", "metrics", "rows", "inputs", "formulas")
        extra = {"table": prepared.encoder.to_json(), "fit": {key: summary[key] for key in stored}}
        files: dict[str, Callable[[Path], object]] = {
            "model.safetensors": lambda path: save_estimator(trained.estimator, path, extra=extra),
            "predictions.csv": lambda path: write_bytes(path, predictions.encode()),
        }
        if content is not None:
            files["report.html"] = lambda path: write_report(content, path)
        # Last, since this file marks a folder with complete results.
        files["metrics.json"] = lambda path: write_bytes(path, (json.dumps(summary, indent=2) + "\n").encode())
        folder.write(files, keep=("report.html",) if report == "keep" else ())
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
    """Return everything about the fit as plain JSON, with null for a number that is undefined."""
    job = results.job
    prepared = results.prepared
    trained = results.trained
    estimator = trained.estimator
    config = trained.estimator.model_.config
    compared: list[TrainedModel | BaselineResult] = [trained, *results.baselines]
    return {
        "edgewise": edgewise.__version__,
        "data": job.data,
        "command": job.command,
        "target": prepared.target,
        "task": prepared.task,
        "classes": list(prepared.encoder.classes),
        "rows": {"table": prepared.table_rows, "training": prepared.training_rows, "test": len(prepared.test)},
        "split": {"seed": job.seed, "test": job.test, "group": prepared.group},
        "score": {
            "name": next(iter(trained.metrics)),
            "value": _finite(trained.score),
            "error": _finite(trained.error),
        },
        "metrics": {name: _finite(value) for name, value in trained.metrics.items()},
        "comparison": [
            {
                "model": row.name,
                "score": row.score,
                "standard_error": row.error,
                "parameters": row.parameters,
                "seconds": round(one.seconds, 3),
                "metrics": {name: _finite(value) for name, value in one.metrics.items()},
                "settings": dict(one.settings) if isinstance(one, BaselineResult) else {},
            }
            for row, one in zip(compared_models(results), compared, strict=True)
        ],
        "model": {
            "width": list(config.width),
            "grid_size": list(config.grid_size),
            "degree": config.degree,
            "parameters": estimator.parameter_count_,
        },
        "training": {
            "stopped": estimator.report_.stopped,
            "message": estimator.report_.message,
            "interrupted": trained.interrupted,
            "steps": estimator.report_.steps,
            "why": list(estimator.search_.sentences),
        },
        "inputs": [{"name": name, "score": _finite(score)} for name, score in results.ranked_inputs()],
        "formulas": None if results.formulas is None else results.formulas.facts(),
        "notes": results.notes,
        "versions": package_versions(),
    }


def compared_models(results: FitResults) -> list[ModelResult]:
    """Return the comparison on the test rows, the KAN first."""
    prepared = results.prepared
    trained = results.trained
    task = results.prepared.task
    rows = [
        ModelResult(
            "KAN",
            _finite(trained.score),
            trained.estimator.parameter_count_,
            trained.seconds,
            _finite(trained.error),
            "interrupted" if trained.interrupted else "",
        )
    ]
    for one in results.baselines:
        gap = None
        if one.prediction is not None:
            observed = prepared.y[prepared.test]
            gap = _finite(paired_error(MEASURED[task][0], observed, trained.prediction, one.prediction))
        if math.isnan(one.score) and not one.metrics:
            remark = "could not be fitted"
        else:
            remark = ""
        name = TITLES[one.name][task]
        score = _finite(one.score)
        error = _finite(one.error)
        rows.append(ModelResult(name, score, one.parameters, one.seconds, error, remark, gap))
    return rows


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


# The report


def report_content(results: FitResults, *, figures: bool = False) -> ReportContent:
    """Return the content of the report, with or without its figures."""
    job = results.job
    prepared = results.prepared
    trained = results.trained
    estimator = trained.estimator
    target = prepared.target
    metric = METRICS[MEASURED[prepared.task][0]]
    config = estimator.model_.config
    count = len(prepared.encoder.columns)
    if figures:
        explanation = results.kept("explanation", lambda: explain_rows(results))
    else:
        explanation = None
    if results.formulas is None:
        listed = None
    else:
        listed = results.formulas.formulas
    if prepared.large is not None:
        source = job.data
    else:
        source = prepared.source.table.source
    if prepared.labels:
        predicted = f"{len(prepared.labels)} classes of {target!r}"
    else:
        predicted = repr(target)
    summary = [
        f"A Kolmogorov-Arnold network ({estimator._shape_text()}) learned to predict {predicted} from {count} "
        f"input{'s' if count > 1 else ''}, on {prepared.training_rows:,} rows of {source}."
    ]
    training: dict[str, object] = {
        "shape": str(list(config.width)),
        "knot intervals per edge": ", ".join(map(str, sorted(set(config.grid_size)))),
        "degree of the splines": config.degree,
        "parameters": estimator.parameter_count_,
        "choice of the model": list(estimator.search_.sentences),
        "candidates tried": len(estimator.search_.trials),
        "end of the training": estimator.report_.message,
        "seconds": round(trained.seconds, 1),
    }
    errors: list[str] = []
    if isinstance(estimator, KANRegressor):
        training["error bars"] = estimator.error_bars_message_
        errors = error_sentences(trained.metrics["rmse"], target, trained.coverage)
    return ReportContent(
        title=f"{target}, predicted from {count} input{'s' if count > 1 else ''}",
        summary=[*summary, *([INTERRUPTED] if trained.interrupted else [])],
        # The background of a packaged table is about its own target.
        background=prepared.source.background if target == prepared.source.target else (),
        models=compared_models(results),
        score_name=metric.name,
        score_percent=metric.is_share,
        errors=errors,
        classes=class_results(prepared.labels, prepared.y[prepared.test], trained.prediction),
        **(explanation_parts(explanation) or {"inputs": results.ranked_inputs()[:SHOWN_INPUTS]}),
        **inference_parts(estimator),
        formula_rows=() if listed is None else formula_rows(listed.front, listed.chosen),
        formulas=() if results.formulas is None else results.formulas.sentences(),
        figures=report_figures(results, explanation) if figures else (),
        data={
            "table": job.data,
            "rows in the table": prepared.table_rows,
            "columns in the table": len(prepared.source.table.names),
            "target": target,
            "inputs": count,
            "split": split_sentence(job, prepared),
        },
        split={"training": prepared.training_rows, "test": len(prepared.test)},
        notes=results.notes,
        training=training,
        versions=package_versions(),
        cautions=alike_sentences(results.figure_codes(), prepared.encoder.inputs),
        command=job.command,
        seed=job.seed,
    )


def explain_rows(results: FitResults) -> GlobalExplanation | None:
    """Explain the predictions of the training rows; None where the inputs are constant or the shares overflow."""
    return explained(results.trained.estimator, results.figure_codes())


def report_figures(results: FitResults, explanation: GlobalExplanation | None) -> list[ReportFigure]:
    """Return all figures of the report; those that do not depend on formulas and other models are drawn once."""
    figures: list[ReportFigure] = list(results.kept("figures", lambda: own_figures(results, explanation)))
    if results.formulas is not None:
        formulas = results.formulas.formulas
        figure = formula_front(formulas.front, chosen=formulas.chosen, target=results.prepared.target, max_formulas=0)
        place = next(i for i, one in enumerate(figures) if one.kind == "network")
        figures.insert(place, ReportFigure("formulas", figure))
    return figures


def own_figures(results: FitResults, explanation: GlobalExplanation | None) -> list[ReportFigure]:
    """Draw the figures of the KAN alone."""
    prepared = results.prepared
    trained = results.trained
    if prepared.labels:
        classes = list(np.array(prepared.labels, dtype=prepared.y.dtype))
    else:
        classes = []
    return [
        *compared_figures(classes, prepared.y[prepared.test], trained.prediction),
        *explanation_figures(trained.estimator, results.figure_codes(), explanation),
        *network_figures(trained.estimator, results.figure_rows()),
    ]


# The report of a model that was fitted earlier


def write_page(written: Written, source: Source | None, out: str, screen: Screen) -> None:
    """Write the report of a model, scored on the test rows of its own table, or on all rows of another one."""
    model = open_model(written)
    X: Any = None
    y: np.ndarray | None = None
    about = "held-out rows of the training"
    if source is not None:
        if model.encoder is None or model.target not in source.table.columns:
            raise InputError(f"--data must have the target {model.target!r}, got a table without it: {source.name}")
        table = source.table.take(model.encoder.rows_with_target(source.table))
        test = rows_of_test(model, source)
        about = f"{counted(len(table), 'row')} of {os.path.basename(source.name)}"
        if test is not None:
            table = table.take(np.isin(table.rows, test))
            about = f"the {len(table):,} test rows of {os.path.basename(source.name)}"
        elif len(table):
            screen.notes(["The score is too good if the model was trained on any of these rows."])
        X, notes = model.inputs(table)
        screen.notes(notes)
        y = model.encoder.encode_target(table)
        if model.labels:
            y = np.asarray(model.encoder.target.decode(y)).astype(model.estimator.classes_.dtype)
    count = len(model.estimator.encoder_.columns)
    title = f"{model.target}, predicted from {counted(count, 'input')}"
    with screen.waiting("Drawing the figures of the report"):
        model.estimator.report(X=X, y=y, title=title).save(out)
    screen.say(f"Wrote {out}: what the model learned, with its score on {about}.")
    screen.result({"wrote": out, "of": str(written.file)})
