"""Formulas as flat lists of tokens for files, and back; every token of a file is checked."""

from __future__ import annotations

from collections.abc import Sequence

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
)

Token = list[str | int | float]
"""The kind of a part of a formula and what it consists of beside the parts before it."""

# Tokens of a formula, at most: far more than a reader can use, and little enough to read without delay.
MOST_TOKENS = 10_000


def expression_tokens(node: Expression) -> list[Token]:
    """A formula in postfix order: each part after the parts it consists of, so a flat list holds any depth."""
    below = [token for part in children(node) for token in expression_tokens(part)]
    match node:
        case Number(value, exact):
            return [["number", value, *(exact or ())]]
        case Variable(index):
            return [["input", index]]
        case Add() | Multiply():
            return [*below, ["+" if isinstance(node, Add) else "*", len(children(node))]]
        case Power(_, exponent):
            return [*below, ["power", exponent]]
        case Call(name, _):
            return [*below, ["call", name]]
    raise AssertionError(node)


def expression_from_tokens(tokens: Sequence[Token], inputs: int) -> Expression:
    """The formula of a list of tokens; refuses everything that `expression_tokens` does not write."""
    if not 0 < len(tokens) <= MOST_TOKENS:
        raise _refusal(f"{len(tokens)} tokens")
    stack: list[Expression] = []
    levels: list[int] = []  # of each expression on the stack, since the functions of formulas are recursive
    for token in tokens:
        node: Expression
        count = 0  # of the parts
        match token:
            case ["number", int() | float() as value]:
                node = Number(float(value))
            case ["number", int() | float() as value, int() as p, int() as q, str() as unit] if q and unit in UNITS:
                node = Number(float(value), (p, q, unit))
            case ["input", int() as index] if 0 <= index < inputs:
                node = Variable(index)
            case ["+" | "*" as kind, int() as size] if 1 < size <= len(stack):
                count = size
                parts = tuple(stack[-count:])
                node = Add(parts) if kind == "+" else Multiply(parts)
            case ["power", int() | float() as exponent] if stack:
                count = 1
                node = Power(stack[-1], float(exponent))
            case ["call", str() as name] if name in FUNCTIONS and stack:
                count = 1
                node = Call(name, stack[-1])
            case _:
                raise _refusal(f"a token {token!r}"[:60])
        level = 1 + max(levels[len(levels) - count :], default=0)
        if level > MOST_NESTED:
            raise _refusal(f"more than {MOST_NESTED} nested levels")
        stack[len(stack) - count :] = [node]
        levels[len(levels) - count :] = [level]
    if len(stack) != 1:
        raise _refusal("loose parts")
    return stack[0]


def _refusal(got: str) -> CheckpointError:
    return CheckpointError(f"must have formulas as they were written, got {ascii(got)[1:-1]}")
