"""`edgewise explore`: a page in the browser on which a model is read, queried and edited."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.cli.pde.solution import open_solution
from edgewise.cli.shared.model import open_model, rows_of_test
from edgewise.cli.shared.opening import Kind, Written
from edgewise.cli.shared.source import Source
from edgewise.cli.terminal.console import Screen
from edgewise.errors import InputError
from edgewise.explore.opening import read_model, rows_of
from edgewise.explore.page.api import Requests
from edgewise.explore.page.server import Server
from edgewise.explore.page.solution import SolutionRequests
from edgewise.explore.page.static import write_static
from edgewise.explore.record import read_record
from edgewise.explore.session import Session
from edgewise.files.folders import MODEL_FILE
from edgewise.presentation import as_sentence, counted


def open_session(written: Written, source: Source | None, edits: str | None, screen: Screen) -> Session:
    """Open the model with its rows and the edits in a file; of the table of its fit, the test rows are held out."""
    if written.kind is not Kind.model:
        raise InputError(f"MODEL must be a model or a solution, got {written.file}, a {written.kind}")
    # Without a table, rows are drawn from the stored distribution of each column.
    if source is None:
        session = Session.open(written.file)
        screen.notes(["Without --data made-up rows with the distribution of each column stand for the table."])
    else:
        # Edits are judged on the test rows of the fit, or on a fifth of another table.
        model, facts = read_model(written.file)
        held_out: Any = 0.2
        if "target" in facts:
            X, _ = rows_of(model, facts, source.table)
            test = rows_of_test(open_model(written.file), source)
            if test is not None:
                held_out = np.flatnonzero(np.isin(X.rows, test)).tolist()
        session = Session.open(written.file, source.name, held_out=held_out)
        note = session.subject.note
        screen.notes([as_sentence(note)] if note else [])
    if edits is not None:
        session.replay(read_record(edits))
    return session


def show_solution(written: Written, page: str | None, port: int, screen: Screen, *, browser: bool) -> None:
    """Show a solution of an equation: in one file, or by a server until Ctrl-C."""
    solution, facts = open_solution(written.file)
    shown = SolutionRequests(solution, facts)
    if page is None:
        _answer(Server(shown, port), screen, "Ctrl-C ends the page.", browser=browser)
    else:
        write_static(shown, page)
        screen.say(f"Wrote {page}: the solution for {', '.join(solution.problem.fields)}, in one file.")


def default_folder(written: Written) -> str:
    """Return the folder for edits of a model, named after the model or the folder of its fit."""
    file = written.file
    if file.name == MODEL_FILE:
        name = file.resolve().parent.name
    else:
        name = file.stem
    return f"{name or 'model'}-explored"


def write_page(session: Session, written: Written, page: str, screen: Screen) -> None:
    """Write the page as one file."""
    write_static(session, page)
    screen.say(
        f"Wrote {page}: the model with {counted(session.subject.problem.train.x.shape[1], 'input')}, in one file."
    )


def serve(session: Session, folder: str, port: int, screen: Screen, *, browser: bool) -> None:
    """Answer the page until Ctrl-C; every edit that is kept is in the folder at once."""
    # Edits of an earlier session in this folder are made again before the page opens.
    edits = Path(folder) / "edits.json"
    known = edits.exists()
    session.keep_in(edits)
    server = Server(Requests(session, folder), port)
    if known:
        screen.say(f"Repeated {counted(len(session.edits), 'edit')} from {edits}.")
    _answer(server, screen, f"Kept edits are written to {edits} at once. Ctrl-C ends the page.", browser=browser)


def _answer(server: Server, screen: Screen, note: str, *, browser: bool) -> None:
    screen.say(f"The page is {server.address}")
    screen.say(note)
    if (browser and "DISPLAY" in os.environ) or (os.name == "nt" and browser):
        webbrowser.open(server.address)
    server.run()
