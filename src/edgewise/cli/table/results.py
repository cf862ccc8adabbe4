"""What a fit leaves behind: model file, metrics, predictions of the test rows, and the content of the report."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import edgewise
from edgewise.cli.shared.folder import ResultFolder
from edgewise.cli.shared.job import Prepared, Trained
from edgewise.cli.shared.source import columns_csv
from edgewise.cli.table.formula import Equations, equation_facts
from edgewise.cli.table.plot import MOST_CLASSES, draw, explanation, seen_rows
from edgewise.compare.baselines import BaselineResult, paired_error
from edgewise.estimator import save_estimator
from edgewise.files import write_bytes
from edgewise.interpret.attribution.scores import input_scores
from edgewise.report import ClassResult, ModelResult, ReportContent, write_report

TITLES = {
    "linear": {"regression": "Ridge regression", "classification": "Logistic regression"},
    "MLP": {"regression": "MLP, 64-64", "classification": "MLP, 64-64"},
    "boosting": {"regression": "Gradient boosting", "classification": "Gradient boosting"},
    "slope rule": {"classification": "Slope rule"},
}
_SHOWN = 20  # inputs in the report's list; metrics.json has them all


@dataclass(frozen=True, eq=False)
class Results:
    """All of a fit. inputs: (name, score), strongest first. equations: None where none were looked for."""

    ready: Prepared
    trained: Trained
    baselines: Sequence[BaselineResult]
    inputs: Sequence[tuple[str, float]]
    equations: Equations | None = None

    @classmethod
    def of(
        cls,
        ready: Prepared,
        trained: Trained,
        baselines: Sequence[BaselineResult],
        equations: Equations | None = None,
    ) -> Results:
        """Ranks the inputs by what the KAN does with the training rows."""
        trace = trained.estimator.trace(seen_rows(ready))
        scores = input_scores(trace).tolist()
        ranked = sorted(zip(ready.encoder.feature_names, scores, strict=True), key=lambda pair: -pair[1])
        return cls(ready, trained, baselines, ranked, equations)

    @property
    def notes(self) -> list[str]:
        """Every sentence there is to say about table, training and comparison."""
        return [*self.ready.notes, *self.trained.notes, *(note for one in self.baselines for note in one.notes)]

    def write(self, folder: ResultFolder) -> None:
        """The four files, all or none. Raises FileError."""
        content = self.content(figures=True)
        folder.write(
            {
                "model.safetensors": self.save_model,
                "predictions.csv": lambda path: write_bytes(path, predictions_csv(self).encode()),
                "report.html": lambda path: write_report(content, path),
                # Last: it marks the folder as one of ours, so it must not be there without the others.
                "metrics.json": lambda path: write_bytes(path, (json.dumps(metrics(self), indent=2) + "\n").encode()),
            }
        )

    def save_model(self, path: Path) -> None:
        """The estimator with what `edgewise predict` and `info` need to know."""
        summary = metrics(self)
        kept = {
            key: summary[key]
            for key in ("edgewise", "data", "command", "score", "metrics", "rows", "inputs", "formulas")
        }
        save_estimator(self.trained.estimator, path, extra={"table": self.ready.encoder.to_json(), "fit": kept})

    def content(self, *, figures: bool = False) -> ReportContent:
        """The report, drawn only if `figures`."""
        ready, trained = self.ready, self.trained
        target, model = ready.encoder.target.name, trained.estimator.model_
        count = len(ready.encoder.feature_names)
        shape = list(model.config.width)
        explained = explanation(ready, trained) if figures else None
        what = f"{len(ready.labels)} classes of {target!r}" if ready.labels else repr(target)
        summary = (
            f"A Kolmogorov-Arnold network of shape {shape} learned to predict {what} from {count} inputs, "
            f"on {len(ready.train):,} rows of {ready.source.table.source}."
        )
        return ReportContent(
            title=f"{target}, predicted from {count} input{'s' if count > 1 else ''}",
            summary=[summary, *([INTERRUPTED] if trained.interrupted else [])],
            background=about(ready),
            models=model_rows(self),
            score_name="accuracy" if ready.labels else "R²",
            score_percent=bool(ready.labels),
            classes=class_results(self),
            inputs=self.inputs[:_SHOWN],
            findings=() if explained is None else explained.sentences,
            formulas=() if self.equations is None else self.equations.sentences(),
            figures=draw(ready, trained, explained, self.equations) if figures else (),
            data={
                "table": ready.job.data,
                "rows in the table": ready.source.table.n_rows,
                "columns in the table": len(ready.source.table.names),
                "target": target,
                "inputs": count,
                "split": split_sentence(ready),
            },
            split={"training": len(ready.train), "test": len(ready.test)},
            notes=self.notes,
            training=training_facts(trained),
            versions=versions(),
            command=ready.job.command,
            seed=ready.job.seed,
        )


def about(ready: Prepared) -> tuple[str, ...]:
    """What a packaged table is about, where it is used for what it is there for."""
    return ready.source.about if ready.encoder.target.name == ready.source.target else ()


INTERRUPTED = "The training was interrupted; the model is the best up to then."


def split_sentence(ready: Prepared) -> str:
    """How rows were divided."""
    how = "at random"
    if ready.grouped:
        how = f"by {ready.grouped!r}, so that no group is on both sides"
    elif ready.labels:
        how = "at random within each class"
    return f"{len(ready.train):,} rows to train, {len(ready.test):,} to test, {how} (seed {ready.job.seed})"


def model_rows(results: Results) -> list[ModelResult]:
    """The comparison, the KAN first."""
    trained, task = results.trained, results.ready.task
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
        remark = "could not be fitted" if math.isnan(one.score) and not one.metrics else ""
        name = TITLES[one.name][task]
        gap = None
        if one.prediction is not None:
            gap = _finite(paired_error(task, results.ready.y[results.ready.test], trained.prediction, one.prediction))
        row = ModelResult(name, _finite(one.score), one.parameters, one.seconds, _finite(one.error), remark, gap)
        rows.append(row)
    return rows


def class_results(results: Results) -> list[ClassResult]:
    """Recall and precision of each class; empty for regression and for very many classes."""
    ready = results.ready
    truth, said = ready.y[ready.test], results.trained.prediction
    found = []
    for label in ready.labels if len(ready.labels) <= MOST_CLASSES else ():
        mine, called = truth == label, said == label
        right = int((mine & called).sum())
        recall = right / int(mine.sum()) if mine.any() else None
        precision = right / int(called.sum()) if called.any() else None
        found.append(ClassResult(str(label), int(mine.sum()), recall, precision))
    return found


def training_facts(trained: Trained) -> dict[str, object]:
    """How the model was found and trained."""
    estimator, config = trained.estimator, trained.estimator.model_.config
    grids = sorted(set(config.grid_size))
    return {
        "shape": str(list(config.width)),
        "knot intervals per edge": ", ".join(map(str, grids)),
        "degree of the splines": config.degree,
        "parameters": estimator.parameter_count_,
        "why this model": " ".join(estimator.search_.sentences),
        "candidates tried": len(estimator.search_.trials),
        "end of the training": estimator.report_.message,
        **({"error bars": _coverage(trained)} if hasattr(estimator, "error_bars_message_") else {}),
        "seconds": round(trained.seconds, 1),
    }


def _coverage(trained: Trained) -> str:
    """How the error bars were calibrated, and the share of test rows within the 90 % intervals."""
    said = trained.estimator.error_bars_message_
    return said if trained.covered is None else f"{said} 90 % intervals cover {trained.covered:.1%} of the test rows."


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"edgewise": edgewise.__version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "scikit-learn"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a copy without metadata
            continue
    return found


def metrics(results: Results) -> dict:
    """metrics.json: everything about the fit in plain JSON; null where a number has no meaning."""
    ready, trained = results.ready, results.trained
    estimator, config = trained.estimator, trained.estimator.model_.config
    return {
        "edgewise": edgewise.__version__,
        "data": ready.job.data,
        "command": ready.job.command,
        "target": ready.encoder.target.name,
        "task": ready.task,
        "classes": list(ready.encoder.classes),
        "rows": {"table": ready.source.table.n_rows, "training": len(ready.train), "test": len(ready.test)},
        "split": {"seed": ready.job.seed, "test": ready.job.test, "group": ready.grouped},
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
                "seconds": round(row.seconds, 3),
                "metrics": {name: _finite(value) for name, value in one.metrics.items()},
                "settings": dict(getattr(one, "settings", {})),
            }
            for row, one in zip(model_rows(results), [trained, *results.baselines], strict=True)
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
        "inputs": [{"name": name, "score": _finite(score)} for name, score in results.inputs],
        "formulas": equation_facts(results.equations),
        "notes": results.notes,
        "versions": versions(),
    }


def predictions_csv(results: Results) -> str:
    """predictions.csv: the test rows with their numbers in the file, truth, prediction and probabilities."""
    ready, trained = results.ready, results.trained
    order = ready.test
    return table_csv(ready.rows[order], trained.prediction, trained.probabilities, ready.labels, truth=ready.y[order])


def table_csv(rows: np.ndarray, prediction: np.ndarray, probabilities, labels: Sequence, truth=None, extra=None) -> str:
    """Predictions as CSV: row, truth (if known), prediction, a column p(class) for each class, and columns by name."""
    columns = {} if truth is None else {"truth": truth.tolist()}
    columns["prediction"] = prediction.tolist()
    if labels:
        shares = [[f"{p:.6g}" for p in column] for column in probabilities.T.tolist()]
        columns |= {f"p({label})": column for label, column in zip(labels, shares, strict=True)}
    columns |= {name: column.tolist() for name, column in (extra or {}).items()}
    return columns_csv(rows, columns)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
