"""`edgewise explore`: a page in the browser on which a model is read, queried and edited."""

from __future__ import annotations

import json
import os
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.cli.shared.model import open_model, rows_of_test
from edgewise.cli.shared.opening import Kind, Written
from edgewise.cli.shared.source import Source
from edgewise.cli.terminal.console import Screen
from edgewise.errors import InputError
from edgewise.explore.opening import read_model, rows_of
from edgewise.explore.page.api import EDITS_NAME, Requests
from edgewise.explore.page.server import Server
from edgewise.explore.page.static import write_static
from edgewise.explore.session import Session
from edgewise.files import read_bytes
from edgewise.presentation import counted


def open_session(written: Written, source: Source | None, screen: Screen) -> Session:
    """Open the model with its rows; of the table of its fit, the test rows are held out.

    Raises
    ------
    InputError
        MODEL is not the model of a table or a network, or the table does not fit it.
    """
    if written.kind is not Kind.model:
        raise InputError(f"MODEL must be a model, got {written.file}, a {written.kind}")
    if source is None:
        session = Session.open(written.file)
        screen.notes(["Without --data made-up rows with the distribution of each column stand for the table."])
        return session
    model, facts = read_model(written.file)
    held_out: Any = 0.2
    if "table" in facts:
        X, _ = rows_of(model, facts, source.table)
        test = rows_of_test(open_model(written.file), source)
        if test is not None:
            held_out = np.flatnonzero(np.isin(X.rows, test)).tolist()
    session = Session.open(written.file, source.name, held_out=held_out)
    screen.notes([f"{session.subject.note[:1].upper()}{session.subject.note[1:]}."] if session.subject.note else [])
    return session


def repeat_edits(session: Session, path: str) -> None:
    """Make the edits in a file; raise InputError if it holds none, or those of another model."""
    try:
        record = json.loads(read_bytes(path))
    except ValueError as error:
        raise InputError(f"--edits must name a file of edits as JSON, got {path}: {error}") from error
    session.replay(record)


def default_folder(written: Written) -> str:
    """Return the folder for edits of a model, named after the model or the folder of its fit."""
    file = written.file
    name = file.resolve().parent.name if file.name == "model.safetensors" else file.stem
    return f"{name or 'model'}-explored"


def write_page(session: Session, written: Written, page: str, screen: Screen) -> None:
    """Write the page as one file."""
    write_static(session, page)
    screen.say(
        f"Wrote {page}: the model with {counted(session.subject.problem.train.x.shape[1], 'input')}, in one file."
    )
    screen.result({"wrote": page, "of": str(written.file)})


def serve(session: Session, folder: str, port: int, screen: Screen, *, browser: bool) -> None:
    """Answer the page until Ctrl-C; every edit that is kept is in the folder at once."""
    edits = Path(folder) / EDITS_NAME
    known = edits.exists()
    session.keep_in(edits)
    server = Server(Requests(session, folder), port)
    if known:
        screen.say(f"Repeated {counted(len(session.edits), 'edit')} from {edits}.")
    screen.say(f"The page is {server.address}")
    screen.say(f"Kept edits are written to {edits} at once. Ctrl-C ends the page.")
    if (browser and "DISPLAY" in os.environ) or (os.name == "nt" and browser):
        webbrowser.open(server.address)
    server.run()
    screen.result({"edits": len(session.edits), "folder": folder})
