"""`edgewise predict`: the predictions of a model for the rows of a table, as CSV."""

from __future__ import annotations

import math

import numpy as np

from edgewise.cli.pde.solution import find_solution_folder, write_fields
from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.model import Model, open_model, predict_rows
from edgewise.cli.shared.source import open_source, write_csv
from edgewise.cli.table.results import predictions_csv
from edgewise.cli.table.training import LEVEL, has_intervals
from edgewise.compare.baselines import measures
from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.tables import Table


def write_predictions(
    model: str, data: str, out: str | None, delimiter: str | None, screen: Screen, *, std: bool = False
) -> None:
    """Predict every row and write the CSV to the file `out`, or to stdout; sentences go to the screen.

    With `std` there are columns for the standard deviation and the 90 % interval of each prediction. For a folder of
    `edgewise solve` the CSV holds the fields of the solution at the points of the table.
    """
    folder = find_solution_folder(model)
    if folder is not None:
        if std:
            raise InputError("--std needs a model of a table, got a solution of a differential equation")
        write_fields(folder, data, out, delimiter, screen)
        return
    opened = open_model(model)
    estimator = opened.estimator
    if std and isinstance(estimator, KANClassifier):
        raise InputError("--std needs a model that predicts a number, got classes; see their columns p(...) instead")
    if std and estimator.error_bars_ is None:
        raise InputError(f"--std needs a model with error bars. {estimator.error_bars_message_}")
    table = open_source(data, delimiter).table
    X, notes = opened.inputs(table)
    prediction, probabilities = predict_rows(estimator, X, opened.labels)
    screen.notes(notes)
    screen.say(_score_sentence(opened, table, prediction))
    extra: dict[str, np.ndarray] = {}
    if std and isinstance(estimator, KANRegressor):
        extra["std"] = estimator.predict(X, return_std=True)[1]
        if has_intervals(estimator):
            low, high = estimator.predict_interval(X, LEVEL)
            extra |= {f"low {100 * LEVEL:.0f} %": low, f"high {100 * LEVEL:.0f} %": high}
    text = predictions_csv(table.rows, prediction, probabilities, opened.labels, extra=extra)
    write_csv(text, out)
    if out is not None:
        screen.say(f"Wrote {out}: {table.n_rows:,} predictions of {opened.target!r}.")


def _score_sentence(model: Model, table: Table, prediction: np.ndarray) -> str:
    """Return a sentence on the accuracy of the predictions, where the table has the target."""
    sentence = f"Predicted {table.n_rows:,} rows."
    if model.encoder is None or model.target not in table.columns:
        return sentence
    try:
        known = model.encoder.rows_with_target(table)
        codes = model.encoder.encode_target(table.take(known))
    except InputError:  # a class that did not occur in training, or text: the predictions stand without a score
        return sentence
    if not known.any():
        return sentence
    # Compared by code, since labels may be numbers in the table and text in the estimator.
    position = {label: i for i, label in enumerate(model.labels)}
    predicted = np.array([position[label] for label in prediction.tolist()]) if model.labels else prediction
    scores = measures(model.encoder.task, codes, predicted[known])
    name, value = next(iter(scores.items()))
    if math.isnan(value):
        return sentence
    score = f"R² {value:.4g}, RMSE {scores['rmse']:.4g}" if name == "r2" else f"accuracy {100 * value:.1f} %"
    return f"{sentence} On the {int(known.sum()):,} rows with a known {model.target!r}: {score}."
