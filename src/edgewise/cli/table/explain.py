"""`edgewise explain`: which inputs a model, a solution or a formula depends on, and the contribution of each input."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgewise.cli.pde.solution import open_solution, outside_sentence, solution_points
from edgewise.cli.shared.formulas import FormulaFile
from edgewise.cli.shared.model import open_model
from edgewise.cli.shared.opening import Kind, Written
from edgewise.cli.terminal.console import Screen, input_table
from edgewise.errors import InputError
from edgewise.escaping import csv_cell, csv_cells
from edgewise.files.whole import write_bytes
from edgewise.interpret import explain_global, explain_local
from edgewise.interpret.attribution.explanations import GlobalExplanation, LocalExplanation
from edgewise.plot import save, share_bars, share_dots
from edgewise.presentation import counted, typed_text
from edgewise.tables import Table


@dataclass(frozen=True, eq=False)
class Explained:
    """A function of inputs whose values are to be explained."""

    function: Any  # its explanations are those of the estimator, if it is one
    X: np.ndarray | Table  # (N, d), the rows; a table for an estimator
    names: Sequence[str] | None  # names of the inputs and outputs
    outputs: Sequence[str] | None
    target: str  # what the function gives, for a heading
    notes: list[str]  # sentences about the rows
    kept: np.ndarray | None = None  # (N,), numbers of the rows in the file; None where all rows of the table are in X

    def whole(self) -> GlobalExplanation:
        """Explain all rows together."""
        own = getattr(self.function, "explain_global", None)
        if own is not None:
            explanation: GlobalExplanation = own(self.X, names=self.names, outputs=self.outputs)
            return explanation
        assert isinstance(self.X, np.ndarray)  # only estimators read tables
        return explain_global(self.function, self.X, names=self.names, outputs=self.outputs)

    def rows(self, X: np.ndarray | Table) -> LocalExplanation:
        """Explain single rows, compared with all rows."""
        own = getattr(self.function, "explain_local", None)
        if own is not None:
            explanation: LocalExplanation = own(X, self.X, names=self.names, outputs=self.outputs)
            return explanation
        assert isinstance(X, np.ndarray) and isinstance(self.X, np.ndarray)
        return explain_local(self.function, X, self.X, names=self.names, outputs=self.outputs)


def show_explanation(
    written: Written, table: Table, row: int | None, out: str | None, screen: Screen
) -> LocalExplanation:
    """Explain the values for the table, and that of one row if given; write a figure or the contributions."""
    explained = _open(written, table)
    rows = table.rows if explained.kept is None else explained.kept
    if row is not None and row not in rows:
        raise InputError(f"--row must be a point inside the domain of the solution, got row {row}, which lies outside")
    screen.notes(explained.notes)
    # The global explanation: mean absolute contributions, the largest first.
    whole = explained.whole()
    order = np.argsort(-whole.importance, kind="stable")
    screen.say(
        f"Mean absolute contribution of each input to the prediction of {explained.target}, over "
        f"{counted(len(rows), 'row')}",
        style="bold",
    )
    ranked = [(whole.names[i], float(whole.importance[i])) for i in order]
    screen.table(input_table(ranked))
    screen.notes(whole.sentences)
    # The local one of a single row, relative to the mean over all rows.
    local = whole.local
    if row is not None:
        place = int(np.flatnonzero(rows == row)[0])
        rows = rows[[place]]
        local = explained.rows(explained.X[np.array([place])])
        screen.always(f"Row {row}: {local.sentence(0)}")
    # Contributions as numbers, as bars of one row, or as dots of many.
    if out is not None:
        if Path(out).suffix.lower() != ".csv":
            save(share_dots(local) if row is None else share_bars(local), out)
        else:
            if row is None:  # the global explanation keeps some of the rows only
                local = explained.rows(explained.X)
            write_bytes(out, contributions_csv(local, rows).encode())
        screen.say(f"Wrote {out}.")
    return local


def _open(written: Written, table: Table) -> Explained:
    """Return the function in a file, with the rows of the table as its inputs."""
    if written.kind is Kind.solution:
        solution, _ = open_solution(written.file)
        # A solution is a function of its coordinates inside the domain; the first field stands for it.
        first, *others = solution.problem.fields
        points = solution_points(solution, table)
        inside = solution.problem.domain.contains(points).numpy()
        if not inside.any():
            raise InputError(f"{table.source} must have points inside the domain of the solution, got none")
        if inside.all():
            notes = []
        else:
            notes = [outside_sentence(int((~inside).sum()), len(points), "are left out")]
        return Explained(
            lambda X: solution(torch.as_tensor(X, dtype=torch.float64))[:, 0],
            points.numpy()[inside],
            solution.problem.domain.coordinates,
            [first],
            first,
            notes + ([f"Explained is {first}, the first field, and not {', '.join(others)}."] if others else []),
            table.rows[inside],
        )
    if written.kind is Kind.formulas:
        # A formula, of the inputs that its encoder makes of the table.
        formulas = FormulaFile.read(written.file)
        X, notes = formulas.inputs(table)

        def values(X: Any) -> np.ndarray:
            return np.asarray(formulas.formula(np.asarray(X, dtype=np.float64)))

        return Explained(values, X, formulas.formula.names, [formulas.target], formulas.target, notes)
    # A model, which explains itself by the columns of its table.
    model = open_model(written.file)
    outputs = [str(label) for label in model.estimator._task.classes] or model.output_names
    rows, notes = model.inputs(table)
    return Explained(model.estimator, rows, None, outputs, model.target, notes)


def contributions_csv(local: LocalExplanation, rows: np.ndarray) -> str:
    """Return the contributions as CSV: a line for each row and output, and a column for each input."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "output", "prediction", "base", *csv_cells(local.names)])
    for n, row in enumerate(rows.tolist()):
        for o, output in enumerate(local.outputs):
            numbers = (local.prediction[n, o], local.base[o], *local.shares[n, :, o])
            writer.writerow([row, csv_cell(output), *(typed_text(number, 9) for number in numbers)])
    return text.getvalue()
