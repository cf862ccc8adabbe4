"""Jobs: each is done once, reports progress, and is never stored in part."""

import json

import pytest

from edgewise.outcomes import Progress
from edgewise_experiments.runner.jobs import Job, latest, run_jobs, working_seconds
from edgewise_experiments.runner.store import Store


def jobs(made, count=4):
    def work(number):
        def measure(report):
            report(Progress("half", 0.5, 0.25))
            made.append(number)
            return {"value": number**2}

        return measure

    return [Job(f"number {n}", {"problem": n, "shape": (n, 1)}, work(n)) for n in range(count)]


def say(row):
    return f"{row['problem']} gives {row['value']}"


def test_rows_and_resuming(tmp_path):
    made, updates = [], []
    store = Store.open(tmp_path, "x")
    rows = run_jobs(jobs(made, 2), store, updates.append, say)
    assert [(row["problem"], row["shape"], row["value"]) for row in rows] == [(0, [0, 1], 0), (1, [1, 1], 1)]
    assert all(row["seconds"] >= 0 and row["cpu_seconds"] >= 0 and row["machine"] for row in rows)
    assert all("commit" in row for row in rows)
    rows = run_jobs(jobs(made), Store.open(tmp_path, "x"), updates.append, say)
    assert made == [0, 1, 2, 3]
    assert [row["value"] for row in rows] == [0, 1, 4, 9]
    assert json.loads((tmp_path / "x.json").read_text())["rows"] == rows


def test_progress_reports():
    updates = []
    store = Store(None)
    run_jobs(jobs([], 1), store, lambda update: None, say)
    run_jobs(jobs([], 3), store, updates.append, say)
    assert [(u.stage, u.share, u.loss, u.line) for u in updates] == [
        ("1/2 number 1", 0.0, None, None),
        ("1/2 number 1: half", 0.25, 0.25, None),
        ("1/2 number 1", 0.5, None, "1 gives 1"),
        ("2/2 number 2", 0.5, None, None),
        ("2/2 number 2: half", 0.75, 0.25, None),
        ("2/2 number 2", 1.0, None, "2 gives 4"),
    ]


def test_an_interrupted_row_is_not_stored(tmp_path):
    def interrupted(report):
        raise KeyboardInterrupt

    first, second, third = jobs([], 3)
    store = Store.open(tmp_path, "x")
    with pytest.raises(KeyboardInterrupt):
        run_jobs([first, Job("bad", second.key, interrupted), third], store, lambda update: None, say)
    assert [row["problem"] for row in Store.open(tmp_path, "x").rows] == [0]


def test_numbers_that_are_none(tmp_path):
    measured = {"error": float("nan"), "all": [1.0, float("inf")], "seconds": 3.0}
    job = Job("bad", {"problem": "p"}, lambda report: measured)
    (row,) = run_jobs([job], Store.open(tmp_path, "x"), lambda update: None, lambda row: "")
    assert (row["error"], row["all"], row["seconds"]) == (None, [1.0, None], 3.0)
    assert Store.open(tmp_path, "x").rows == [row]


def test_the_latest_of_several():
    rows = [{"a": 1, "b": [1], "v": 1}, {"a": 2, "b": [1], "v": 2}, {"a": 1, "b": [1], "v": 3}]
    assert [row["v"] for row in latest(rows, "a", "b")] == [3, 2]


def test_seconds_of_a_shared_machine_are_those_of_the_processor():
    assert working_seconds({"seconds": 10.0, "cpu_seconds": 4.0}) == 4.0
    assert working_seconds({"seconds": 10.0, "cpu_seconds": 18.0}) == 10.0  # two threads
