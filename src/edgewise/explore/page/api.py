"""Requests of the page, answered from a session: one method for each, for a server and for a notebook alike.

Every change names the version that the page has seen. A page that is behind gets the present state and changes
nothing, so that two pages never undo each other's edits unseen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch

from edgewise.checks import check_kind, is_integer, is_number, is_sequence
from edgewise.errors import InputError
from edgewise.explore.editing import Applied
from edgewise.explore.opening import made_folder
from edgewise.explore.page.description import applied_fields, session_fields, subject_fields
from edgewise.explore.page.jobs import Jobs
from edgewise.explore.page.scoring import own_interval
from edgewise.explore.page.server import Answers
from edgewise.explore.page.static import static_page
from edgewise.explore.session import Session
from edgewise.files.whole import write_bytes
from edgewise.formulas.curve_fits import edge_fits
from edgewise.interpret.edits import checked_edge, layer_inputs
from edgewise.nn.elementary import ELEMENTARY
from edgewise.nn.model import edge_layers


class Requests(Answers):
    """Answers of a session to the requests of pages."""

    def __init__(self, session: Session, folder: str | None = None) -> None:
        self.session = session
        self.folder = folder
        self._done: Applied | None = None
        self._done_at = -1  # version of the model that `_done` was made of
        self.jobs = Jobs()
        self._subject = subject_fields(session.subject)

    def state(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return everything, or what changed since the version that the page has."""
        with self.session.lock:
            if body.get("seen") == self.session.version:
                return {"version": self.session.version, "share": self.jobs.share}
            answer: dict[str, Any] = {"state": session_fields(self.session), "folder": self.folder}
        if not is_integer(body.get("seen")):
            answer["subject"] = self._subject
        return answer

    def preview(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make an edit and return its cost; it is kept by "keep" alone."""
        edit: Mapping[str, Any] = check_kind(body.get("edit"), Mapping, "edit must be a dictionary")
        number = self._begin()
        version = self.session.version
        done = self.session.preview(edit, lambda share: self.jobs.progress(number, share))
        self.jobs.check(number, 1.0)
        self._done = done
        self._done_at = version
        return {"preview": applied_fields(done, self.session.subject), "version": version, "job": number}

    def keep(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the edit that was previewed last, if the page and the preview are of the present version."""
        with self.session.lock:
            done = self._done
            self._done = None
            fresh = body.get("version") == self.session.version == self._done_at and body.get("job") == self.jobs.number
            if done is None or not fresh:
                return self._stale()
            self.session.keep(done)
            return {"state": session_fields(self.session)}

    def undo(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Take the last edit back."""
        return self._moved(body, self.session.undo)

    def redo(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make the last edit that was undone again."""
        return self._moved(body, self.session.redo)

    def suggest(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Try functions in the place of an edge, each with its cost on the held-out rows."""
        edge = body.get("edge")
        session = self.session
        number = self._begin()
        network = session.network
        layer, i, o = checked_edge(network, edge if is_sequence(edge) else ())
        inputs = layer_inputs(network, layer, session.subject.problem)
        values = edge_layers(network)[layer].edges(inputs)[:, i, o].detach().double().numpy()
        # As many functions are tried in the place of an edge as in `suggest_functions`.
        fits = edge_fits(inputs[:, i].double().numpy(), values, table=ELEMENTARY)[:5]
        rows = []
        for place, fitted in enumerate(fits):
            fields = {"kind": "fix", "edge": [layer, i, o], "function": fitted.name}
            done = session.preview(fields, lambda share, n=place: self.jobs.progress(number, (n + share) / len(fits)))  # type: ignore[misc]
            cost = done.costs["held-out"]
            found = {"function": fitted.name, "r2": 1 - fitted.error**2, "before": cost.before, "after": cost.after}
            rows.append({**found, "error": cost.standard_error})
        self.jobs.check(number, 1.0)
        return {"suggestions": sorted(rows, key=lambda one: one["after"]), "version": session.version}

    def interval(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the interval of the unedited estimator at a point of the network's inputs, None without error bars."""
        x = body.get("x")
        count = len(self.session.subject.names)
        if not is_sequence(x) or len(x) != count or not all(map(is_number, x)):
            raise InputError(f"x must be {count} finite numbers, got {x!r:.80}")
        point = torch.tensor([x], dtype=torch.float64)
        return {"interval": None if self.session.edits else own_interval(self.session.subject, point)}

    def cancel(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """End the background job."""
        self._begin()
        return {"cancelled": True}

    def page(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page in one file with the model as it is, and the edits with their costs."""
        with self.session.lock:
            return {"page": static_page(self.session)}

    def save(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write the model and the script, and say where they are."""
        name_of_model = "edited.safetensors"
        with self.session.lock:
            if self.folder is None:
                return {"script": self.session.script(name_of_model), "record": self.session.record()}
            made_folder(self.folder)
            model, script = (os.path.join(self.folder, name) for name in (name_of_model, "repeat.py"))
            self.session.save(model)
            text = self.session.script(model)
            write_bytes(script, text.encode())
            return {"wrote": [model, script], "script": text, "record": self.session.record()}

    def _moved(self, body: Mapping[str, Any], move: Callable[[], bool]) -> dict[str, Any]:
        with self.session.lock:
            if body.get("version") != self.session.version:
                return self._stale()
            move()
            return {"state": session_fields(self.session)}

    def _stale(self) -> dict[str, Any]:
        return {"stale": True, "state": session_fields(self.session)}

    def _begin(self) -> int:
        self._done = None
        return self.jobs.begin()

    methods: ClassVar = {
        "state": state,
        "preview": preview,
        "keep": keep,
        "undo": undo,
        "redo": redo,
        "suggest": suggest,
        "interval": interval,
        "cancel": cancel,
        "page": page,
        "save": save,
    }
