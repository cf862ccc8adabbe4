"""Fronts of formulas as plain values for a file, and back; every value of a file is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.checks import check_names
from edgewise.errors import CheckpointError
from edgewise.formulas.expression import (
    FUNCTIONS,
    MOST_NESTED,
    UNITS,
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    children,
    constant_values,
)
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry
from edgewise.outcomes import StopReason

VERSION = 1  # Of the format; a reader refuses any other.
# Tokens of a formula, at most: far more than a reader can use, and little enough to read without delay.
MOST_TOKENS = 10_000


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
                "text": entry.formula.text(None),  # For readers of the file; only the tokens are read back.
                "tokens": expression_tokens(entry.formula.expression),
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
            Formula(expression_from_tokens(entry["tokens"], inputs), names),
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


def expression_tokens(node: Expression) -> list[list[Any]]:
    """A formula in postfix order: each part after the parts it consists of, so a flat list holds any depth."""
    below = [token for part in children(node) for token in expression_tokens(part)]
    match node:
        case Number(value, exact):
            return [["number", _plain_number(value), *(exact or ())]]
        case Variable(index):
            return [["input", index]]
        case Add() | Multiply():
            return [*below, ["+" if isinstance(node, Add) else "*", len(children(node))]]
        case Power(_, exponent):
            return [*below, ["power", exponent]]
        case Call(name, _):
            return [*below, ["call", name]]
    raise AssertionError(node)


def expression_from_tokens(tokens: Sequence[Sequence[Any]], inputs: int) -> Expression:
    """The formula of a list of tokens; refuses everything that `expression_tokens` does not write."""
    _check_stored(0 < len(tokens) <= MOST_TOKENS, f"{len(tokens)} tokens")
    stack: list[Expression] = []
    levels: list[int] = []  # of each expression on the stack, since the functions of formulas are recursive
    for kind, *words in tokens:
        if kind in ("number", "input"):
            count = 0
        elif kind in ("+", "*"):
            count = words[0]
        else:
            count = 1
        _check_stored(type(count) is int and count <= len(stack), "a part that is not there")
        parts = tuple(stack[len(stack) - count :])
        del stack[len(stack) - count :]
        level = 1 + max(levels[len(levels) - count :], default=0)
        _check_stored(level <= MOST_NESTED, f"more than {MOST_NESTED} nested levels")
        levels[len(levels) - count :] = [level]
        node: Expression
        if kind == "number":
            value, *exact = words
            if exact:
                p, q, unit = exact
                _check_stored(type(p) is int and type(q) is int and q != 0 and unit in UNITS, "an unknown closed form")
            node = Number(float(value), (p, q, unit) if exact else None)
        elif kind == "input":
            (index,) = words
            _check_stored(type(index) is int and 0 <= index < inputs, "an input that is not there")
            node = Variable(index)
        elif kind in ("+", "*"):
            _check_stored(len(parts) > 1, "a sum or product of one part")
            node = Add(parts) if kind == "+" else Multiply(parts)
        elif kind == "power":
            (exponent,) = words
            node = Power(parts[0], float(exponent))
        else:
            (name,) = words
            _check_stored(kind == "call" and name in FUNCTIONS, f"an unknown function {name!r}"[:60])
            node = Call(name, parts[0])
        stack.append(node)
    _check_stored(len(stack) == 1, "loose parts")
    return stack[0]


def _check_stored(holds: bool, got: str) -> None:
    if not holds:
        raise CheckpointError(f"formulas must be as they were written, got {got}")
