"""`edgewise predict`: a model and a table to predictions as CSV."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgewise.cli.pde.solution import solution_folder, solution_predict
from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.job import LEVEL
from edgewise.cli.shared.model import Model, open_model
from edgewise.cli.shared.source import open_source
from edgewise.cli.table.results import table_csv
from edgewise.compare.baselines import measures
from edgewise.errors import InputError
from edgewise.files import write_bytes
from edgewise.tables import Table


def predict(
    model: str, data: str, out: str | None, delimiter: str | None, screen: Screen, emit: Callable, *, std: bool = False
) -> None:
    """Predicts every row; the CSV goes to the file `out`, or to `emit`. What there is to say goes to the screen.

    std: adds the standard deviation of each prediction and the ends of its 90 % interval. A folder of `edgewise solve`
    gives its fields at the points of the table.
    """
    folder = solution_folder(model)
    if folder is not None:
        if std:
            raise InputError("--std needs a model of a table, got a solution of a differential equation")
        solution_predict(folder, data, out, delimiter, screen, emit)
        return
    opened = open_model(model)
    if std:
        _check_bars(opened)
    table = open_source(data, delimiter).table
    X, notes = opened.inputs(table)
    prediction, probabilities = opened.predict(X)
    screen.notes(notes)
    screen.say(_score(opened, table, prediction, probabilities))
    text = table_csv(table.rows, prediction, probabilities, opened.labels, extra=_bars(opened, X) if std else {})
    if out is None:
        emit(text)
        return
    write_bytes(out, text.encode())
    screen.say(f"Wrote {out}: {table.n_rows:,} predictions of {opened.target!r}.")


def _check_bars(model: Model) -> None:
    if model.labels:
        raise InputError(
            "--std needs a model that predicts a number, got classes: their columns p(...) tell how sure it is"
        )
    if model.estimator.error_bars_ is None:
        raise InputError(f"--std needs a model with error bars. {model.estimator.error_bars_message_}")


def _bars(model: Model, X: np.ndarray) -> dict[str, np.ndarray]:
    """Columns: the standard deviation and, where enough rows were held out, the ends of the interval."""
    found = {"std": model.estimator.predict(X, return_std=True)[1]}
    if float(model.estimator.error_bars_.levels[-1].min()) >= LEVEL:
        low, high = model.estimator.predict_interval(X, LEVEL)
        found |= {f"low {100 * LEVEL:.0f} %": low, f"high {100 * LEVEL:.0f} %": high}
    return found


def _score(model: Model, table: Table, prediction: np.ndarray, probabilities) -> str:
    """A sentence on how good the predictions are, where the table has the target."""
    rows = f"Predicted {table.n_rows:,} rows."
    if model.encoder is None or model.target not in table.names or model.target in table.refused:
        return rows
    try:
        known = model.encoder.rows_with_target(table)
        codes = model.encoder.encode_target(table.take(known))
    except InputError:  # a class that training did not have, or text: the predictions stand without a score
        return rows
    if not known.any():
        return rows
    # Compared by code: labels of classes may be numbers in the table and text in the estimator.
    position = {label: i for i, label in enumerate(model.labels)}
    said = np.array([position[label] for label in prediction.tolist()]) if model.labels else prediction
    found = measures(model.encoder.task, codes, said[known])
    name, value = next(iter(found.items()))
    if math.isnan(value):
        return rows
    shown = f"R² {value:.4g}, RMSE {found['rmse']:.4g}" if name == "r2" else f"accuracy {100 * value:.1f} %"
    return f"{rows} On the {int(known.sum()):,} with a known {model.target!r}: {shown}."
