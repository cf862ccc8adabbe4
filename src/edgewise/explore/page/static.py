"""The explorer as one HTML file that asks nobody: reading and trying out in the browser, edits saved as a file."""

from __future__ import annotations

import json
import os

from edgewise.explore.page.description import session_fields, subject_fields
from edgewise.explore.page.server import bundled
from edgewise.explore.page.solution import SolutionRequests
from edgewise.explore.session import Session
from edgewise.files.whole import write_bytes


def static_page(shown: Session | SolutionRequests) -> str:
    """Return the page of a session or a solution as HTML with everything in it.

    That is the model as it is now, with at most 1,000 of its rows; or the solution, with its values on a grid, for
    which InputError is raised if it has too many coordinates.
    """
    if isinstance(shown, SolutionRequests):
        fields = {**shown.state({}), "stored": shown.stored()}
    else:
        fields = {
            "state": session_fields(shown),
            "subject": subject_fields(shown.subject),
            "record": shown.record(),
        }
    # Text from the table must not end the element that holds it.
    data = json.dumps(fields, allow_nan=False).replace("<", "\\u003c")
    script = bundled("explore.js").replace("</script", "<\\/script")
    page = bundled("index.html")
    page = page.replace('<link rel="stylesheet" href="explore.css">', f"<style>{bundled('explore.css')}</style>")
    # The file holds its script, style and data, and may load nothing.
    policy = (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; font-src data:; img-src data: blob:"
    )
    page = page.replace(
        '<meta charset="utf-8">',
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">',
    )
    inline = f'<script type="application/json" id="explorer-data">{data}</script>\n<script>{script}</script>'
    return page.replace('<script src="explore.js" defer></script>', inline)


def write_static(shown: Session | SolutionRequests, path: str | os.PathLike[str]) -> None:
    """Write the page of a session or a solution to a file; raise FileError or InputError."""
    write_bytes(path, static_page(shown).encode())
