"""MODEL on the command line: a model file, or the folder that `edgewise fit --out` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.cli.shared.preparation import collect_warnings
from edgewise.cli.shared.source import finite_columns
from edgewise.errors import CheckpointError
from edgewise.estimator import KANClassifier, KANRegressor, load_estimator
from edgewise.tables import Table, TableEncoder

LEVEL = 0.9  # coverage of the prediction intervals; a choice


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted estimator with the rules to read a table for it.

    Parameters
    ----------
    path : Path
        The model file.
    estimator : KANRegressor or KANClassifier
        The fitted estimator.
    encoder : TableEncoder or None
        Rules from columns to inputs; None for an estimator that was saved from Python.
    fit_facts : dict
        Facts that `edgewise fit` stored: scores, numbers of rows, command.
    """

    path: Path
    estimator: KANRegressor | KANClassifier
    encoder: TableEncoder | None
    fit_facts: dict[str, Any]

    @property
    def labels(self) -> tuple[int | str, ...]:
        """Classes in the order of the probabilities; empty for regression."""
        if not isinstance(self.estimator, KANClassifier):
            return ()
        if self.encoder is None:
            return tuple(self.estimator.classes_.tolist())
        return tuple(str(label) if isinstance(label, float) else label for label in self.encoder.classes)

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the inputs; None if the model was trained without names."""
        if self.encoder is not None:
            return self.encoder.feature_names
        names = getattr(self.estimator, "feature_names_in_", None)
        return None if names is None else tuple(map(str, names))

    @property
    def target(self) -> str:
        """Name of the column that is predicted."""
        return "prediction" if self.encoder is None else self.encoder.target.name

    @property
    def output_count(self) -> int:
        """Number of outputs of the network."""
        return self.estimator.model_.config.width[-1]

    @property
    def output_names(self) -> list[str] | None:
        """Names of the outputs: the classes or the target; None for several numbers."""
        return [str(label) for label in self.labels] or ([self.target] if self.output_count == 1 else None)

    def inputs(self, table: Table) -> tuple[np.ndarray, list[str]]:
        """Return X (n_rows, d) for a table, and sentences about missing and unknown values.

        Raises
        ------
        InputError
            A column is missing, or holds another kind of values than in training.
        """
        with collect_warnings() as notes:
            if self.encoder is not None:
                X, _ = self.encoder.transform(table)
            else:
                X = finite_columns(table, self.names, self.estimator.n_features_in_, "of the training data")
        return X, notes


def open_model(path: Path) -> Model:
    """Open a model.

    Raises
    ------
    FileError, CheckpointError
        The file does not contain an estimator.
    """
    estimator, extra = load_estimator(path)
    assert isinstance(estimator, KANRegressor | KANClassifier)
    encoder = None
    if "table" in extra:
        encoder = TableEncoder.from_json(extra["table"])
        expected, count = estimator.n_features_in_, len(encoder.feature_names)
        if expected != count or isinstance(estimator, KANClassifier) != (encoder.task == "classification"):
            raise CheckpointError(
                f"model file {path} must describe a table with {expected} inputs for its network, got one with {count} "
                f"for {encoder.task}"
            )
    facts = extra.get("fit")
    return Model(path, estimator, encoder, facts if isinstance(facts, dict) else {})


def predict_rows(
    estimator: KANRegressor | KANClassifier, X: np.ndarray, labels: Sequence[int | str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return predictions (N,) and, for classes, probabilities (N, C) with columns in the order of `labels`.

    A class that the estimator was not trained on has probability 0.
    """
    if isinstance(estimator, KANRegressor):
        return np.asarray(estimator.predict(X)), None
    column_of = {label: i for i, label in enumerate(estimator.classes_.tolist())}
    known = estimator.predict_proba(X)
    probabilities = np.zeros((len(X), len(labels)))
    for column, label in enumerate(labels):
        if label in column_of:
            probabilities[:, column] = known[:, column_of[label]]
    return np.array(labels, dtype=estimator.classes_.dtype)[probabilities.argmax(1)], probabilities


def prediction_columns(
    target: str,
    prediction: np.ndarray,
    probabilities: np.ndarray | None,
    labels: Sequence[int | str],
    interval: tuple[np.ndarray, np.ndarray] | None,
) -> dict[str, Sequence[object]]:
    """Return the columns of a file of predictions: the prediction, its 90 % interval, and p(class) for each class."""
    columns: dict[str, Sequence[object]] = {f"predicted {target}": prediction.tolist()}
    if interval is not None:
        low, high = interval
        columns |= {f"low {100 * LEVEL:.0f} %": low.tolist(), f"high {100 * LEVEL:.0f} %": high.tolist()}
    if probabilities is not None:
        shares = [[f"{p:.6g}" for p in column] for column in probabilities.T.tolist()]
        columns |= {f"p({label})": column for label, column in zip(labels, shares, strict=True)}
    return columns


def has_intervals(estimator: KANRegressor) -> bool:
    """Return True if enough rows were held out in training to calibrate the 90 % intervals."""
    bars = getattr(estimator, "error_bars_", None)
    return bars is not None and float(bars.levels[-1].min()) >= LEVEL
