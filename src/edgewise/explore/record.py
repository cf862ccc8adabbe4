"""Edits in files: the record as JSON, and a Python script that repeats it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.errors import InputError
from edgewise.files.whole import read_bytes

FORMAT = 1  # of the record; a higher number is of a later version


def read_record(path: str | os.PathLike[str]) -> Any:
    """Return the JSON of a file of edits; raise FileError, or InputError if it is something else."""
    try:
        return json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{os.fspath(path)} must hold edits as JSON, got {error}") from error


def checked_record(record: Mapping[str, Any], made_for: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the kept and the undone edits of a record."""
    match record:
        case {"edits": [*edits], "undone": [*undone]} if all(isinstance(one, Mapping) for one in (*edits, *undone)):
            pass
        case _:
            raise InputError("record must be a dictionary with the lists edits and undone, as Session.record gives it")
    if record.get("format") != FORMAT:
        raise InputError(f"record must have the format {FORMAT}, got {record.get('format')!r}")
    if record.get("made_for") != made_for:
        raise InputError("record must be made for this model and these rows, got that of others")
    return [dict(one) for one in edits], [dict(one) for one in undone]


def script_text(
    origin: tuple[str, str | None] | None, held_out: Sequence[int], edits: Sequence[Mapping[str, Any]], out: str
) -> str:
    """Return a script that repeats edits."""
    lines = ['"""Repeats edits of a model that were made by hand."""', "", "from edgewise.explore import Session", ""]
    if origin is None:
        lines += ["# model, X and y as in your program", f"session = Session(model, X, y, held_out={list(held_out)!r})"]
    else:
        lines.append(f"session = Session.open({origin[0]!r}, {origin[1]!r}, held_out={list(held_out)!r})")
    for edit in edits:
        fields = ", ".join(f"{name}={value!r}" for name, value in edit.items() if name != "kind")
        lines.append(f"session.edit({edit['kind']!r}, {fields})")
    return "\n".join([*lines, f"session.save({out!r})", ""])
