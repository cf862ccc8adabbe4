"""MODEL on the command line: a model file, or the folder that `edgewise fit --out` wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewise.cli.shared.job import noted, predict
from edgewise.errors import CheckpointError, InputError
from edgewise.estimator import KANClassifier, load_estimator
from edgewise.tables import Table, TableEncoder
from edgewise.tables.cells import quoted


@dataclass(frozen=True, eq=False)
class Model:
    """An estimator and how to read a table for it. encoder: None for an estimator that was saved from Python."""

    path: Path
    estimator: object
    encoder: TableEncoder | None
    about: dict

    @property
    def labels(self) -> tuple:
        """One per class, in the order of the probabilities; empty for regression."""
        if not isinstance(self.estimator, KANClassifier):
            return ()
        if self.encoder is None:
            return tuple(self.estimator.classes_.tolist())
        return tuple(str(label) if isinstance(label, float) else label for label in self.encoder.classes)

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the inputs, None if the model was trained without any."""
        if self.encoder is not None:
            return self.encoder.feature_names
        found = getattr(self.estimator, "feature_names_in_", None)
        return None if found is None else tuple(map(str, found))

    @property
    def target(self) -> str:
        """The column that is predicted."""
        return "prediction" if self.encoder is None else self.encoder.target.name

    def inputs(self, table: Table) -> tuple[np.ndarray, list[str]]:
        """X (n_rows, d) for the rows of a table, and sentences on what was done about missing and new values.

        Raises InputError where columns are missing or hold something else than in training.
        """
        with noted() as notes:
            if self.encoder is not None:
                X, _ = self.encoder.transform(table)
            else:
                X = plain_columns(table, self.names, self.estimator.n_features_in_)
        return X, notes

    def predict(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Predictions (N,) and, for classes, probabilities (N, C) in the order of `labels`."""
        return predict(self.estimator, X, self.labels)


def model_path(text: str) -> Path:
    """The file that MODEL means."""
    path = Path(text)
    inside = path / "model.safetensors"
    return inside if inside.exists() else path


def open_model(text: str) -> Model:
    """Raises FileError or CheckpointError for anything that is not an estimator's file."""
    path = model_path(text)
    estimator, extra = load_estimator(path)
    extra = extra if isinstance(extra, dict) else {}
    encoder = None
    if "table" in extra:
        encoder = TableEncoder.from_json(extra["table"])
        _check_fits(path, estimator, encoder)
    about = extra.get("fit")
    return Model(path, estimator, encoder, about if isinstance(about, dict) else {})


def _check_fits(path: Path, estimator, encoder: TableEncoder) -> None:
    expected, came = estimator.n_features_in_, len(encoder.feature_names)
    if expected != came or isinstance(estimator, KANClassifier) != (encoder.task == "classification"):
        raise CheckpointError(
            f"model file {path} must describe a table with {expected} inputs for its network, got one with {came} "
            f"for {encoder.task}"
        )


def plain_columns(
    table: Table, names: tuple[str, ...] | None, count: int, of: str = "of the training data"
) -> np.ndarray:
    """The columns by name, or all of them in their order; numbers without gaps, for there is no rule to fill them.

    of: whose columns they are, for a sentence.
    """
    chosen = table.names if names is None else names
    lacking = [name for name in chosen if name not in table.names]
    if lacking:
        raise InputError(f"{table.source} must have the {count} columns {of}, got no {quoted(lacking[0])}")
    if len(chosen) != count:
        raise InputError(f"{table.source} must have {count} columns, as in training, got {len(chosen)}")
    for name in chosen:
        column = table.columns.get(name)
        if column is None or column.dtype == object or not np.isfinite(column).all():
            raise InputError(f"column {quoted(name)} must hold finite numbers in every row, got something else")
    return np.stack([table.columns[name] for name in chosen], axis=1)
