"""A known structure, such as "a*f(x, y) + g(z)": unknown functions of stated arguments and unknown constants."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.errors import InputError
from edgewise.formulas.expression import (
    FUNCTIONS,
    Expression,
    Number,
    Variable,
    evaluate,
    exchanged,
    parse_expression,
    substituted,
    used_variables,
)

RESERVED = {*FUNCTIONS, "sqrt", "pi", "e"}  # names that formulas know already


@dataclass(frozen=True)
class Occurrence:
    """An unknown function with its arguments at one place of a structure."""

    function: int  # number of the function in `Template.functions`
    arguments: tuple[Expression, ...]  # expressions of the inputs


@dataclass(frozen=True)
class Template:
    """A structure that was read."""

    text: str  # as the user wrote it
    inputs: int  # number of inputs
    functions: tuple[str, ...]  # names of the unknown functions
    occurrences: tuple[Occurrence, ...]  # where they stand; a function may stand at several places
    # the structure with `Variable(inputs + k)` in place of occurrence k, and free numbers in place of the unknown
    # constants
    outer: Expression

    def with_constants(self, values: Sequence[float]) -> Template:
        """The structure with these values of its unknown constants, in the order in which they stand."""
        given = iter(values)

        def value_of(part: Expression) -> Expression | None:
            match part:
                case Number(exact=None):
                    return Number(float(next(given)))
            return None

        return replace(self, outer=exchanged(self.outer, value_of))

    def rebuild(self, parts: Sequence[Expression]) -> Expression:
        """The whole formula, given an expression of its own arguments for each function."""
        inside = [substituted(parts[each.function], each.arguments) for each in self.occurrences]
        return substituted(self.outer, [*map(Variable, range(self.inputs)), *inside])

    def arguments(self, place: int, x: np.ndarray) -> np.ndarray:
        """The values of the arguments of an occurrence, (N, arguments), at rows x (N, inputs)."""
        return np.column_stack([evaluate(argument, x) for argument in self.occurrences[place].arguments])

    def places(self, function: int) -> list[int]:
        """The places at which a function occurs."""
        return [place for place, each in enumerate(self.occurrences) if each.function == function]


def read_template(text: str, names: Sequence[str]) -> Template:
    """Read a structure."""
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"structure must be a formula in Python's notation, got {text!r}")
    plain = text.strip()
    # Names of inputs that Python or the formulas would misread get a safe spelling.
    known = {}
    for k, name in enumerate(names):
        if name.isidentifier() and name not in RESERVED:
            safe = name
        else:
            safe = f"_column_{k}_"
        for quoted in (f"`{name}`", *([name] if name.startswith("[") and name.endswith("]") else [])):
            plain = plain.replace(quoted, safe)
        known[safe] = k
    try:
        tree = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"structure must be a formula in Python's notation, got {text[:80]!r}") from error
    # Unknown functions and names become placeholders.
    reader = _Reader(list(known), {name: names[k] for name, k in known.items()})
    outer_tree = reader.visit(tree)
    placeholders = [*known, *reader.placeholders, *reader.constants]
    try:
        outer = parse_expression(ast.unparse(outer_tree), placeholders)
    except InputError as error:
        raise InputError(f"structure must be a formula in Python's notation, got {text[:80]!r}") from error
    if not reader.functions and not reader.constants:
        raise InputError(f"structure must have unknown functions or constants, got {text!r}")
    # Unknown constants are free numbers that start at 1.
    first_constant = len(known) + len(reader.placeholders)
    start: list[Expression] = [Variable(k) if k < first_constant else Number(1.0) for k in range(len(placeholders))]
    return Template(text, len(known), tuple(reader.functions), tuple(reader.occurrences), substituted(outer, start))


class _Reader(ast.NodeTransformer):
    """Replaces unknown functions and constants by placeholders, and notes them."""

    def __init__(self, inputs: list[str], shown: dict[str, str]) -> None:
        self.inputs = inputs
        self.shown = shown
        self.functions: list[str] = []
        self.occurrences: list[Occurrence] = []
        self.placeholders: list[str] = []
        self.constants: list[str] = []
        self._arguments: dict[str, int] = {}

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self.inputs and node.id not in RESERVED and node.id not in self.constants:
            self.constants.append(node.id)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = getattr(node.func, "id", "")  # what is called may be no name
        # A known function: unknown parts may stand in its arguments.
        if name in RESERVED:
            node.args = [self.visit(part) for part in node.args]
            return node
        # An unknown function: its arguments are expressions of inputs, the same number of them at every place.
        shown = ast.unparse(node)
        if not name or name in self.inputs or node.keywords or not node.args:
            raise InputError(f"structure must call functions by names that are no inputs, got {shown}")
        allowed = ", ".join(self.shown.values())
        try:
            arguments = tuple(parse_expression(ast.unparse(part), self.inputs) for part in node.args)
        except InputError as error:
            raise InputError(
                f"structure must give functions arguments of inputs alone ({allowed}), got {shown}"
            ) from error
        if not all(used_variables(argument) for argument in arguments):
            raise InputError(f"structure must give functions arguments of inputs alone ({allowed}), got {shown}")
        if self._arguments.setdefault(name, len(arguments)) != len(arguments):
            raise InputError(f"structure must give {name} the same number of arguments everywhere, got {shown}")
        if name not in self.functions:
            self.functions.append(name)
        self.occurrences.append(Occurrence(self.functions.index(name), arguments))
        self.placeholders.append(f"_part_{len(self.placeholders)}_")
        return ast.Name(self.placeholders[-1], ast.Load())
