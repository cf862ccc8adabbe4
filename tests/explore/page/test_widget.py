"""The page in a notebook: its requests are answered through the kernel, from the session of the model."""

import time

import numpy as np
import pytest

from edgewise import KANRegressor
from edgewise.errors import CancelledError

pytest.importorskip("anywidget", reason="the extra explore is not installed")


@pytest.fixture(scope="module")
def widget():
    x = np.random.default_rng(0).uniform(-1, 1, (80, 2))
    model = KANRegressor(hidden=(), grid_size=5, regularization=1e-3).fit(x, np.sin(3 * x[:, 0]))
    return model.explore(x, np.sin(3 * x[:, 0]), held_out=0.25)


def test_requests_change_the_session_of_the_notebook(widget, monkeypatch):
    sent = []
    monkeypatch.setattr(type(widget), "send", lambda self, content, buffers=None: sent.append(content))

    def ask(name, body):
        number = len(sent)
        widget._handle_custom_msg({"id": number, "name": name, "body": body}, [])
        while len(sent) == number:  # jobs that may train answer from a thread
            time.sleep(0.01)
        return sent[-1]["answer"]

    state = ask("state", {})
    assert state["subject"]["rows"]["heldOut"] == 20 and state["state"]["edits"] == []
    job = ask("preview", {"edit": {"kind": "remove_node", "node": [0, 1]}})["job"]
    assert ask("keep", {"version": 0, "job": job})["state"]["version"] == 1
    assert [edit["kind"] for edit in widget.session.edits] == ["remove_node"]
    assert widget.session.model.error_bars_ is None
    assert [one["id"] for one in sent] == [0, 1, 2]
    widget._handle_custom_msg("nonsense", [])
    assert len(sent) == 3

    def endless(edit, progress):
        while not progress(0.5):
            time.sleep(0.001)
        raise CancelledError

    monkeypatch.setattr(widget.session, "preview", endless)
    edit = {"kind": "refit", "refit": 20, "train": "all"}
    widget._handle_custom_msg({"id": 3, "name": "preview", "body": {"edit": edit}}, [])
    while ask("state", {"seen": 1})["share"] == 0:
        time.sleep(0.01)
    widget._handle_custom_msg({"id": 4, "name": "cancel", "body": {}}, [])
    while {"id": 3, "answer": {"cancelled": True}} not in sent:
        time.sleep(0.01)
