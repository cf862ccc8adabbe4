"""Two processes fit the model that one fits; a bad batch, a lost process and one that never comes are sentences."""

import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch.distributed import DistNetworkError

from edgewise import KANRegressor
from edgewise.errors import InputError, ProcessError
from edgewise.processes import joined_processes
from edgewise.processes.team import Team, process_and_count
from edgewise.tables.batches import Batches

WORKER = """
import os, sys
number, folder, bad = int(sys.argv[1]), sys.argv[2], sys.argv[3]
import numpy as np, torch
from edgewise import KANRegressor
from edgewise.errors import EdgewiseError
from edgewise.processes import joined_processes
from edgewise.tables.batches import Batches

torch.set_num_threads(1)
fresh = np.random.default_rng(9).normal(size=(500, 3))

def model(target, loss, path=folder):
    batches = Batches(path + "/*.parquet", target, sample_rows=1600, columns=["a", "b", "c"])
    return KANRegressor(effort="low", loss=loss).fit(batches)

with joined_processes(timeout=20):
    found = {name: model(name, loss).predict(fresh) for name, loss in (("y", "squared"), ("count", "poisson"))}
    np.savez(f"{folder}/{number}.npz", **found)
    for turn in ("bad", "lost"):
        if turn == "lost" and number == 1:
            os._exit(0)
        try:
            model("y", "squared", bad if turn == "bad" else folder)
        except EdgewiseError as error:
            print(f"{type(error).__name__}: {error}", flush=True)
    os._exit(0)  # a process group whose other end is lost would wait for it
"""


def table(folder):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12_000, 3))
    f = np.sin(2 * x[:, 0]) + x[:, 1] ** 2 / 2
    columns = {
        "a": x[:, 0],
        "b": x[:, 1],
        "c": x[:, 2],
        "y": f + rng.normal(size=len(x)),
        "count": rng.poisson(np.exp(f / 3)),
    }
    for number in range(3):
        part = pa.table(columns).slice(4000 * number, 4000)
        pq.write_table(part, folder / f"part-{number}.parquet", row_group_size=1500)


@pytest.mark.nightly
def test_two_processes_fit_the_model_of_one(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder in (good, bad):
        folder.mkdir()
        table(folder)
    last = bad / "part-2.parquet"
    pq.write_table(pq.read_table(last).set_column(3, "y", pa.array([np.nan] * 4000)), last)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    started = []
    for number in range(2):
        command, environment = [sys.executable, "-c", WORKER, str(number), good, bad], {**world, "RANK": str(number)}
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started.append(subprocess.Popen(command, env=environment, **pipe))
    said = [process.communicate(timeout=120)[0] for process in started]

    both = [np.load(good / f"{number}.npz") for number in range(2)]
    fresh = np.random.default_rng(9).normal(size=(500, 3))
    for target, loss in (("y", "squared"), ("count", "poisson")):
        batches = Batches(str(good / "*.parquet"), target, sample_rows=1600, columns=["a", "b", "c"])
        alone = KANRegressor(effort="low", loss=loss).fit(batches).predict(fresh)
        assert np.array_equal(both[0][target], both[1][target]), said
        assert np.allclose(both[0][target], alone, rtol=1e-9, atol=1e-9)
    for words in said:  # a bad batch that one process reads ends both, with its name
        assert "InputError: batch 1 of part-2.parquet: the target must hold finite numbers, got 4000 of 4000" in words
    assert "ProcessError: process 0 of 2 heard nothing from another one, which has ended or hangs" in said[0]


@pytest.mark.slow
def test_a_process_that_never_comes_is_a_sentence(monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    message = "all 2 processes must arrive within 1 s, but process 0 waited in vain"
    with pytest.raises(ProcessError, match=message), joined_processes(timeout=1):
        pass
    assert process_and_count() == (0, 1)


def test_one_process_is_a_team_of_its_own():
    team = Team(lambda request: (request + np.arange(3.0), np.ones((2, 2))))
    assert team.summed(1.0)[0].tolist() == [1.0, 2.0, 3.0] and len(team.gathered(0.0)) == 1
    with pytest.raises(InputError, match="timeout must be a positive number of seconds, got -1"), joined_processes(-1):
        pass


@pytest.mark.parametrize("missing", ["RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_a_variable_that_is_missing_is_named(monkeypatch, missing):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    with pytest.raises(InputError, match=f"{missing} must be set in the environment"), joined_processes():
        pass


def test_backends_that_are_not_there_are_refused(monkeypatch):
    with (
        pytest.raises(InputError, match="backend must be 'gloo' or 'nccl', got 'mpi'"),
        joined_processes(backend="mpi"),
    ):
        pass
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    message = "backend must be 'gloo' where torch finds no GPU, or has no nccl, got 'nccl'"
    with pytest.raises(InputError, match=message), joined_processes(backend="nccl"):
        pass


@pytest.mark.parametrize("kind", [TypeError, TimeoutError])
def test_any_error_of_the_leading_process_is_told_to_the_others(monkeypatch, kind):
    def broken(request):
        raise kind("no sum")

    team = Team(broken)
    monkeypatch.setattr(team, "count", 2)
    told = []
    monkeypatch.setattr(team, "_send", lambda kind, content: told.append((kind, content)))
    monkeypatch.setattr(team, "_gathered", lambda content: told.append(content) or [content, (None, [])])
    with pytest.raises(InputError, match=f"{kind.__name__}: no sum") as caught, team.leading(dict):
        team.summed(1.0)
    assert isinstance(caught.value.__cause__, kind)
    words = f"{kind.__name__}: no sum"
    assert told == [("sum", 1.0), (words, None), ("fail", words)]


def test_a_lost_store_is_no_other_error(monkeypatch):
    """As it is where the first machine, which holds it, is lost."""

    class Lost:
        def check(self, keys):
            raise DistNetworkError("Broken pipe")

    def cut():
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setattr("edgewise.processes.team._store", Lost)
    with pytest.raises(ProcessError, match="process 0 of 1 heard nothing from another one, which has ended or hangs"):
        Team(tuple)._waited(cut)


@pytest.fixture
def of_two(monkeypatch):
    """A team whose other process answers the same; the answer is a signal, if one is asked for."""

    def answer(request):
        if request:
            signal.raise_signal(request)
        return (np.ones(1),)

    team = Team(answer)
    monkeypatch.setattr(team, "count", 2)
    monkeypatch.setattr(team, "_gathered", lambda content: [content] * 2)
    monkeypatch.setattr(team, "_waited", lambda exchange: None)
    monkeypatch.setattr(team, "_send", lambda kind, content: None)
    return team


@pytest.fixture
def ends():
    """The SIGTERMs that came to a handler of the user."""
    came = []
    former = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    yield came
    signal.signal(signal.SIGTERM, former)


def test_a_signal_during_an_answer_comes_to_its_handler(of_two, ends):
    with pytest.raises(KeyboardInterrupt):
        of_two.summed(signal.SIGTERM)
    assert ends == [signal.SIGTERM]
    assert of_two.summed(0)[0].tolist() == [1.0]  # the next exchange is undisturbed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("moment", "was_interrupted"), [("answer", False), ("later", False), ("later", True)])
def test_signals_of_a_serving_process(of_two, ends, monkeypatch, number, moment, was_interrupted):
    """Ctrl-C that no request has passed on is raised in the end, unless the leading process was ended by it as well."""

    def orders():
        yield "sum", number if moment == "answer" else 0
        if moment == "later":
            signal.raise_signal(number)
        yield "end", (5, was_interrupted)

    given = orders()
    monkeypatch.setattr(of_two, "_received", lambda: next(given))
    if number == signal.SIGINT and moment == "later" and not was_interrupted:
        with pytest.raises(KeyboardInterrupt):
            of_two.serve()
    else:
        assert of_two.serve() == 5
    assert ends == ([number] if number == signal.SIGTERM else [])


class Lost:
    """Batches of counts; a process ends by SIGKILL in the middle of its pass of a number."""

    def __init__(self, lost):
        rng = np.random.default_rng(0)
        self.x, self.lost, self.passes = rng.normal(size=(3000, 2)), lost, 0
        self.y = rng.poisson(np.exp(np.sin(2 * self.x[:, 0]))).astype(float)

    def __iter__(self):
        self.passes += 1
        for number in range(4):
            if self.passes == self.lost and number == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield self.x[number::4], self.y[number::4]

    def predictions(self, folder):
        batches = Batches(self, sample_rows=400, checkpoint=folder and folder / "kept")
        return KANRegressor(effort="low", loss="poisson").fit(batches).predict(self.x)
