"""A folder of `edgewise solve` on the command line: what it holds, and its fields at the points of a table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from rich.table import Table as Grid
from rich.text import Text

from edgewise.checkpoint.solution import load_solution
from edgewise.cli.pde.solved import MARK, MODEL
from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.guard import printable
from edgewise.cli.shared.model import plain_columns
from edgewise.cli.shared.source import columns_csv, open_source
from edgewise.errors import CheckpointError, InputError
from edgewise.files import read_bytes, write_bytes
from edgewise.pde import EQUATIONS, named_equation

# What of the JSON is shown, under which name.
_SHOWN = {
    "statement": "equation",
    "command": "command",
    "network": "network",
    "parameters": "parameters",
    "message": "ended",
    "residual": "residual",
    "error_estimate": "estimated relative error",
    "seconds": "seconds",
    "edgewise": "made by edgewise",
}


def solution_folder(text: str) -> Path | None:
    """The folder that `edgewise solve --out` wrote, by its name or that of the solution in it; None for all else."""
    path = Path(text)
    folder = path.parent if path.name == MODEL else path
    return folder if (folder / MARK).is_file() and (folder / MODEL).is_file() else None


def solution_info(folder: Path, screen: Screen) -> None:
    """Shows equation, fields, network, errors and coefficients."""
    known, file = _facts(folder), folder / MODEL
    facts = {"file": f"{file} ({os.path.getsize(file):,} bytes)"}
    facts |= {label: known[key] for key, label in _SHOWN.items() if isinstance(known.get(key), str | int | float)}
    for field, errors in _pairs(known, "errors"):
        if isinstance(errors, dict) and isinstance(errors.get("relative_l2"), float):
            facts[f"relative L2 error, {field}"] = f"{errors['relative_l2']:.2g}"
    facts |= {name: value for name, value in _pairs(known, "unknowns") if isinstance(value, float)}
    grid = Grid.grid(padding=(0, 2))
    for name, value in facts.items():
        shown = f"{value:.3g}" if isinstance(value, float) else value
        grid.add_row(Text(printable(name), style="bold"), Text(printable(shown)))
    screen.table(grid)


def solution_predict(
    folder: Path, data: str, out: str | None, delimiter: str | None, screen: Screen, emit: Callable
) -> None:
    """The fields at every row of a table of coordinates; the CSV goes to the file `out`, or to `emit`.

    Raises InputError for an equation of the user's own: its code is not in the folder, and is run only by `solve`.
    """
    options = _facts(folder).get("options")
    name = options.get("equation") if isinstance(options, dict) else None
    if name not in {equation.name for equation in EQUATIONS}:
        raise InputError(
            f"MODEL must be a solution of an equation that has a name, got one of {printable(name)!r:.80}: in Python, "
            "edgewise.load(path, problem=...) reads it"
        )
    solution = load_solution(folder / MODEL, named_equation(name).make())
    domain, fields = solution.problem.domain, solution.problem.fields
    table = open_source(data, delimiter).table
    points = torch.from_numpy(plain_columns(table, domain.coordinates, domain.dimension, "of the domain")).double()
    outside = int((~domain.contains(points)).sum())
    if outside:
        screen.notes([f"{outside:,} of {len(points):,} points lie outside of the domain: values there mean nothing"])
    text = columns_csv(table.rows, dict(zip(fields, solution(points).T.tolist(), strict=True)))
    if out is None:
        emit(text)
        return
    write_bytes(out, text.encode())
    screen.say(f"Wrote {out}: {', '.join(fields)} at {table.n_rows:,} points.")


def _facts(folder: Path) -> dict:
    file = folder / MARK
    try:
        facts = json.loads(read_bytes(file))
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise CheckpointError(f"{file} must be the JSON that `edgewise solve` writes, got something else")
    return facts


def _pairs(facts: dict, key: str) -> list[tuple]:
    found = facts.get(key)
    return list(found.items()) if isinstance(found, dict) else []
