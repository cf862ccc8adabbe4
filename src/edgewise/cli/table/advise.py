"""`edgewise advise`: whether a table should be learned with a KAN or an MLP, as a tree with measured reasons."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.job import FitJob, noted, prepare
from edgewise.compare.advice import NEEDS, Advice
from edgewise.compare.advice import advise as advise_on
from edgewise.errors import InputError


def advise(job: FitJob, needs: Sequence[str], screen: Screen) -> Advice:
    """Reads the table as `edgewise fit` does, trains small models on it, and prints the guide with the branch taken."""
    for need in needs:
        if need not in NEEDS:
            raise InputError(f"--need must be one of {', '.join(NEEDS)}, got {need!r}")
    ready = prepare(job)
    screen.say(f"Read {job.data}: {ready.source.table.n_rows:,} rows, {len(ready.encoder.feature_names)} inputs.")
    screen.notes(ready.notes)
    with screen.progress("Training") as bar, noted():
        progress = None if bar is None else bar.update
        advice = advise_on(
            ready.X, ready.y, needs=tuple(needs) or NEEDS, task=ready.task, seed=job.seed, progress=progress
        )
    first, *others = advice.lines()
    screen.always(first, "bold")
    for line in others:
        screen.always(line)
    return advice
