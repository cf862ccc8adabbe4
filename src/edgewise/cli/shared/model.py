"""MODEL on the command line: a model file, or the folder that `edgewise fit --out` wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.checkpoint import codec, container
from edgewise.checks import json_object
from edgewise.cli.shared.source import Source, decimals, predicted_rows
from edgewise.errors import CheckpointError, InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.estimator.storage import load_estimator
from edgewise.presentation import counted, typed_text
from edgewise.tables import InputEncoder, Table
from edgewise.tables.target import Target

LEVEL = 0.9  # coverage of the prediction intervals


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted estimator with its target."""

    path: Path  # the model file
    estimator: KANRegressor | KANClassifier  # the fitted estimator
    response: Target | None  # the target; None for an estimator that was fitted in Python to plain arrays
    fit_facts: dict[str, Any]  # facts that `edgewise fit` stored: scores, numbers of rows, command

    @property
    def labels(self) -> tuple[int | str, ...]:
        """Classes in the order of the probabilities; empty for regression."""
        if self.response is None:
            return tuple(self.estimator._task.classes.tolist())
        return self.response.labels

    @property
    def encoder(self) -> InputEncoder | None:
        """Rules from columns to inputs of the network; None if the model was trained without names."""
        if self.response is None:
            return None
        return self.estimator.encoder_

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the inputs of the network; None if the model was trained without names."""
        if self.encoder is None:
            return None
        return self.encoder.formula_names

    @property
    def target(self) -> str:
        """Name of the column that is predicted."""
        if self.response is None:
            return "prediction"
        return self.response.name

    @property
    def output_count(self) -> int:
        """Number of outputs of the network."""
        return self.estimator.model_.config.width[-1]

    @property
    def output_names(self) -> list[str] | None:
        """Names of the outputs: the classes or the target; None for several numbers."""
        if self.labels:
            return [str(label) for label in self.labels]
        if self.output_count == 1:
            return [self.target]
        return None

    def inputs(self, table: Table) -> tuple[Table, list[str]]:
        """Return the rows of a table as the estimator reads them, and sentences about rows unlike those of training."""
        encoder = self.estimator.encoder_
        if self.names is None and len(table.names) != len(encoder.names):
            raise InputError(
                f"{table.source} must have {counted(len(encoder.names), 'column')}, as in training, "
                f"got {len(table.names)}"
            )
        if self.names is not None:
            encoder.check_columns(table)
            table = table.select([name for name in table.names if name in self.estimator._columns_of_rows])
        return table, self.estimator.check_rows(table).notes


def open_model(path: Path) -> Model:
    """Open a model."""
    estimator, extra = load_estimator(path)
    assert isinstance(estimator, KANRegressor | KANClassifier)
    # The target as the command line stored it, else as the estimator knows it from a frame.
    response = None
    if "target" in extra:
        with container.errors_of_file("model", path):
            response = codec.read(Target, extra["target"], "target")
        if estimator._task.kind != response.task:
            raise CheckpointError(
                f"model file {path} must have a target for its {type(estimator).__name__}, got one for {response.task}"
            )
    elif estimator._is_named:  # saved from Python, where it was fitted to a frame
        names = estimator.target_names_
        name = names[0] if len(names) == 1 else "prediction"
        task = estimator._task
        response = Target(name, task.kind, tuple(task.classes.tolist()))
    return Model(path, estimator, response, json_object(extra.get("fit")))


def predict_rows(
    estimator: KANRegressor | KANClassifier, X: Table, labels: Sequence[int | str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return predictions (N,) and, for classes, probabilities (N, C) with columns in the order of `labels`.

    A class that the estimator was not trained on has probability 0.
    """
    match estimator:
        case KANRegressor():
            return np.asarray(estimator.predict(X)), None
        case KANClassifier(classes_=classes):
            column_of = {label: i for i, label in enumerate(classes.tolist())}
            trained = estimator.predict_proba(X)
            # The columns of the probabilities in the order of the labels of the table.
            probabilities = np.zeros((len(X), len(labels)))
            for column, label in enumerate(labels):
                if label in column_of:
                    probabilities[:, column] = trained[:, column_of[label]]
            return np.array(labels, dtype=classes.dtype)[probabilities.argmax(1)], probabilities


def prediction_columns(
    target: str,
    prediction: np.ndarray,
    probabilities: np.ndarray | None,
    labels: Sequence[int | str],
    interval: tuple[np.ndarray, np.ndarray] | None,
    digits: int | None = None,
) -> dict[str, Sequence[object]]:
    """Return the columns of a file of predictions: the prediction, its 90 % interval, and p(class) for each class.

    Numbers have `digits` decimals, by default as many as carry information.
    """
    # Numbers with their interval, rounded to the digits that carry information.
    columns: dict[str, Sequence[object]] = {f"predicted {target}": prediction.tolist()}
    if not labels:
        if digits is None:
            digits = decimals(prediction, interval)
        columns = {f"predicted {target}": _rounded(prediction, digits)}
        if interval is not None:
            columns[f"low {100 * LEVEL:.0f} %"] = _rounded(interval[0], digits)
            columns[f"high {100 * LEVEL:.0f} %"] = _rounded(interval[1], digits)
    # Classes with the probability of each.
    if probabilities is not None:
        shares = [[typed_text(p) for p in column] for column in probabilities.T.tolist()]
        columns |= {f"p({label})": column for label, column in zip(labels, shares, strict=True)}
    return columns


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    return [round(value, digits) for value in values.tolist()]


def interval_of_rows(estimator: KANRegressor | KANClassifier, X: Table) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the ends of the 90 % intervals, (N,) each; None for classes, and where too few rows were held out."""
    match estimator:
        case KANRegressor(_highest_level=level) if level >= LEVEL:
            return estimator.predict_interval(X, LEVEL)
        case _:
            return None


def rows_of_test(model: Model, source: Source) -> np.ndarray | None:
    """Return the numbers of the test rows of the fit, if this is its table: same name, same number of rows."""
    facts = model.fit_facts
    rows = json_object(facts.get("rows"))
    if rows.get("table") != source.n_rows:
        return None
    if os.path.basename(str(facts.get("data"))) != os.path.basename(source.name):
        return None
    numbers = predicted_rows(model.path)
    if len(numbers) != rows.get("test"):
        return None
    return numbers
