"""`edgewise predict`: values of a model, a solution or a formula for the rows of a table, as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from edgewise.cli.pde.solution import open_solution, outside_sentence, solution_points
from edgewise.cli.shared.formulas import FormulaFile
from edgewise.cli.shared.model import Model, interval_of_rows, open_model, predict_rows, prediction_columns
from edgewise.cli.shared.opening import Kind, Written
from edgewise.cli.shared.preparation import collect_warnings
from edgewise.cli.shared.source import column_at, columns_csv, decimals, write_csv
from edgewise.cli.terminal.console import Screen
from edgewise.errors import InputError
from edgewise.files.whole import write_bytes
from edgewise.metrics import RunningMeasures
from edgewise.presentation import counted, number_text, percent_text, r2_text
from edgewise.tables import Table

Columns = dict[str, Sequence[object]]


def write_predictions(
    written: Written,
    parts: Iterable[Table],
    screen: Screen,
    *,
    is_whole: bool,
    out: str | None,
    id: str | None,
) -> None:
    """Write the values for every row as CSV to the file `out`, or to stdout; sentences go to the screen.

    A model with error bars gives the 90 % interval of each prediction; rows
    outside the training data are marked in a column with the names of the columns concerned. A solution gives its
    fields at the points of the table, with a column that marks points outside the domain.

    The table comes in parts, of which one is in memory at a time, or as a single one that is whole. Of several, the
    first one decides about decimals, and the column of rows outside is there in any case. The file is written whole or
    not at all.
    """
    rows: _Rows
    match written.kind:
        case Kind.model:
            rows = _ModelRows(written, is_whole=is_whole)
        case Kind.solution:
            rows = _SolutionRows(written, is_whole=is_whole)
        case _:
            rows = _FormulaRows(written, is_whole=is_whole)

    # Values part by part, so that no more than one part is in memory.
    def predicted() -> Iterator[tuple[Table, Columns]]:
        for part in parts:
            columns: Columns = {}
            if id is not None:
                columns[id] = column_at(part, id, part.rows, "--id").tolist()
            values = rows.columns(part)
            if id in values:
                raise InputError(f"--id must name another column than those of the predictions, got {id!r}")
            rows.count += part.n_rows
            yield part, columns | values

    def pieces() -> Iterator[str]:
        for number, (part, columns) in enumerate(predicted()):
            yield columns_csv(part.rows, columns, has_names=number == 0)

    def numbered() -> Iterator[dict[str, object]]:
        for part, columns in predicted():
            for number, *cells in zip(part.rows.tolist(), *columns.values(), strict=True):
                yield {"row": number} | dict(zip(columns, cells, strict=True))

    def facts() -> dict[str, object]:
        return {"model": str(written.file), "rows": rows.count, **rows.facts()}

    # To the file, as JSON, or to standard output.
    if out is not None:
        write_bytes(out, (text.encode() for text in pieces()))
    elif screen.json:
        screen.predictions(numbered(), facts)
        return
    else:
        for text in pieces():
            write_csv(text)
    if screen.json:
        screen.result(facts() | {"wrote": out})
        return
    rows.say(screen)
    if out is not None:
        screen.say(f"Wrote {out}: {rows.sentence()}; row 1 is the first one below the names.")


class _Rows:
    """Values for one table after another; `count` rows so far, of a table that is whole or comes in parts."""

    def __init__(self, *, is_whole: bool) -> None:
        self.is_whole = is_whole
        self.count = 0

    def columns(self, table: Table) -> Columns:
        """Return the values for the rows of a table."""
        raise NotImplementedError

    def facts(self) -> dict[str, object]:
        """Return what is known about all rows, for JSON."""
        return {}

    def say(self, screen: Screen) -> None:
        """Print sentences about all rows."""
        raise NotImplementedError

    def sentence(self) -> str:
        """Return what was written."""
        raise NotImplementedError


class _SolutionRows(_Rows):
    """Values of a solution for one table of points after another."""

    def __init__(self, written: Written, *, is_whole: bool) -> None:
        super().__init__(is_whole=is_whole)
        self.solution, _ = open_solution(written.file)
        self.outside = 0
        self.digits: dict[str, int] = {}

    def columns(self, table: Table) -> Columns:
        # The fields at the points inside the domain; NaN elsewhere.
        problem = self.solution.problem
        points = solution_points(self.solution, table)
        outside = ~problem.domain.contains(points)
        values = np.full((len(points), len(problem.fields)), np.nan)
        if not outside.all():
            values[~outside.numpy()] = self.solution(points[~outside]).detach().numpy()
        columns: Columns = {}
        for field, column in zip(problem.fields, values.T, strict=True):
            if field not in self.digits and np.isfinite(column).any():
                self.digits[field] = decimals(column)
            digits = self.digits.get(field, 0)
            columns[field] = [None if math.isnan(value) else round(value, digits) for value in column.tolist()]
        self.outside += int(outside.sum())
        if outside.any() or not self.is_whole:
            columns["outside"] = outside.int().tolist()
        return columns

    def say(self, screen: Screen) -> None:
        if self.outside:
            screen.notes([outside_sentence(self.outside, self.count, "have no value: see the column 'outside'")])

    def sentence(self) -> str:
        return f"{', '.join(self.solution.problem.fields)} at {counted(self.count, 'point')}"


class _FormulaRows(_Rows):
    """Values of a formula for one table after another."""

    def __init__(self, written: Written, *, is_whole: bool) -> None:
        super().__init__(is_whole=is_whole)
        self.formulas = FormulaFile.read(written.file)
        self.undefined = 0
        self.notes = list[str]()

    def columns(self, table: Table) -> Columns:
        X, notes = self.formulas.inputs(table)
        if not self.is_whole:
            notes = [f"{table.source}: {note}" for note in notes]
        self.notes += notes
        values = [value if math.isfinite(value) else math.nan for value in self.formulas.formula(X).tolist()]
        self.undefined += sum(map(math.isnan, values))
        return {f"predicted {self.formulas.target}": values}

    def say(self, screen: Screen) -> None:
        notes = list(self.notes)
        if self.undefined:
            notes.append(f"The formula is not defined in {self.undefined:,} of {counted(self.count, 'row')}.")
        screen.notes(notes)

    def sentence(self) -> str:
        return f"{counted(self.count, 'value')} of {self.formulas.target!r}"


class _ModelRows(_Rows):
    """Predictions of a model for one table after another."""

    def __init__(self, written: Written, *, is_whole: bool) -> None:
        super().__init__(is_whole=is_whole)
        self.model = open_model(written.file)
        self.flagged = 0
        self.notes = list[str]()
        self.measured = RunningMeasures("classification" if self.model.labels else "regression")
        self.digits: int | None = None

    def columns(self, table: Table) -> Columns:
        model = self.model
        estimator = self.model.estimator
        # Predictions with their intervals, in decimals that the first table decides.
        rows, notes = model.inputs(table)
        with collect_warnings():  # the notes say it
            prediction, probabilities = predict_rows(estimator, rows, model.labels)
            interval = interval_of_rows(estimator, rows)
        if self.digits is None and not model.labels:
            self.digits = decimals(prediction, interval)
        columns = prediction_columns(model.target, prediction, probabilities, model.labels, interval, self.digits)
        # The columns of each row whose value lies outside the training data.
        check = estimator.check_rows(rows)
        self.flagged += int(check.flagged.sum())
        if check.flagged.any() or not self.is_whole:
            columns["outside"] = [check.remark(row) for row in range(table.n_rows)]
        if self.is_whole:
            self.notes = notes
        # Rows with a known target are scored.
        known = _known(model, table, prediction)
        if known is not None:
            self.measured.add(*known)
        return columns

    def all_notes(self) -> list[str]:
        """Return sentences about rows that are not as in training."""
        if self.is_whole or not self.flagged:
            return self.notes
        return [f"{self.flagged:,} of {counted(self.count, 'row')} are not as in training: see the column 'outside'."]

    def facts(self) -> dict[str, object]:
        return {"target": self.model.target, "notes": self.all_notes(), "score": self.score()[1]}

    def say(self, screen: Screen) -> None:
        screen.notes(self.all_notes())
        screen.say(self.score()[0])

    def score(self) -> tuple[str, dict[str, float] | None]:
        """Return a sentence on the accuracy of the predictions, where the table has the target, and its numbers."""
        sentence = f"Predicted {counted(self.count, 'row')}."
        # R² is undefined without two different known targets.
        scores = self.measured.measures()
        if not scores or math.isnan(next(iter(scores.values()))):
            return sentence, None
        if self.model.labels:
            score = f"accuracy {percent_text(scores['accuracy'], 3)}"
        else:
            score = f"R² {r2_text(scores['r2'])}, RMSE {number_text(scores['rmse'])}"
        rows = f"{counted(self.measured.count, 'row')} with a known {self.model.target!r}"
        return f"{sentence} On the {rows}: {score}.", scores

    def sentence(self) -> str:
        return f"{counted(self.count, 'prediction')} of {self.model.target!r}"


def _known(model: Model, table: Table, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the known targets of a table, classes as codes, and the predictions of their rows; None without any."""
    if model.response is None or model.target not in table.columns:
        return None
    try:
        known = model.response.known(table)
        codes = model.response.encode(table.take(known))
    except InputError:  # a class that did not occur in training, or text: the predictions stand without a score
        return None
    # Compared by code, since labels may be numbers in the table and text in the estimator.
    position = {label: i for i, label in enumerate(model.labels)}
    predicted = prediction
    if model.labels:
        predicted = np.array([position[label] for label in prediction.tolist()])
    if known.any():
        return (codes, predicted[known])
    return None
