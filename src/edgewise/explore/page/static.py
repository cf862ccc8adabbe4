"""The explorer as one HTML file that asks nobody: reading and trying out in the browser, edits saved as a file."""

from __future__ import annotations

import json
import os

from edgewise.explore.page.description import session_fields, subject_fields
from edgewise.explore.page.server import bundled
from edgewise.explore.session import Session
from edgewise.files import write_bytes

# The file holds its script, style and data, and may load nothing.
FILE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; font-src data:; img-src data: blob:"
)


def static_page(session: Session) -> str:
    """Return the page of a session with everything in it.

    Parameters
    ----------
    session : Session
        The model as it is now; its rows are in the page, at most 1,000.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> import torch
    >>> from edgewise import KAN
    >>> page = static_page(Session(KAN([1, 1], dtype=torch.float64)))
    >>> "http-equiv" in page, "src=" in page.split("<script")[-1]
    (True, False)
    """
    fields = {
        "state": session_fields(session),
        "subject": subject_fields(session.subject),
        "fingerprint": session.subject.fingerprint,
    }
    # Text from the table must not end the element that holds it.
    data = json.dumps(fields, allow_nan=False).replace("<", "\\u003c")
    script = bundled("explore.js").replace("</script", "<\\/script")
    page = bundled("index.html")
    page = page.replace('<link rel="stylesheet" href="explore.css">', f"<style>{bundled('explore.css')}</style>")
    page = page.replace(
        '<meta charset="utf-8">',
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{FILE_POLICY}">',
    )
    inline = f'<script type="application/json" id="explorer-data">{data}</script>\n<script>{script}</script>'
    return page.replace('<script src="explore.js" defer></script>', inline)


def write_static(session: Session, path: str | os.PathLike[str]) -> None:
    """Write the page of a session to a file; raise FileError."""
    write_bytes(path, static_page(session).encode())
