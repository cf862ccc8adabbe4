"""`edgewise dynamics`: from a table of trajectories to equations of motion on the screen and in a file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.table import Table as Grid
from rich.text import Text

from edgewise import __version__
from edgewise.cli.shared.large import open_sampled
from edgewise.cli.terminal.console import Screen
from edgewise.dynamics import Motion, System, find_dynamics
from edgewise.errors import InputError
from edgewise.escaping import terminal_line
from edgewise.files.whole import write_bytes
from edgewise.presentation import number_text
from edgewise.tables import Table


@dataclass(frozen=True)
class MotionJob:
    """What the command line asks for."""

    data: str
    time: str
    run: str | None
    inputs: tuple[str, ...]
    drop: tuple[str, ...]
    order: int
    out: str | None
    time_limit: float | None


def find_motion(job: MotionJob, screen: Screen) -> Motion:
    """Search, show the front of systems and what the data decide, and write the file --out."""
    source = open_sampled(job.data)
    screen.notes(source.notes)
    with screen.progress("Equations of motion") as report, _in_words_of_options(job):
        motion = find_dynamics(
            job.time,
            source.table,
            names=_coordinates(job, source.table),
            run=job.run,
            inputs=job.inputs or None,
            order=job.order,
            time_limit=job.time_limit,
            progress=report,
        )
    # The front, the choice with its constants, and what the data decide.
    screen.say("Systems from short to accurate; the arrow marks the chosen one.", style="bold")
    screen.table(_front(motion))
    screen.say()
    for line in motion.choice.lines(4):
        screen.always(terminal_line(line), "bold")
    screen.say(terminal_line(", ".join(map(str, motion.choice.constants))))
    screen.notes([motion.says, *motion.messages])
    # The file by its ending: numbers, page or figure.
    facts = _facts(motion)
    wrote = []
    if job.out is not None:
        if job.out.lower().endswith(".json"):
            write_bytes(job.out, (json.dumps(facts, indent=2) + "\n").encode())
        elif job.out.lower().endswith(".html"):
            motion.report().save(job.out)
        else:
            from edgewise.plot import save

            save(motion.figure(), job.out)
        screen.say(f"Wrote {job.out}.")
        wrote.append(job.out)
    screen.result({**facts, "wrote": wrote})
    return motion


@contextmanager
def _in_words_of_options(job: MotionJob) -> Iterator[None]:
    """Let errors name the options instead of the arguments of `find_dynamics`."""
    try:
        yield
    except InputError as error:
        # An error begins with the name of an argument.
        argument, _, rest = str(error).partition(" ")
        options = {"t": "--time", "x": "DATA", "order": "--order", "inputs": "--inputs", "time_limit": "--time-limit"}
        words = f"{options.get(argument, argument)} {rest}"
        words = words.replace(" of x must", " must")
        words = words.replace("choose the coordinates by names=", "name it in --id, or leave it out by --drop")
        if argument == "t" and job.run is None:
            words += "; --id names the column that tells trajectories apart"
        raise InputError(words) from error


def _coordinates(job: MotionJob, table: Table) -> list[str]:
    """The columns that move: all numbers that no option names. Raises InputError for a column that is not there."""
    # The columns that options name, each checked.
    options = [("--time", job.time), *([("--id", job.run)] if job.run else [])]
    options += [("--inputs", name) for name in job.inputs] + [("--drop", name) for name in job.drop]
    for option, name in options:
        if name not in table.columns:
            raise InputError(f"{option} must be a column of {job.data}, got {name!r}; it has {', '.join(table.names)}")
    # The others are the coordinates of the motion.
    named = {name for _, name in options}
    names = [name for name in table.names if name not in named]
    if not names:
        raise InputError(f"{job.data} must have a column beside those of the options, got none")
    return names


def _front(motion: Motion) -> Grid:
    grid = Grid(box=None, padding=(0, 2), pad_edge=False)
    for name in ("", "symbols", "error"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("equations", overflow="fold")
    # A row for each system, with the error of each coordinate; the choice is bold behind an arrow.
    for number, system in enumerate(motion.systems, start=1):
        is_choice = system is motion.choice
        error = ", ".join(number_text(value, 2) for value in system.error)
        equations = "\n".join(terminal_line(line) for line in system.lines(4))
        cells = (f"{'→ ' if is_choice else ''}{number}", f"{system.complexity}", error, equations)
        grid.add_row(*(Text(cell, style="bold" if is_choice else "") for cell in cells))
    return grid


def _facts(motion: Motion) -> dict[str, Any]:
    """The motion as plain values."""
    constants = [
        {"symbol": one.symbol, "value": one.value, "standard_error": _plain(one.error), "equation": one.equation}
        for one in motion.choice.constants
    ]
    return {
        "edgewise": __version__,
        "equations": motion.choice.lines(6),
        "constants": constants,
        "decided": motion.decided,
        "says": motion.says,
        "noise": [float(value) for value in motion.noise],
        "rivals": [system.lines(6) for system in motion.rivals],
        "next_start": None if motion.next_start is None else [float(value) for value in motion.next_start],
        "systems": [_system(system) for system in motion.systems],
        "messages": list(motion.messages),
    }


def _plain(value: float) -> float | None:
    """A number as JSON has it: None for the error of equations that no trajectory follows."""
    return float(value) if math.isfinite(value) else None


def _system(system: System) -> dict[str, Any]:
    errors = [_plain(value) for value in system.error]
    return {"equations": system.lines(6), "symbols": system.complexity, "score": _plain(system.score), "error": errors}
