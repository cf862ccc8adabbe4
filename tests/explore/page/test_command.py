"""`edgewise explore`: the page as one file, the edits of a file, and what the command refuses."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np
import pandas
import pytest

import edgewise
from edgewise import KANRegressor
from edgewise.escaping import printable_line
from edgewise.explore import Session

pytest.importorskip("typer")
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[2J\x07\u202e"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explore")
    generator = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {HOSTILE: generator.uniform(0, 1, 60), "city": generator.choice(["Bonn", "Köln", "Ulm"], 60)}
    )
    target = pandas.Series(2 * frame[HOSTILE] + (frame["city"] == "Ulm"), name="price")
    model = KANRegressor(hidden=(), grid_size=4, regularization=1e-3).fit(frame, target)
    edgewise.save(model, folder / "model.safetensors")
    frame.assign(price=target).to_csv(folder / "rows.csv", index=False)
    return folder


def asked_until_the_end(request):
    """Send a request, whose answer the end of the server may cut off."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        urllib.request.urlopen(request, timeout=60).close()


def run(*arguments):
    from typer.testing import CliRunner

    from edgewise.cli.app import app

    return CliRunner().invoke(app, ["explore", *map(str, arguments)])


def test_one_file_holds_the_page_and_asks_nobody(files):
    page = files / "page.html"
    session = Session.open(files / "model.safetensors", files / "rows.csv")
    session.edit("remove_edge", edge=[0, 0, 0])
    edits = files / "edits.json"
    edits.write_text(json.dumps(session.record()))
    done = run(files / "model.safetensors", "--data", files / "rows.csv", "--edits", edits, "--static", page)
    assert done.exit_code == 0, done.output
    text = page.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', text, re.DOTALL).group(1)
    fields = json.loads(data)
    assert printable_line(HOSTILE) in fields["subject"]["inputs"] and HOSTILE[:9] not in data
    assert not any(mark in text for mark in ("\x1b", "\x07", "\u202e", "\\u001b", "\\u0007", "\\u202e"))
    [edit] = fields["state"]["edits"]
    assert edit["text"] == "Edge (0, 0, 0) is removed." and edit["holds"] and edit["costs"]["held-out"]["rows"] == 12
    assert "Content-Security-Policy" in text and not re.search(r'<(script|link)[^>]*(src|href)="(?!data:)', text)
    columns = {one["name"]: one for one in fields["subject"]["columns"]}
    assert columns["city"]["levels"] == ["Bonn", "Köln", "Ulm"] and len(columns["city"]["inputs"]) == 3


@pytest.mark.nightly  # starts processes
@pytest.mark.skipif(os.name == "nt", reason="a process of its own has no Ctrl-C there")
@pytest.mark.parametrize("busy, number", [(False, signal.SIGINT), (True, signal.SIGTERM)])
def test_a_signal_ends_the_page_and_says_nothing_of_lost_work(files, tmp_path, busy, number):
    pytest.importorskip("uvicorn", reason="the extra explore is not installed")
    command = [sys.executable, "-m", "edgewise", "explore", str(files / "model.safetensors"), "--no-browser"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        said = ""
        while "Ctrl-C ends the page" not in said:
            line = process.stdout.readline()
            assert line, said  # it ended
            said += line
        address = re.search(r"http\S+", said)[0]
        urllib.request.urlopen(address, timeout=60).close()  # it listens before it is named
        if busy:  # suggestions are computed, which the signal cancels
            root, token = address.split("?token=")
            body = json.dumps({"edge": [0, 0, 0]}).encode()
            ask = urllib.request.Request(f"{root}api/suggest", body, {"X-Edgewise-Token": token})
            threads = [threading.Thread(target=asked_until_the_end, args=(ask,)) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(0.25)
        process.send_signal(number)
        said = process.communicate(timeout=60)[0]
    code = 0 if number == signal.SIGINT else 128 + number
    assert process.returncode == code and "Traceback" not in said and "nothing was kept" not in said, said


def test_what_does_not_fit_is_refused(files):
    model = files / "model.safetensors"
    assert run(model, "--static", files / "page.txt").exit_code == 1
    (files / "wrong.json").write_text("{")
    refused = run(model, "--edits", files / "wrong.json", "--static", files / "other.html")
    assert refused.exit_code == 1 and "edits as JSON" in refused.output.replace("\n", " ")
    (files / "other.json").write_text(json.dumps({"format": 1, "made_for": "x", "edits": [], "undone": []}))
    refused = run(model, "--edits", files / "other.json", "--static", files / "other.html")
    assert refused.exit_code == 1 and "made for this model" in " ".join(refused.output.split())
    assert not (files / "other.html").exists()
