"""`edgewise predict`: values of a model, a solution or a formula for the rows of a table, as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

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
from edgewise.files import write_bytes
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


class _ModelRows:
    """Predictions of a model for one table after another."""

    def __init__(self, written: Written, *, std: bool) -> None:
        self.model = open_model(written.file)
        self.std, self.flagged, self.rows = std, 0, 0
        self.digits: int | None = None
        estimator = self.model.estimator
        if std and isinstance(estimator, KANClassifier):
            raise InputError(
                "--std needs a model that predicts a number, got classes; see their columns p(...) instead"
            )
        if std and estimator.error_bars_ is None:
            raise InputError(f"--std needs a model with error bars. {estimator.error_bars_message_}")

    def columns(self, table: Table, *, is_part: bool = False) -> tuple[Columns, np.ndarray, list[str]]:
        """Return the columns of some rows, the predictions as they are, and sentences about the rows.

        Parts of a table have the decimals of the first one, and a column of rows outside the training data in any case.
        """
        model, estimator = self.model, self.model.estimator
        rows, notes = model.inputs(table)
        interval = deviation = None
        with collect_warnings():  # the notes say it
            prediction, probabilities = predict_rows(estimator, rows, model.labels)
            if isinstance(estimator, KANRegressor) and has_intervals(estimator):
                interval = estimator.predict_interval(rows, LEVEL)
            if self.std and isinstance(estimator, KANRegressor):
                deviation = estimator.predict(rows, return_std=True)[1]
        if is_part and self.digits is None and not model.labels:
            self.digits = decimals(prediction, None if interval is None else interval[1] - interval[0])
        columns = prediction_columns(model.target, prediction, probabilities, model.labels, interval, self.digits)
        if deviation is not None:
            columns["std"] = [float(f"{value:.6g}") for value in deviation.tolist()]
        check = estimator.check_rows(rows)
        self.flagged, self.rows = self.flagged + int(check.flagged.sum()), self.rows + table.n_rows
        if check.flagged.any() or is_part:
            columns["outside"] = [check.remark(row) for row in range(table.n_rows)]
        return columns, prediction, notes


def _model_columns(
    written: Written, table: Table, screen: Screen, *, std: bool
) -> tuple[Columns, str, dict[str, object]]:
    rows = _ModelRows(written, std=std)
    columns, prediction, notes = rows.columns(table)
    score, numbers = _score(rows.model, table, prediction)
    screen.notes(notes)
    screen.say(score)
    facts: dict[str, object] = {"target": rows.model.target, "notes": notes, "score": numbers}
    return columns, f"{counted(table.n_rows, 'prediction')} of {rows.model.target!r}", facts


def write_large(
    written: Written,
    parts: Iterable[Table],
    screen: Screen,
    *,
    out: str | None = None,
    id: str | None = None,
    std: bool = False,
) -> None:
    """Write the predictions of a table that is larger than memory, part by part; a file is written whole or not at all.

    As `write_predictions`, but the decimals are those of the first part, and the column of rows outside the training
    data is there in any case.
    """
    if written.kind is not Kind.model:
        raise InputError(
            f"a table larger than memory needs a model, got a {written.kind}; predict its files one by one"
        )
    if screen.json and out is None:
        raise InputError("--json needs --out for a table larger than memory")
    rows, score = _ModelRows(written, std=std), _RunningScore()

    def pieces() -> Iterator[str]:
        for number, part in enumerate(parts):
            columns: Columns = {} if id is None else {id: column_at(part, id, part.rows, "--id").tolist()}
            values, prediction, _ = rows.columns(part, is_part=True)
            if id in values:
                raise InputError(f"--id must name another column than those of the predictions, got {id!r}")
            score.add(rows.model, part, prediction)
            text = columns_csv(part.rows, columns | values)
            yield text if number == 0 else text.split("\n", 1)[1]

    if out is None:
        for text in pieces():
            write_csv(text, None)
    else:
        write_bytes(out, (text.encode() for text in pieces()))
    notes = []
    if rows.flagged:
        notes = [f"{rows.flagged:,} of {rows.rows:,} rows are not as in training: see the column 'outside'."]
    screen.notes(notes)
    sentence, numbers = score.sentence(rows.model, rows.rows)
    screen.say(sentence)
    facts = {"target": rows.model.target, "notes": notes, "score": numbers, "wrote": out}
    if screen.json:
        screen.result({"model": str(written.file), "rows": rows.rows, **facts})
    elif out is not None:
        screen.say(
            f"Wrote {out}: {counted(rows.rows, 'prediction')} of {rows.model.target!r}; row 1 is the first one below "
            "the names."
        )


class _RunningScore:
    """Measures of predictions that come part by part, as `measures` gives them for all at once."""

    def __init__(self) -> None:
        self.count, self.shift = 0, 0.0
        self.sums = np.zeros(4)  # of y - shift, its square, squared and absolute errors
        self.right: dict[int, np.ndarray] = {}  # by class: rows, and those that are predicted

    def add(self, model: Model, table: Table, prediction: np.ndarray) -> None:
        """Take the rows of a part into account that have a target."""
        known = _known(model, table, prediction)
        if known is None:
            return
        truth, predicted = known
        if model.labels:
            for code in np.unique(truth).tolist():
                mine = truth == code
                right = np.array([mine.sum(), (predicted[mine] == code).sum()])
                self.right[code] = self.right.get(code, 0) + right
        else:
            self.shift = self.shift if self.count else float(truth.mean())  # squares keep their digits
            moved, error = truth - self.shift, truth - predicted
            self.sums += [moved.sum(), (moved**2).sum(), (error**2).sum(), np.abs(error).sum()]
        self.count += len(truth)

    def sentence(self, model: Model, rows: int) -> tuple[str, dict[str, float] | None]:
        """Return the sentence of `_score` and its numbers."""
        numbers: dict[str, float] = {}
        if self.count and model.labels:
            found = np.array(list(self.right.values()))
            numbers = {"accuracy": found[:, 1].sum() / self.count}
            numbers["balanced_accuracy"] = float((found[:, 1] / found[:, 0]).mean())
        elif self.count:
            mean, square, squared, absolute = self.sums / self.count
            spread = square - mean**2
            numbers = {"r2": 1 - squared / spread if spread > 0 else math.nan, "rmse": math.sqrt(squared)}
            numbers["mae"] = absolute
        return _score_sentence(model, rows, self.count, {name: float(value) for name, value in numbers.items()})


def _score(model: Model, table: Table, prediction: np.ndarray) -> tuple[str, dict[str, float] | None]:
    """Return a sentence on the accuracy of the predictions, where the table has the target, and its numbers."""
    known = _known(model, table, prediction)
    scores = {} if known is None or model.encoder is None else measures(model.encoder.task, *known)
    return _score_sentence(model, table.n_rows, 0 if known is None else len(known[0]), scores)


def _known(model: Model, table: Table, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the known targets of a table, classes as codes, and the predictions of their rows; None without any."""
    if model.encoder is None or model.target not in table.columns:
        return None
    try:
        known = model.encoder.rows_with_target(table)
        codes = model.encoder.encode_target(table.take(known))
    except InputError:  # a class that did not occur in training, or text: the predictions stand without a score
        return None
    # Compared by code, since labels may be numbers in the table and text in the estimator.
    position = {label: i for i, label in enumerate(model.labels)}
    predicted = np.array([position[label] for label in prediction.tolist()]) if model.labels else prediction
    return (codes, predicted[known]) if known.any() else None


def _score_sentence(
    model: Model, rows: int, known: int, scores: dict[str, float]
) -> tuple[str, dict[str, float] | None]:
    sentence = f"Predicted {counted(rows, 'row')}."
    if not scores or math.isnan(next(iter(scores.values()))):
        return sentence, None
    is_number = "r2" in scores
    score = f"R² {scores['r2']:.4g}, RMSE {number_text(scores['rmse'])}" if is_number else ""
    score = score or f"accuracy {100 * scores['accuracy']:.1f} %"
    return f"{sentence} On the {counted(known, 'row')} with a known {model.target!r}: {score}.", scores
