"""The page in a notebook: requests go through the kernel, so that no server and no port is needed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from edgewise.errors import missing_extra
from edgewise.explore.page.api import Requests
from edgewise.explore.page.server import bundled
from edgewise.explore.session import Session

# The page in a notebook is so high that the network and the curve fit without scrolling.
RENDER = """
export default { render({ model, el }) {
  const host = document.createElement("div");
  host.style.height = "760px";
  el.appendChild(host);
  globalThis.EdgewiseExplorer.widget(model, host);
} };
"""


def open_explorer(subject: Any, X: Any, y: Any, *, held_out: float | Sequence[int], seed: int) -> Any:
    """Return the widget of a new session; the method `explore` of estimators calls this function by its name."""
    return explorer_widget(Session(subject, X, y, held_out=held_out, seed=seed))


def explorer_widget(session: Session) -> Any:
    """Return a widget, an `anywidget.AnyWidget`, that shows a session in a notebook.

    The session is its attribute `session`, in which edits that are kept in the page are at once. MissingExtraError
    where the extra `explore` is not installed.
    """
    try:
        import anywidget
    except ImportError as error:
        raise missing_extra("anywidget", "explore", "The explorer in a notebook") from error

    requests = Requests(session)

    def answered(widget: Any, message: Any, buffers: list[Any]) -> None:
        match message:
            case {"name": str(name), "body": dict(body)}:
                pass
            case {"name": str(name)}:
                body = {}
            case _:
                return

        def answer() -> None:
            widget.send({"id": message.get("id"), "answer": requests.answer(name, body)})

        # Requests that may train, during which the kernel must hear that they are to be cancelled.
        if name in ("preview", "suggest"):
            threading.Thread(target=answer, daemon=True).start()
        else:
            answer()

    class Explorer(anywidget.AnyWidget):
        """The page of one session."""

        _esm = bundled("explore.js") + RENDER
        _css = bundled("explore.css")

    widget = Explorer()
    widget.session = session
    widget.on_msg(answered)
    return widget
