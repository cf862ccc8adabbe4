"""The server: who gets no answer, what two pages do to each other, and what survives the end of the process."""

import json
import random
import threading
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
import torch

from edgewise import KAN
from edgewise.explore import Session
from edgewise.explore.page.api import Requests
from edgewise.interpret.edits import EDITS

server = pytest.importorskip("edgewise.explore.page.server")
pytest.importorskip("starlette", reason="the extra explore is not installed")
pytest.importorskip("uvicorn", reason="the extra explore is not installed")

DRAG = {"kind": "drag", "edge": [0, 0, 0], "points": [[0.25, 0.5]]}


def new_session():
    x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Session(KAN([2, 1], 4, base="zero", domain=(0, 1), dtype=torch.float64), x, torch.sin(3 * x[:, 0]))


class Page:
    """Requests as a page makes them."""

    def __init__(self, address):
        parts = urlsplit(address)
        self.root, self.token = f"http://{parts.netloc}", parts.query.removeprefix("token=")

    def get(self, path, **headers):
        return self._open(urllib.request.Request(self.root + path, headers=headers))

    def ask(self, name, body=None, **headers):
        headers = {"X-Edgewise-Token": self.token, **{key.replace("_", "-"): value for key, value in headers.items()}}
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        status, text, _ = self._open(urllib.request.Request(f"{self.root}/api/{name}", data, headers))
        if status == 400:
            assert text and "\n" not in text  # one sentence
            return {"error": text}
        return json.loads(text) if status == 200 else status

    def _open(self, request):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("explored")


@pytest.fixture(scope="module")
def page(folder):
    session = new_session()
    session.keep_in(folder / "edits.json")
    running = server.Server(Requests(session, str(folder)))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    page = Page(running.address)
    yield page
    running.stop()
    thread.join(60)
    assert not thread.is_alive()


def test_the_page_comes_with_its_token_alone_and_may_load_nothing_else(page):
    status, text, headers = page.get(f"/?token={page.token}")
    assert status == 200 and "explorer" in text and "default-src 'none'" in headers["Content-Security-Policy"]
    assert page.get(f"/explore.js?token={page.token}")[0] == 200
    assert page.get(f"/server.py?token={page.token}")[0] == 404
    assert page.get("/")[0] == page.get("/explore.js?token=wrong")[0] == 403
    assert page.get(f"/?token={page.token}", Host="evil.example")[0] == 403  # a name that leads to this machine


def test_other_origins_and_requests_without_the_token_get_403(page):
    assert page.ask("state", Origin="http://evil.example") == 403
    assert page.ask("state", Origin="null") == page.ask("state", Origin="http://[::1") == 403
    assert page.ask("state", Host="evil.example") == 403
    assert page.ask("undo", {"version": 0}, X_Edgewise_Token="wrong") == 403
    assert page.ask("state", Origin=page.root)["state"]["version"] == 0


def test_malformed_requests_are_refused(page):
    for name, body in (("nothing", b"{}"), ("state", b"[1]"), ("state", b"{"), ("state", b'{"seen": NaN}')):
        assert "must be a known one" in page.ask(name, body)["error"]
    assert page.ask("state", b" " * ((1 << 20) + 1)) == 413
    assert "kind is one of" in page.ask("preview", {"edit": {"kind": "paint"}})["error"]
    assert "edge must be" in page.ask("suggest", {"edge": "x"})["error"]
    assert "edit must be a dictionary" in page.ask("preview")["error"]


def test_two_pages_lose_no_edit_and_each_is_on_disk_when_it_is_acknowledged(page, folder):
    start = page.ask("state")["state"]["version"]
    first = page.ask("preview", {"edit": DRAG})
    assert first["preview"]["costs"]["held-out"]["rows"] == 12
    kept = page.ask("keep", {"version": start, "job": first["job"]})["state"]
    assert kept["version"] == start + 1 and json.loads((folder / "edits.json").read_text())["edits"] == [DRAG]
    late = page.ask("preview", {"edit": {"kind": "remove_edge", "edge": [0, 1, 0]}})
    stale = page.ask("keep", {"version": start, "job": late["job"]})  # another page, which has not seen the edit
    assert stale["stale"] and len(stale["state"]["edits"]) == 1
    assert page.ask("undo", {"version": start})["stale"]
    undone = page.ask("undo", {"version": start + 1})["state"]
    assert undone["edits"] == [{**kept["edits"][0], "holds": False}]
    assert kept["edits"][0]["costs"]["held-out"]["rows"] == 12
    again = new_session()
    again.keep_in(folder / "edits.json")  # as after a kill
    assert again.redo() and again.edits == (DRAG,)
    assert page.ask("redo", {"version": start + 2})["state"]["edits"][0]["holds"]
    assert page.ask("state", {"seen": start + 3}) == {"version": start + 3, "share": 1.0}  # of the last preview
    wrote = page.ask("save")["wrote"]
    assert [path.rsplit("/")[-1] for path in wrote] == ["edited.safetensors", "repeat.py"]


ODD = (
    0,
    1,
    -1,
    2**70,
    1e308,
    -1e308,
    1e-320,
    0.5,
    True,
    None,
    "",
    "x",
    "sin",
    "\x1b[2J\u202e",
    [],
    {},
    [[]],
    [0, 0, 0],
)
FIELDS = {
    "keep": ("version", "job"),
    "undo": ("version",),
    "redo": ("version",),
    "state": ("seen",),
    "suggest": ("edge",),
    "interval": ("x",),
}


def odd_bodies(generator):
    """Bodies of every request and every kind of edit, with right and with odd fields."""
    right = {
        "edge": [0, 0, 0],
        "points": [[0.2, 1.0], [0.6, 0.0]],
        "node": [0, 0],
        "range": [0.1, 0.4],
        "inputs": [0, 1],
    }
    right |= {"function": "sin", "shape": "convex", "constant": "a", "value": 1.0, "where": [[0, 0, 0]], "refit": 1}
    right |= {"constants": [1.0, 0.0, 1.0, 0.0], "arities": [2], "layer": 1, "seed": 0, "train": "all"}
    numbers = [value for value in ODD if isinstance(value, int | float)]

    def odd(name):
        if name == "refit":  # more steps take longer and show nothing else
            return generator.choice([value for value in ODD if value != 2**70])
        if isinstance(right.get(name), list) and generator.random() < 0.5:
            return [generator.choice(numbers) for _ in right[name]]
        if name == "points" and generator.random() < 0.5:
            return [[generator.choice(numbers), generator.choice(numbers)]]
        return generator.choice(ODD)

    for kind, (needed, optional, _) in EDITS.items():
        for name in (*needed, *optional, "refit", "train"):
            for _ in range(4):
                edit = {"kind": kind, **{one: right[one] for one in needed}, name: odd(name)}
                yield "preview", {"edit": edit}
    for request, names in FIELDS.items():
        for name in names:
            yield from ((request, {name: value}) for value in (*ODD, [1e308, 1e308], [1e308]))
    yield from (("preview", {"edit": value}) for value in ODD)


@pytest.mark.slow
def test_every_odd_request_gets_a_result_or_one_sentence(page):
    for name, body in odd_bodies(random.Random(0)):
        answer = page.ask(name, body)
        assert isinstance(answer, dict), (name, body, answer)


@pytest.mark.slow  # a fit
def test_a_newer_request_ends_the_job_before_it():
    requests = Requests(new_session())
    asked, progress = [], requests.jobs.progress

    def interrupt(number, share):
        asked.append(share)
        if len(asked) == 3:
            requests.answer("cancel", {})
        return progress(number, share)

    requests.jobs.progress = interrupt
    assert requests.answer("suggest", {"edge": [0, 0, 0]}) == {"cancelled": True}
    assert requests.answer("preview", {"edit": {"kind": "refit", "refit": 3, "train": "all"}})["job"] > 0
    assert asked[:3] == sorted(asked[:3]) and 0 < asked[1] < 1 and requests.answer("state", {"seen": 0})["share"] == 1
    assert set(Requests.methods) == {
        "state",
        "preview",
        "keep",
        "undo",
        "redo",
        "suggest",
        "interval",
        "cancel",
        "page",
        "save",
    }
    assert "script" in requests.answer("save", {})
