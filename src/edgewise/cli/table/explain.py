"""`edgewise explain`: which inputs the predictions of a model depend on, and the contribution of each input."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from edgewise.cli.shared.console import Screen, input_table
from edgewise.cli.shared.model import open_model
from edgewise.cli.shared.source import open_source
from edgewise.errors import InputError
from edgewise.estimator import KANClassifier
from edgewise.files import write_bytes
from edgewise.interpret.attribution.explanations import LocalExplanation
from edgewise.plot import save, share_bars, share_dots
from edgewise.plot.style import FORMATS

ENDINGS = (*FORMATS, ".csv")


def show_explanation(
    model: str, data: str, row: int | None, out: str | None, delimiter: str | None, screen: Screen
) -> LocalExplanation:
    """Explain the predictions for the table, and that of one row if given; write a figure or the contributions."""
    if out is not None and Path(out).suffix.lower() not in ENDINGS:
        raise InputError(f"--out must end in .svg, .pdf, .png or .csv, got {out!r}")
    opened = open_model(model)
    estimator, names = opened.estimator, opened.names
    outputs = opened.output_names
    if isinstance(estimator, KANClassifier):
        outputs = [str(label) for label in estimator.classes_]
    table = open_source(data, delimiter).table
    X, notes = opened.inputs(table)
    screen.notes(notes)
    if row is not None and row not in table.rows:
        raise InputError(f"--row must be the number of a row of {data}, got {row}")
    whole = estimator.explain_global(X, names=names, outputs=outputs)
    order = np.argsort(-whole.importance, kind="stable")
    screen.say(
        f"Mean absolute contribution of each input to the prediction of {opened.target}, over {len(X):,} rows",
        style="bold",
    )
    screen.table(input_table([(whole.names[i], float(whole.importance[i])) for i in order]))
    screen.notes(whole.sentences)
    rows, local = table.rows, whole.local
    if row is not None:
        place = int(np.flatnonzero(rows == row)[0])
        rows, local = rows[[place]], estimator.explain_local(X[[place]], X, names=names, outputs=outputs)
        screen.always(f"Row {row}: {local.sentence(0)}")
    if out is not None:
        if Path(out).suffix.lower() != ".csv":
            save(share_dots(local) if row is None else share_bars(local), out)
        else:
            if row is None:  # the global explanation keeps some of the rows only
                local = estimator.explain_local(X, names=names, outputs=outputs)
            write_bytes(out, contributions_csv(local, rows).encode())
        screen.say(f"Wrote {out}.")
    return local


def contributions_csv(local: LocalExplanation, rows: np.ndarray) -> str:
    """Return the contributions as CSV: a line for each row and output, and a column for each input."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "output", "prediction", "base", *local.names])
    for n, row in enumerate(rows.tolist()):
        for o, output in enumerate(local.outputs):
            numbers = (local.prediction[n, o], local.base[o], *local.shares[n, :, o])
            writer.writerow([row, output, *(f"{number:.9g}" for number in numbers)])
    return text.getvalue()
