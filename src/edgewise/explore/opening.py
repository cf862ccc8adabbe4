"""Files that the explorer opens: a model with the facts stored with it, and the table that judges."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from edgewise import checkpoint
from edgewise.checkpoint import codec, container
from edgewise.checks import check_kind, json_object
from edgewise.datasets import knots_path
from edgewise.errors import FileError, InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.estimator.storage import load_estimator
from edgewise.files.folders import MODEL_FILE, current_file
from edgewise.files.whole import reason
from edgewise.nn.model import KAN
from edgewise.tables import Table, read_table
from edgewise.tables.target import Target


def read_model(path: str | os.PathLike[str]) -> tuple[Any, dict[str, Any]]:
    """Return the network or estimator in a file or folder, and the facts stored with it that outlast edits."""
    file = Path(path)
    if file.is_dir():
        file = current_file(file, MODEL_FILE)
    stored = checkpoint.read(file)
    if "estimator" not in stored.extra:
        check_kind(stored.model, KAN, f"model in {file} must be a KAN")
        return stored.model, dict(stored.extra)
    estimator, facts = load_estimator(file)
    facts = dict(facts)
    of_fit = json_object(facts.get("fit"))
    if of_fit:
        # Facts of `edgewise fit` about the unedited model, which are not true of an edited one.
        facts["fit"] = {name: fact for name, fact in of_fit.items() if name not in ("score", "metrics", "formulas")}
    return estimator, facts


def rows_of(model: Any, facts: dict[str, Any], data: str | os.PathLike[str] | Table) -> tuple[Any, np.ndarray | None]:
    """Return the rows and targets of a table as a model reads them; rows without a target are left out.

    The facts are those of `read_model`; "knots" is the packaged table. The targets are None where the table has none.
    FileError or InputError where the table is not readable or does not fit the model.
    """
    if isinstance(data, Table):
        table = data
    else:
        with knots_path() if os.fspath(data) == "knots" else nullcontext(data) as path:
            table = read_table(path)
    if isinstance(model, KAN):
        return _numbers(table, model)
    names: tuple[str, ...] = tuple(getattr(model, "target_names_", ()) or ())
    if "target" in facts:
        with container.errors_of_file("model", "of the explorer"):
            target = codec.read(Target, facts["target"], "target")
        if target.name in table.columns:
            table = table.take(target.known(table))
            y = model._task.as_labels(target.decode(target.encode(table)))
            return table.select(model._columns_of_rows), y
    elif len(names) == 1 and names[0] in table.columns:
        y = table.columns[names[0]]
        known = np.array([cell is not None and cell == cell for cell in y.tolist()])
        table = table.take(known)
        y = y[known]
        if y.dtype == object and model._task.kind == "regression":
            raise InputError(f"column {names[0]!r} must hold numbers, as in training, got text")
        return _inputs(table, model), model._task.as_labels(y)
    return _inputs(table, model), None


def made_folder(path: str) -> None:
    """Make a folder, unless it is there already; raise FileError."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder {path}: {reason(error)}") from error


def _inputs(table: Table, model: KANRegressor | KANClassifier) -> Any:
    """Return the columns by name, or all of them in order for a model that was fitted without names."""
    if hasattr(model, "feature_names_in_"):
        model.encoder_.check_columns(table)
        return table.select(model._columns_of_rows)
    count = model.n_features_in_
    if len(table.names) < count:
        raise InputError(f"the table must have {count} columns of inputs, got {len(table.names)}")
    return table.select(table.names[:count])


def _numbers(table: Table, network: KAN) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the first columns as inputs of a network, and the next ones as its targets, if there are any."""
    inputs = network.config.width[0]
    outputs = network.config.width[-1]
    if len(table.names) not in (inputs, inputs + outputs):
        raise InputError(
            f"the table must have {inputs} columns of inputs, or {inputs + outputs} with targets, "
            f"got {len(table.names)}"
        )
    columns = [table.columns[name] for name in table.names if name in table.columns]
    if len(columns) < len(table.names) or any(column.dtype.kind != "f" for column in columns):
        raise InputError("the table must hold numbers alone for a network without an estimator, got text or dates")
    values = np.column_stack(columns)
    values = values[np.isfinite(values).all(axis=1)]
    return values[:, :inputs], values[:, inputs:] if values.shape[1] > inputs else None
