"""Folders that `edgewise solve` wrote, for `edgewise info` and `edgewise predict`: facts, and fields at points."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

from edgewise.checkpoint.solution import load_solution
from edgewise.cli.pde.results import MARK, MODEL
from edgewise.cli.shared.console import Screen
from edgewise.cli.shared.exit_codes import printable
from edgewise.cli.shared.source import columns_csv, finite_columns, open_source, write_csv
from edgewise.errors import CheckpointError, InputError
from edgewise.files import read_bytes
from edgewise.pde import EQUATIONS, named_equation

# Entries of solution.json that are shown, with their titles.
TITLES = {
    "statement": "equation",
    "command": "command",
    "network": "network",
    "parameters": "parameters",
    "message": "end of the solve",
    "residual": "residual",
    "error_estimate": "estimated relative error",
    "seconds": "seconds",
    "edgewise": "version of edgewise",
}


def find_solution_folder(text: str) -> Path | None:
    """Return the folder if the text names one that `edgewise solve` wrote, or the solution in it; else None."""
    path = Path(text)
    folder = path.parent if path.name == MODEL else path
    return folder if (folder / MARK).is_file() and (folder / MODEL).is_file() else None


def show_solution(folder: Path, screen: Screen) -> None:
    """Show the equation, the network, the errors and the estimated coefficients."""
    stored, file = _read_facts(folder), folder / MODEL
    facts: dict[str, object] = {"file": f"{file} ({os.path.getsize(file):,} bytes)"}
    for key, title in TITLES.items():
        value = stored.get(key)
        if isinstance(value, str | int | float):
            facts[title] = f"{value:.3g}" if isinstance(value, float) else value
    errors, unknowns = stored.get("errors"), stored.get("unknowns")
    for field, measures in errors.items() if isinstance(errors, dict) else ():
        if isinstance(measures, dict) and isinstance(measures.get("relative_l2"), float):
            facts[f"relative L2 error, {field}"] = f"{measures['relative_l2']:.2g}"
    for name, value in unknowns.items() if isinstance(unknowns, dict) else ():
        if isinstance(value, float):
            facts[name] = f"{value:.3g}"
    screen.facts(facts)


def write_fields(folder: Path, data: str, out: str | None, delimiter: str | None, screen: Screen) -> None:
    """Evaluate the fields at every row of a table of coordinates; write the CSV to the file `out`, or to stdout.

    Raises
    ------
    InputError
        The equation is from a file of the user's own: the folder does not hold its code, which only `solve` runs.
    """
    options = _read_facts(folder).get("options")
    name = options.get("equation") if isinstance(options, dict) else None
    if name not in {equation.name for equation in EQUATIONS}:
        raise InputError(
            f"MODEL must be a solution of a named equation, got one of {printable(name)!r:.80}: in Python, "
            "edgewise.load(path, problem=...) loads it"
        )
    assert isinstance(name, str)
    solution = load_solution(folder / MODEL, named_equation(name).make())
    domain, fields = solution.problem.domain, solution.problem.fields
    table = open_source(data, delimiter).table
    points = torch.from_numpy(finite_columns(table, domain.coordinates, domain.dimension, "of the domain")).double()
    outside = int((~domain.contains(points)).sum())
    if outside:
        screen.notes([f"{outside:,} of {len(points):,} points lie outside the domain; values there have no meaning."])
    text = columns_csv(table.rows, dict(zip(fields, solution(points).T.tolist(), strict=True)))
    write_csv(text, out)
    if out is not None:
        screen.say(f"Wrote {out}: {', '.join(fields)} at {table.n_rows:,} points.")


def _read_facts(folder: Path) -> dict[str, Any]:
    file = folder / MARK
    try:
        facts = json.loads(read_bytes(file))
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise CheckpointError(f"{file} must be the JSON that `edgewise solve` writes, got something else")
    return facts
