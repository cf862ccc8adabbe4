"""A journal of the formulas of a search so far, so that a search that was cut short goes on from there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.checkpoint import codec, container
from edgewise.discovery.engine.archive import Archive
from edgewise.files.journal import WRITE_AFTER, Journal, Part
from edgewise.formulas.expression import Expression
from edgewise.formulas.formula import Formula
from edgewise.outcomes import Budget


def data_name(*arrays: np.ndarray) -> str:
    """Return a short name for some arrays, by which parts of a journal that belong to them are known."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


class Recording:
    """Kept expressions and complete stages of one search."""

    def __init__(self, journal: Journal, name: str, budget: Budget):
        self.archive: Archive | None = None  # what is recorded, from `restore` on
        self.journal = journal
        self.name = f"search {name}"
        self.budget = budget
        self.work = 0.0
        self.seconds = 0.0
        # The clocks of this run, and stages and formulas that earlier parts of the run have recorded.
        self._began = budget.work
        self._last = time.monotonic()
        self._done: set[tuple[str, tuple[str, ...]]] = set()
        self._kept: list[dict[str, Any]] = []
        while (part := journal.recall(self.name)) is not None:
            self.work = float(part.facts["work"])
            self.seconds = float(part.facts["seconds"])
            self._kept += part.facts["kept"]
            if part.facts["stage"] is not None:
                self._done.add((part.facts["stage"], tuple(part.facts["path"])))
        self._recorded: set[Expression] = set()

    def restore(self, archive: Archive) -> None:
        """Put what the earlier parts of the search have found into the archive, which is recorded from now on."""
        self.archive = archive
        with container.errors_of_file("resume", self.journal.place):
            for kept in self._kept:
                formula = codec.read(Formula, kept["formula"], "a formula of the search")
                archive.restore(formula.expression, kept["source"])
        self._news()

    def is_complete(self, stage: str, path: Sequence[str]) -> bool:
        """Return whether a stage has run on the problem to which some reductions lead."""
        return (stage, tuple(path)) in self._done

    def add(self, stage: str | None = None, path: Sequence[str] = ()) -> None:
        """Record what is new in the archive: after a complete stage, or else if the last record is some time ago."""
        if stage is None and time.monotonic() - self._last < WRITE_AFTER:
            return
        work = self.work + self.budget.work - self._began
        seconds = self.seconds + self.budget.seconds
        facts = {"work": work, "seconds": seconds, "kept": self._news(), "stage": stage, "path": list(path)}
        self.journal.keep(self.name, Part(facts))
        self._last = time.monotonic()

    def _news(self) -> list[dict[str, Any]]:
        archive = self.archive
        assert archive is not None, "an archive is restored before it is recorded"
        fresh = [judged for judged in archive if judged.expression not in self._recorded]
        self._recorded |= {judged.expression for judged in fresh}
        formulas = [codec.plain(Formula(judged.expression, archive.problem.names)) for judged in fresh]
        return [{"formula": each, "source": judged.source} for each, judged in zip(formulas, fresh, strict=True)]
