"""`edgewise advise`: whether to learn a table with a KAN or an MLP, as a decision tree with measured reasons."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.checks import unknown_name
from edgewise.cli.shared.preparation import PreparedTable, TableJob, collect_warnings
from edgewise.cli.terminal.console import Screen
from edgewise.compare.advice import NEEDS, Advice
from edgewise.compare.advice import advise as advise_on_table
from edgewise.errors import InputError
from edgewise.presentation import counted


def show_advice(
    job: TableJob, prepared: PreparedTable, needs: Sequence[str], screen: Screen, *, time_limit: float | None
) -> Advice:
    """Show the table that was read, train small models on it, and print the answers of the guide."""
    for need in needs:
        if need not in NEEDS:
            raise InputError(f"--need must name some of {', '.join(NEEDS)}, got {need!r}; {unknown_name(need, NEEDS)}")
    inputs = len(prepared.encoder.feature_names)
    screen.say(f"Read {job.data}: {counted(prepared.source.table.n_rows, 'row')}, {counted(inputs, 'input')}.")
    screen.notes(prepared.notes)
    with screen.progress("Training") as bar, collect_warnings():
        advice = advise_on_table(
            prepared.X,
            prepared.y,
            needs=tuple(needs) or NEEDS,
            task=prepared.task,
            seed=job.seed,
            time_limit=time_limit,
            progress=None if bar is None else bar.update,
        )
    first, *others = advice.lines()
    screen.always(first, "bold")
    for line in others:
        screen.always(line)
    screen.result({"advice": first, "reasons": others})
    return advice
