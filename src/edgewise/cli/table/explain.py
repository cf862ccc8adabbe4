"""`edgewise explain`: what a model's predictions depend on, and what each input adds to them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from edgewise.cli.shared.console import Screen, strongest
from edgewise.cli.shared.model import open_model
from edgewise.cli.shared.source import open_source
from edgewise.errors import InputError
from edgewise.files import write_bytes
from edgewise.interpret.attribution.explanations import LocalExplanation
from edgewise.plot import save, share_bars, share_dots
from edgewise.plot.style import FORMATS

_ENDINGS = (*FORMATS, ".csv")


def explain(
    model: str, data: str, row: int | None, out: str | None, delimiter: str | None, screen: Screen
) -> LocalExplanation:
    """Says what the predictions for the table depend on; for one row also why. Writes a figure or the shares."""
    if out is not None and Path(out).suffix.lower() not in _ENDINGS:
        raise InputError(f"--out must end in .svg, .pdf, .png or .csv, got {out!r}")
    opened = open_model(model)
    table = open_source(data, delimiter).table
    X, notes = opened.inputs(table)
    screen.notes(notes)
    if row is not None and row not in table.rows:
        raise InputError(f"--row must be the number of a row of {data}, got {row}")
    said = {
        "names": opened.names,
        "outputs": [str(c) for c in opened.estimator.classes_] if opened.labels else _target(opened),
    }
    whole = opened.estimator.explain_global(X, **said)
    order = np.argsort(-whole.importance, kind="stable")
    screen.say(f"What {opened.target} depends on, over {len(X):,} rows: mean absolute share.", style="bold")
    screen.table(strongest([(whole.names[i], float(whole.importance[i])) for i in order]))
    screen.notes(whole.sentences)
    place = None if row is None else int(np.flatnonzero(table.rows == row)[0])
    local = whole.local
    if place is not None:
        local = opened.estimator.explain_local(X[[place]], X, **said)
        screen.always(f"Row {row}: {local.sentence(0)}")
    if out is not None:
        if Path(out).suffix.lower() == ".csv":
            local = local if place is not None else opened.estimator.explain_local(X, **said)
            rows = table.rows if place is None else table.rows[[place]]
            write_bytes(out, shares_csv(local, rows).encode())
        else:
            save(share_dots(local) if place is None else share_bars(local), out)
        screen.say(f"Wrote {out}.")
    return local


def _target(opened) -> list[str] | None:
    return [opened.target] if opened.estimator.model_.config.width[-1] == 1 else None


def shares_csv(local: LocalExplanation, rows: np.ndarray) -> str:
    """The shares as CSV: row, output, prediction, base, and a column for each input; a line for each output."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "output", "prediction", "base", *local.names])
    for n, row in enumerate(rows.tolist()):
        for o, output in enumerate(local.outputs):
            numbers = (local.prediction[n, o], local.base[o], *local.shares[n, :, o])
            writer.writerow([row, output, *(f"{number:.9g}" for number in numbers)])
    return text.getvalue()
