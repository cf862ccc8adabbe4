"""Fronts of formulas as plain values for a file, and back; every value of a file is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgewise.checks import check_names
from edgewise.errors import CheckpointError
from edgewise.formulas.expression import (
    MOST_NESTED,
    UNITS,
    Expression,
    Number,
    constant_values,
    depth,
    parse_expression,
    walk,
    with_constants,
)
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry
from edgewise.formulas.printing import as_stored
from edgewise.outcomes import StopReason

VERSION = 1  # Of the format; a reader refuses any other.
# Characters of a formula, at most: far more than a reader can use, and little enough to read without delay.
MOST_CHARACTERS = 200_000


def front_fields(front: Front) -> dict[str, Any]:
    """Convert a front to plain values for JSON; numbers that are not finite are texts, and networks are left out."""
    return {
        "version": VERSION,
        "names": list(front[0].formula.names),
        "samples": front.samples,
        "variance": front.variance,
        "held_out": front.held_out,
        "held_out_variance": front.held_out_variance,
        "chosen": front.chosen,
        "stopped": front.stopped,
        "as_good": list(front.as_good),
        "loss_name": front.loss_name,
        "messages": list(front.messages),
        "entries": [
            {
                **expression_fields(entry.formula.expression, len(front[0].formula.names)),
                "loss": _plain_number(entry.loss),
                "validation": _plain_number(entry.validation),
                "fresh": _plain_number(entry.fresh),
                "outside": _plain_number(entry.outside),
                "score": _plain_number(entry.score),
                "constant_errors": [_plain_number(error) for error in entry.constant_errors],
            }
            for entry in front
        ],
    }


def front_from_fields(fields: Mapping[str, Any], inputs: int) -> Front:
    """Restore a front, without networks, from the values of `front_fields`.

    CheckpointError, KeyError, TypeError or ValueError where the values are not as `front_fields` writes them.
    """
    if fields["version"] != VERSION:
        raise CheckpointError(f"formulas must have version {VERSION}, got {fields['version']!r}")
    names = check_names(fields["names"], inputs)
    entries = tuple(
        FrontEntry(
            Formula(expression_from_fields(entry, inputs), names),
            loss=float(entry["loss"]),
            validation=float(entry["validation"]),
            fresh=float(entry["fresh"]),
            outside=float(entry["outside"]),
            score=float(entry["score"]),
            constant_errors=tuple(map(float, entry["constant_errors"])),
        )
        for entry in fields["entries"]
    )
    chosen = fields["chosen"]
    samples = fields["samples"]
    held_out = fields["held_out"]
    _check_stored(type(samples) is int and type(held_out) is int, "numbers of rows that are not whole")
    _check_stored(bool(entries) and samples > 0 <= held_out, "no formulas, or no rows")
    _check_stored(chosen is None or (type(chosen) is int and 0 <= chosen < len(entries)), "a choice that is not there")
    errors = [error for entry in entries for error in (entry.loss, entry.validation, *entry.constant_errors)]
    counts = [(len(entry.constant_errors), len(constant_values(entry.formula.expression))) for entry in entries]
    _check_stored(all(given in (0, expected) for given, expected in counts), "errors of constants that are not there")
    _check_stored(not any(error < 0 for error in errors), "a negative squared error")
    stopped = fields["stopped"]
    held_out_variance = fields["held_out_variance"]
    as_good = tuple(fields["as_good"])
    _check_stored(all(type(place) is int and 0 <= place < len(entries) for place in as_good), "alternatives not there")
    return Front(
        entries,
        samples,
        float(fields["variance"]),
        tuple(map(str, fields["messages"])),
        held_out,
        chosen,
        None if stopped is None else StopReason(stopped),
        None if held_out_variance is None else float(held_out_variance),
        as_good,
        str(fields["loss_name"]),
    )


def _plain_number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def expression_fields(node: Expression, inputs: int) -> dict[str, Any]:
    """A formula as its text, see `as_stored`, and the closed forms of its numbers in the order of `constant_values`."""
    forms = [part.exact for part in walk(node) if isinstance(part, Number)]
    return {"text": as_stored(node, inputs), "closed_forms": [None if form is None else list(form) for form in forms]}


def expression_from_fields(fields: Mapping[str, Any], inputs: int) -> Expression:
    """The formula of the values of `expression_fields`; the reader of users' formulas reads its text."""
    text = fields["text"]
    _check_stored(isinstance(text, str) and len(text) <= MOST_CHARACTERS, "no text, or a long one")
    node = parse_expression(text, check_names(None, inputs))
    _check_stored(depth(node) <= MOST_NESTED, f"more than {MOST_NESTED} nested levels")
    forms = fields["closed_forms"]
    values = constant_values(node)
    _check_stored(len(forms) == len(values), "closed forms of other numbers")
    for form in forms:
        if form is not None:
            p, q, unit = form
            _check_stored(type(p) is int and type(q) is int and q != 0 and unit in UNITS, "an unknown closed form")
    return with_constants(node, values, [None if form is None else tuple(form) for form in forms])


def _check_stored(holds: bool, got: str) -> None:
    if not holds:
        raise CheckpointError(f"formulas must be as they were written, got {got}")
