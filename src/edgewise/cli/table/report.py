"""`edgewise report`: the page about a model, after the fit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.cli.shared.model import Model, open_model
from edgewise.cli.shared.opening import Kind, Written
from edgewise.cli.shared.source import Source
from edgewise.cli.terminal.console import Screen
from edgewise.errors import InputError
from edgewise.files import read_bytes
from edgewise.presentation import counted

PREDICTIONS = "predictions.csv"  # whose first column has the numbers of the test rows


def write_page(written: Written, source: Source | None, out: str, screen: Screen) -> None:
    """Write the report of a model, scored on the test rows of its own table, or on all rows of another one.

    Raises
    ------
    InputError
        MODEL is not the model of a table, or the table lacks its target.
    """
    if written.kind is not Kind.model:
        raise InputError(f"MODEL must be a model of a table, got {written.file}, a {written.kind}")
    model = open_model(written.file)
    X: Any = None
    y: np.ndarray | None = None
    about = "held-out rows of the training"
    if source is not None:
        if model.encoder is None or model.target not in source.table.columns:
            raise InputError(f"--data must have the target {model.target!r}, got a table without it: {source.name}")
        table = source.table.take(model.encoder.rows_with_target(source.table))
        test = _test_rows(model, source)
        about = f"{counted(len(table), 'row')} of {os.path.basename(source.name)}"
        if test is not None:
            table = table.take(np.isin(table.rows, test))
            about = f"the {len(table):,} test rows of {os.path.basename(source.name)}"
        elif len(table):
            screen.notes(["The score is too good if the model was trained on any of these rows."])
        X, notes = model.inputs(table)
        screen.notes(notes)
        y = model.encoder.encode_target(table)
        if model.labels:
            y = np.asarray(model.encoder.target.decode(y)).astype(model.estimator.classes_.dtype)
    count = len(model.estimator.encoder_.columns)
    title = f"{model.target}, predicted from {counted(count, 'input')}"
    with screen.waiting("Drawing the figures of the report"):
        model.estimator.report(X=X, y=y, title=title).save(out)
    screen.say(f"Wrote {out}: what the model learned, with its score on {about}.")
    screen.result({"wrote": out, "of": str(written.file)})


def _test_rows(model: Model, source: Source) -> np.ndarray | None:
    """Return the numbers of the test rows of the fit, if this is its table: same name, same number of rows."""
    facts, path = model.fit_facts, Path(model.path).parent / PREDICTIONS
    rows = facts.get("rows")
    if not isinstance(rows, dict) or rows.get("table") != source.table.n_rows or not path.is_file():
        return None
    if os.path.basename(str(facts.get("data"))) != os.path.basename(source.name):
        return None
    first = [line.split(b",", 1)[0] for line in read_bytes(path).splitlines()[1:]]
    numbers = [int(cell) for cell in first if cell.isdigit()]  # a cell of several lines gives no number
    return np.array(numbers) if len(numbers) == rows.get("test") else None
