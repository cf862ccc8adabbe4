"""Runs the jobs of an experiment whose rows are not stored yet, and reports the progress."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgewise.errors import SolutionWarning
from edgewise.outcomes import Progress, ProgressCallback, StopReason
from edgewise_experiments.runner.store import Store, as_json


@dataclass(frozen=True)
class RowProgress(Progress):
    """Progress of an experiment.

    Parameters
    ----------
    line : str, optional
        Text about the row that has just been stored, None where none has.
    """

    line: str | None = None


class Report(Protocol):
    """Report of a fit, a search or a solve, with the reason for which it ended."""

    @property
    def stopped(self) -> StopReason: ...


class Stopwatch:
    """Wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._start_cpu = time.process_time()

    def seconds(self) -> dict[str, float]:
        """Return `seconds` and `cpu_seconds` as a row has them, to a millisecond."""
        wall = time.perf_counter() - self._start
        cpu = time.process_time() - self._start_cpu
        return {"seconds": round(wall, 3), "cpu_seconds": round(cpu, 3)}


RowCallback = Callable[[RowProgress], None]
"""Function that receives the progress of an experiment."""


@dataclass(frozen=True)
class Job:
    """One row that an experiment measures.

    Parameters
    ----------
    label : str
        Short description for people.
    key : mapping
        Plain JSON values that identify the row: problem, seed, and every setting that changes the result.
    work : callable
        Measures the rest of the row. It receives a function that takes one `edgewise.outcomes.Progress`, whose share is
        that of the job.
    """

    label: str
    key: Mapping[str, object]
    work: Callable[[ProgressCallback], Mapping[str, object]]


SHOWN = (
    "error",
    "rmse",
    "accuracy",
    "score",
    "exact",
    "psnr",
    "loss",
)  # entries of a row that its line of progress has


def line_of(label: str, row: Mapping) -> str:
    """Describe a stored row in one line: what was measured, and its main numbers."""
    numbers = [f"{name} {row[name]:.3g}" for name in SHOWN if isinstance(row.get(name), int | float)]
    return ", ".join([f"{label}: {working_seconds(row):.1f} s", *numbers])


def run_jobs(
    jobs: Sequence[Job], store: Store, progress: RowCallback, line: Callable[[dict], str] | None = None
) -> list[dict]:
    """Return the rows of all jobs, in their order; measure and store those that are missing.

    A row consists of the key, the result of the work, and `seconds` and `cpu_seconds` of the work unless the result
    holds these. Numbers that are not finite become None because JSON has no others.

    Parameters
    ----------
    progress : callable
        Receives a `RowProgress` whose share is that of the missing rows.
    line : callable, optional
        Turns a stored row into a short text; None for that of `line_of`.
    """
    rows = [store.find(**as_json(job.key)) for job in jobs]
    missing = [number for number, row in enumerate(rows) if row is None]
    for done, number in enumerate(missing):
        job = jobs[number]
        label = f"{done + 1}/{len(missing)} {job.label}"

        def report(at: Progress, label: str = label, done: int = done) -> None:
            stage = f"{label}: {at.stage}" if at.stage else label
            progress(RowProgress(stage, (done + min(at.share, 1)) / len(missing), at.loss))

        report(Progress("", 0.0))
        watch = Stopwatch()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SolutionWarning)  # rows say which solutions are doubted or end early
            measured = job.work(report)
        row = {**job.key, **watch.seconds(), **measured}
        rows[number] = store.add(row)
        text = line_of(job.label, rows[number]) if line is None else line(rows[number])
        progress(RowProgress(label, (done + 1) / len(missing), line=text))
    return rows


def require_complete(*reports: Report) -> None:
    """Raise KeyboardInterrupt if the user interrupted one of these fits: a fit that was cut short is no result."""
    if any(report.stopped == StopReason.INTERRUPTED for report in reports):
        raise KeyboardInterrupt


def working_seconds(row: Mapping) -> float:
    """Return the wall seconds of a row, or its CPU seconds where these are fewer because the machine was shared."""
    return min(row["seconds"], row.get("cpu_seconds", row["seconds"]))


def latest(rows: Sequence[dict], *names: str) -> list[dict]:
    """Keep only the row stored last of those that agree in these entries, in the order of the first ones."""
    return [alike[-1] for alike in repeats(rows, *names)]


def repeats(rows: Sequence[dict], *names: str) -> list[list[dict]]:
    """Group the rows that agree in these entries, such as the seeds of one model, in the order of the first ones."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(tuple(json.dumps(row.get(name)) for name in names), []).append(row)
    return list(groups.values())
