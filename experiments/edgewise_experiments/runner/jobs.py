"""Runs the parts of an experiment that are not stored yet, one row each, and tells how far it is."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgewise_experiments.runner.store import Store


@dataclass(frozen=True)
class Update:
    """how an experiment stands. what: is being done; done: share of what was missing at the start, 0 to 1; loss: of the
    training, if one runs; line: what to say about a row that has just been stored."""

    what: str
    done: float
    loss: float | None = None
    line: str | None = None


Progress = Callable[[Update], None]
Tell = Callable[[str, float, float | None], None]
"""Called within a job with its stage, the share of the job that is done, and the loss or None."""


@dataclass(frozen=True)
class Job:
    """label: for people; key: plain JSON values that say which row it is (problem, seed, every setting that changes
    the result); work: gives the rest of the row."""

    label: str
    key: Mapping[str, object]
    work: Callable[[Tell], Mapping[str, object]]


def run_jobs(jobs: Sequence[Job], store: Store, progress: Progress, line: Callable[[dict], str]) -> list[dict]:
    """The rows of all jobs, in their order; those that the store has are not made again.

    A row is the key, what the work gave, and `seconds` and `cpu_seconds` of the work unless it gave its own. Numbers
    that are not finite become None, for JSON has no others. line: a stored row as a short text.
    """
    found = [store.find(**_plain(job.key)) for job in jobs]
    missing = [number for number, row in enumerate(found) if row is None]
    for done, number in enumerate(missing):
        job = jobs[number]
        where = f"{done + 1}/{len(missing)} {job.label}"

        def tell(stage: str, share: float, loss: float | None = None, where=where, done=done) -> None:
            progress(Update(f"{where}: {stage}" if stage else where, (done + min(share, 1)) / len(missing), loss))

        tell("", 0.0)
        start, start_cpu = time.perf_counter(), time.process_time()
        made = job.work(tell)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
        row = {**job.key, "seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3), **made}
        found[number] = store.add(_plain(row))
        progress(Update(where, (done + 1) / len(missing), line=line(found[number])))
    return found


def working_seconds(row: Mapping) -> float:
    """Wall seconds, or CPU seconds where these are fewer: then the machine was busy with other work too."""
    return min(row["seconds"], row["cpu_seconds"])


def latest(rows: Sequence[dict], *names: str) -> list[dict]:
    """Of the rows that agree in these entries only the one that was stored last, in the order of the first ones."""
    return [alike[-1] for alike in repeats(rows, *names)]


def repeats(rows: Sequence[dict], *names: str) -> list[list[dict]]:
    """The rows that agree in these entries together, as the seeds of one model, in the order of the first ones."""
    found: dict[tuple, list[dict]] = {}
    for row in rows:
        found.setdefault(tuple(json.dumps(row.get(name)) for name in names), []).append(row)
    return list(found.values())


def _plain(values):
    """As JSON gives it back: tuples are lists, numbers that are not finite are None."""
    if isinstance(values, Mapping):
        return {key: _plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_plain(value) for value in values]
    if isinstance(values, float) and not math.isfinite(values):
        return None
    assert values is None or isinstance(values, str | int | float), type(values)
    return values
