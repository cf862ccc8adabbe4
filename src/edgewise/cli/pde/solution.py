"""Solutions that `edgewise solve` wrote, for the commands that read them: facts, and fields at points.

The values of a solution of the user's own equation need no equation: a stand-in problem has its fields and a box. Only
boundary values that hold by construction are part of the equation and not of the file.
"""

from __future__ import annotations

import json
import os
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgewise.checks import json_object
from edgewise.cli.shared.folder import SOLUTION_MARK
from edgewise.cli.shared.source import finite_columns
from edgewise.cli.terminal.console import Screen
from edgewise.errors import CheckpointError, InputError
from edgewise.files.folders import beside
from edgewise.files.whole import read_bytes
from edgewise.pde import PDE, Box, Dirichlet, Initial, Solution
from edgewise.pde.storage import load_solution
from edgewise.presentation import counted, typed_text
from edgewise.tables import Table


def show_solution(file: Path, screen: Screen) -> None:
    """Show the equation, the network, the errors and the estimated coefficients."""
    stored = read_facts(file)
    facts: dict[str, object] = {"file": f"{file} ({os.path.getsize(file):,} bytes)"}
    # The entries that are shown, with their titles; numbers have three digits.
    titles = {
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
    for key, title in titles.items():
        match stored.get(key):
            case float(value):
                facts[title] = typed_text(value, 3)
            case str() | int() as value:
                facts[title] = value
    # A file may have facts of any form: what is no number is passed over.
    match stored:
        case {"errors": {**errors}}:
            for field, measures in errors.items():
                match measures:
                    case {"relative_l2": float(error)}:
                        facts[f"relative L2 error, {field}"] = typed_text(error, 2)
    match stored:
        case {"unknowns": {**unknowns}}:
            facts |= {str(name): typed_text(value, 3) for name, value in unknowns.items() if isinstance(value, float)}
    screen.facts(facts)
    screen.result({"kind": "solution", "file": str(file), **stored})


def open_solution(file: Path) -> tuple[Solution, dict[str, Any]]:
    """Return a solution, and the facts that lie beside it in solution.json."""
    # The problem of a stored solution is a stand-in, whose residuals mean nothing.
    facts = read_facts(file)
    if facts.get("hard_conditions"):
        raise InputError(
            "MODEL must be a solution whose boundary values are not hard, because those are part of the equation, got "
            "one with hard conditions: in Python, edgewise.load(path, problem=...) loads it"
        )
    return load_solution(file, stand_in(facts, file)), facts


def stand_in(facts: dict[str, Any], file: Path) -> PDE:
    """Return a problem with the fields, the coefficients and the box of a stored solution, and no meaning."""
    try:
        fields = [str(name) for name in facts["fields"]]
        unknowns = dict(facts["unknowns"])
        box = Box(**{str(name): (float(low), float(high)) for name, (low, high) in facts["domain"]["box"].items()})

        def equation(**values: Any) -> list[Tensor]:
            # every coefficient must take part
            if unknowns:
                total = sum(values[name] for name in unknowns)
            else:
                total = 0.0
            return [values[name] + total for name in fields]

        names = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in (*fields, *unknowns)]
        equation.__signature__ = Signature(names)  # type: ignore[attr-defined]
        zero = dict.fromkeys(fields, 0.0) if len(fields) > 1 else 0.0
        condition = Initial(zero) if "t" in box.coordinates else Dirichlet(zero)
        return PDE(equation, box, [condition], coefficients=unknowns or None)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{file.parent / SOLUTION_MARK} must describe the fields and the domain of the solution, it does not"
        ) from error


def solution_points(solution: Solution, table: Table) -> Tensor:
    """Return the points (N, n) of a table of coordinates; raise InputError."""
    domain = solution.problem.domain
    return torch.from_numpy(finite_columns(table, domain.coordinates, domain.dimension, "of the domain")).double()


def outside_sentence(outside: int, points: int, what: str) -> str:
    """Return a sentence about the points outside the domain, of which `what` is true."""
    verb = "lies" if outside == 1 else "lie"
    if not (outside > 1):
        what = what.replace("have ", "has ").replace("are ", "is ")
    return f"{outside:,} of {counted(points, 'point')} {verb} outside the domain and {what}."


def read_facts(file: Path) -> dict[str, Any]:
    """Return the content of solution.json beside the file of a solution; raise CheckpointError or FileError."""
    mark = beside(file, SOLUTION_MARK)
    try:
        facts = json_object(json.loads(read_bytes(mark)))
    except (ValueError, RecursionError):
        facts = {}
    if not facts:
        raise CheckpointError(f"{mark} must be the JSON that `edgewise solve` writes, got something else")
    return facts
