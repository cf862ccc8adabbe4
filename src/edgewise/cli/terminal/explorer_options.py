"""The options of `edgewise explore`."""

from __future__ import annotations

from typing import Annotated

import typer

ExploredData = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        show_default=False,
        metavar="DATA",
        help="Table that judges the edits. Of the table that the model was fitted to, the test rows are held out; of "
        "another one, a fifth. Default: made-up rows with the distribution of each column in training.",
    ),
]
OutExplored = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        show_default=False,
        metavar="FOLDER",
        help="Folder for the edits, the edited model and the script. Default: the name of the model with -explored.",
    ),
]
Static = Annotated[
    str | None,
    typer.Option("--static", show_default=False, metavar="FILE", help="Write the page as one .html file, and end."),
]
Edits = Annotated[
    str | None, typer.Option("--edits", show_default=False, metavar="FILE", help="First make the edits in this file.")
]
Port = Annotated[int, typer.Option("--port", metavar="N", help="Port of the page; 0 for a free one.", min=0, max=65535)]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address, and open no browser.")]
