"""`edgewise predict`: values of a model, a solution or a formula for the rows of a table, as CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.cli.pde.solution import open_solution, outside_sentence, solution_points
from edgewise.cli.shared.formulas import FormulaFile
from edgewise.cli.shared.model import LEVEL, Model, has_intervals, open_model, predict_rows, prediction_columns
from edgewise.cli.shared.opening import Kind, Written
from edgewise.cli.shared.preparation import collect_warnings
from edgewise.cli.shared.source import column_at, columns_csv, decimals, write_csv
from edgewise.cli.terminal.console import Screen
from edgewise.compare.baselines import measures
from edgewise.errors import InputError
from edgewise.estimator import KANClassifier, KANRegressor
from edgewise.presentation import counted, number_text
from edgewise.tables import Table

Columns = dict[str, Sequence[object]]


def write_predictions(
    written: Written, table: Table, screen: Screen, *, out: str | None = None, id: str | None = None, std: bool = False
) -> None:
    """Write the values for every row as CSV to the file `out`, or to stdout; sentences go to the screen.

    A model with error bars gives the 90 % interval of each prediction, and with `std` the standard deviation too; rows
    outside the training data are marked in a column with the names of the columns concerned. A solution gives its
    fields at the points of the table, with a column that marks points outside the domain.
    """
    columns: Columns = {}
    if id is not None:
        columns[id] = column_at(table, id, table.rows, "--id").tolist()
    if std and written.kind is not Kind.model:
        raise InputError(f"--std needs a model of a table, got a {written.kind}")
    facts: dict[str, object] = {}
    if written.kind is Kind.solution:
        values, sentence = _solution_columns(written, table, screen)
    elif written.kind is Kind.formulas:
        values, sentence = _formula_columns(written, table, screen)
    else:
        values, sentence, facts = _model_columns(written, table, screen, std=std)
    for name in values:
        if name in columns:
            raise InputError(f"--id must name another column than those of the predictions, got {name!r}")
    columns |= values
    if screen.json:
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        numbered = [{"row": number} | row for number, row in zip(table.rows.tolist(), rows, strict=True)]
        facts |= {"wrote": out} if out is not None else {"predictions": numbered}
        if out is not None:
            write_csv(columns_csv(table.rows, columns), out)
        screen.result({"model": str(written.file), "rows": table.n_rows, **facts})
        return
    write_csv(columns_csv(table.rows, columns), out)
    if out is not None:
        screen.say(f"Wrote {out}: {sentence}; row 1 is the first one below the names.")


def _solution_columns(written: Written, table: Table, screen: Screen) -> tuple[Columns, str]:
    solution, _ = open_solution(written.file)
    fields = solution.problem.fields
    points = solution_points(solution, table)
    outside = ~solution.problem.domain.contains(points)
    values = np.full((len(points), len(fields)), np.nan)
    values[~outside.numpy()] = solution(points[~outside]).detach().numpy()
    columns: Columns = {}
    for field, column in zip(fields, values.T, strict=True):
        digits = decimals(column)
        columns[field] = [None if math.isnan(value) else round(value, digits) for value in column.tolist()]
    if outside.any():
        screen.notes([outside_sentence(int(outside.sum()), len(points), "have no value: see the column 'outside'")])
        columns["outside"] = outside.int().tolist()
    return columns, f"{', '.join(fields)} at {counted(table.n_rows, 'point')}"


def _formula_columns(written: Written, table: Table, screen: Screen) -> tuple[Columns, str]:
    formulas = FormulaFile.read(written.file)
    X, notes = formulas.inputs(table)
    screen.notes(notes)
    values = [value if math.isfinite(value) else math.nan for value in formulas.formula(X).tolist()]
    undefined = sum(map(math.isnan, values))
    if undefined:
        screen.notes([f"The formula is not defined in {undefined:,} of {counted(len(X), 'row')}."])
    return {f"predicted {formulas.target}": values}, f"{counted(table.n_rows, 'value')} of {formulas.target!r}"


def _model_columns(
    written: Written, table: Table, screen: Screen, *, std: bool
) -> tuple[Columns, str, dict[str, object]]:
    model = open_model(written.file)
    estimator = model.estimator
    if std and isinstance(estimator, KANClassifier):
        raise InputError("--std needs a model that predicts a number, got classes; see their columns p(...) instead")
    if std and estimator.error_bars_ is None:
        raise InputError(f"--std needs a model with error bars. {estimator.error_bars_message_}")
    rows, notes = model.inputs(table)
    interval = deviation = None
    with collect_warnings():  # the notes say it
        prediction, probabilities = predict_rows(estimator, rows, model.labels)
        if isinstance(estimator, KANRegressor) and has_intervals(estimator):
            interval = estimator.predict_interval(rows, LEVEL)
        if std and isinstance(estimator, KANRegressor):
            deviation = estimator.predict(rows, return_std=True)[1]
    score, numbers = _score(model, table, prediction)
    screen.notes(notes)
    screen.say(score)
    columns = prediction_columns(model.target, prediction, probabilities, model.labels, interval)
    if deviation is not None:
        columns["std"] = [float(f"{value:.6g}") for value in deviation.tolist()]
    check = estimator.check_rows(rows)
    if check.flagged.any():
        columns["outside"] = [check.remark(row) for row in range(table.n_rows)]
    facts: dict[str, object] = {"target": model.target, "notes": notes, "score": numbers}
    return columns, f"{counted(table.n_rows, 'prediction')} of {model.target!r}", facts


def _score(model: Model, table: Table, prediction: np.ndarray) -> tuple[str, dict[str, float] | None]:
    """Return a sentence on the accuracy of the predictions, where the table has the target, and its numbers."""
    sentence = f"Predicted {counted(table.n_rows, 'row')}."
    if model.encoder is None or model.target not in table.columns:
        return sentence, None
    try:
        known = model.encoder.rows_with_target(table)
        codes = model.encoder.encode_target(table.take(known))
    except InputError:  # a class that did not occur in training, or text: the predictions stand without a score
        return sentence, None
    if not known.any():
        return sentence, None
    # Compared by code, since labels may be numbers in the table and text in the estimator.
    position = {label: i for i, label in enumerate(model.labels)}
    predicted = np.array([position[label] for label in prediction.tolist()]) if model.labels else prediction
    scores = measures(model.encoder.task, codes, predicted[known])
    name, value = next(iter(scores.items()))
    if math.isnan(value):
        return sentence, None
    score = f"R² {value:.4g}, RMSE {number_text(scores['rmse'])}" if name == "r2" else f"accuracy {100 * value:.1f} %"
    return f"{sentence} On the {counted(int(known.sum()), 'row')} with a known {model.target!r}: {score}.", scores
