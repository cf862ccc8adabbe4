"""Fronts of formulas as plain values for a file, and back: checked as if an enemy had written them."""

import math
from collections.abc import Mapping, Sequence

from edgewise.checks import check_names
from edgewise.errors import CheckpointError
from edgewise.formulas.expression import (
    FUNCTIONS,
    UNITS,
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    children,
)
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry

VERSION = 1
LONGEST = 10_000  # tokens of a formula
NUMBERS = ("loss", "validation", "fresh", "outside", "score")


def front_fields(front: Front) -> dict:
    """All of a front but the networks of its entries. Numbers that are not finite are texts, as JSON has none."""
    return {
        "version": VERSION,
        "names": list(front[0].formula.names),
        "samples": front.samples,
        "variance": front.variance,
        "held_out": front.held_out,
        "chosen": front.chosen,
        "said": list(front.messages),
        "entries": [
            {
                "text": entry.formula.text(None),  # for people; what counts are the tokens
                "tokens": _tokens(entry.formula.expression),
                **{name: _plain(getattr(entry, name)) for name in NUMBERS},
            }
            for entry in front
        ],
    }


def front_from_fields(fields: Mapping, inputs: int) -> Front:
    """The front of `front_fields`, of formulas of so many inputs.

    Raises:
        CheckpointError: the fields are not as they were written. KeyError, TypeError, ValueError: alike.
    """
    if fields["version"] != VERSION:
        raise CheckpointError(f"formulas must have version {VERSION}, got {fields['version']!r}")
    names = check_names(fields["names"], inputs)
    entries = tuple(
        FrontEntry(Formula(_expression(one["tokens"], inputs), names), *(float(one[name]) for name in NUMBERS))
        for one in fields["entries"]
    )
    chosen, samples, held_out = fields["chosen"], int(fields["samples"]), int(fields["held_out"])
    _expect(bool(entries) and samples > 0 <= held_out, "no formulas, or of no rows")
    _expect(chosen is None or (type(chosen) is int and 0 <= chosen < len(entries)), "a choice that is not there")
    return Front(entries, samples, float(fields["variance"]), tuple(map(str, fields["said"])), held_out, chosen)


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _tokens(node: Expression) -> list[list]:
    """Parts before what they are parts of, so that no formula nests deeper than a list of lists."""
    found = [token for part in children(node) for token in _tokens(part)]
    match node:
        case Number(value, exact):
            return [["number", _plain(value), *(exact or ())]]
        case Variable(index):
            return [["input", index]]
        case Add() | Multiply():
            return [*found, ["+" if isinstance(node, Add) else "*", len(children(node))]]
        case Power(_, exponent):
            return [*found, ["power", exponent]]
        case Call(name, _):
            return [*found, ["call", name]]
    raise AssertionError(node)


def _expression(tokens: Sequence[Sequence], inputs: int) -> Expression:
    _expect(0 < len(tokens) <= LONGEST, f"{len(tokens)} tokens")
    stack: list[Expression] = []
    for kind, *words in tokens:
        count = 0 if kind in ("number", "input") else words[0] if kind in ("+", "*") else 1
        _expect(type(count) is int and count <= len(stack), "a part that is not there")
        parts = tuple(stack[len(stack) - count :])
        del stack[len(stack) - count :]
        stack.append(_part(kind, words, parts, inputs))
    _expect(len(stack) == 1, "loose parts")
    return stack[0]


def _part(kind: str, words: list, parts: tuple[Expression, ...], inputs: int) -> Expression:
    if kind == "number":
        value, *exact = words
        if exact:
            p, q, unit = exact
            _expect(type(p) is int and type(q) is int and q != 0 and unit in UNITS, "a number that nobody writes")
        return Number(float(value), tuple(exact) or None)
    if kind == "input":
        (index,) = words
        _expect(type(index) is int and 0 <= index < inputs, "an input that is not there")
        return Variable(index)
    if kind in ("+", "*"):
        _expect(len(parts) > 1, "a sum or product of one part")
        return Add(parts) if kind == "+" else Multiply(parts)
    (word,) = words
    if kind == "power":
        return Power(parts[0], float(word))
    _expect(kind == "call" and word in FUNCTIONS, f"an unknown function {word!r}"[:60])
    return Call(word, parts[0])


def _expect(holds: bool, came: str) -> None:
    if not holds:
        raise CheckpointError(f"formulas must be as they were written, got {came}")
