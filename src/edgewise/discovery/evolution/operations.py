"""The operations of a genetic search: values, derivatives and expressions of each, by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.discovery.problem import FormulaOptions
from edgewise.formulas.algebra import MINUS_ONE
from edgewise.formulas.expression import (
    FUNCTIONS,
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    exact_number,
)

CONSTANT_CODE = 0  # Number of the operation "a constant"; those of the inputs follow.
LARGEST_WRITTEN_POWER = 4  # Larger whole powers are written as exponentials, which are shorter.
Array = np.ndarray


@dataclass(frozen=True)
class Operation:
    """A node of a program."""

    name: str  # "constant", "input", an operator, or the name of a function
    arity: int  # number of arguments
    value: Callable[..., Array]  # the values from those of the arguments
    # from the arguments and the value, the derivative by each argument
    slopes: Callable[..., tuple[Array | float, ...]]
    build: Callable[..., Expression]  # the expression from those of the arguments


FUNCTION_OPERATIONS = (
    Operation("sqrt", 1, np.sqrt, lambda u, v: (0.5 / v,), lambda f: Power(f, 0.5)),
    Operation("square", 1, np.square, lambda u, v: (2 * u,), lambda f: Power(f, 2.0)),
    Operation("exp", 1, np.exp, lambda u, v: (v,), lambda f: Call("exp", f)),
    Operation("log", 1, np.log, lambda u, v: (1 / u,), lambda f: Call("log", f)),
    Operation("tanh", 1, np.tanh, lambda u, v: (1 - v * v,), lambda f: Call("tanh", f)),
)
NAMED = {
    name: Operation(name, 1, entry.value, lambda u, v, e=entry: (e.derivative(u),), lambda f, name=name: Call(name, f))
    for name, entry in FUNCTIONS.items()
} | {operation.name: operation for operation in FUNCTION_OPERATIONS}
OPERATORS = (
    Operation("+", 2, np.add, lambda u, w, v: (1.0, 1.0), lambda f, g: Add((f, g))),
    Operation("-", 2, np.subtract, lambda u, w, v: (1.0, -1.0), lambda f, g: Add((f, Multiply((MINUS_ONE, g))))),
    Operation("*", 2, np.multiply, lambda u, w, v: (w, u), lambda f, g: Multiply((f, g))),
    Operation("/", 2, np.divide, lambda u, w, v: (1 / w, -v / w), lambda f, g: Multiply((f, Power(g, -1.0)))),
)


class OperationTable:
    """The operations that a problem permits, by number: 0 a constant, then the inputs, functions and operators."""

    def __init__(self, inputs: int, options: FormulaOptions):
        permitted = set(options.operators)
        leaf = (lambda: np.empty(0), lambda: ())
        self.inputs = inputs
        self.operations = [Operation("constant", 0, *leaf, lambda: exact_number(1))]
        self.operations += [Operation("input", 0, *leaf, lambda k=k: Variable(k)) for k in range(inputs)]
        names = [name for name in options.operators if name in FUNCTIONS or name == "sqrt"]
        names += ["square"] if permitted & {"*", "^"} else []
        self.operations += [NAMED[name] for name in dict.fromkeys(names)]
        self.operations += [operation for operation in OPERATORS if operation.name in permitted]
        self.arity = [operation.arity for operation in self.operations]
        self.unary = [k for k, arity in enumerate(self.arity) if arity == 1]
        self.binary = [k for k, arity in enumerate(self.arity) if arity == 2]
        self.number = {o.name: k for k, o in enumerate(self.operations) if o.arity}
        self.barred = {
            self.number[outer]: {self.number[inner] for inner in inners if inner in self.number}
            for outer, inners in options.nested.items()
            if outer in self.number
        }


@dataclass(frozen=True)
class Program:
    """An expression in postfix order: every node after its arguments."""

    codes: tuple[int, ...]  # number of the operation of each node
    numbers: tuple[float, ...]  # the constants in their order

    def __len__(self) -> int:
        return len(self.codes)


def expression_of(program: Program, table: OperationTable) -> Expression:
    """The expression of a program."""
    stack: list[Expression] = []
    numbers = iter(program.numbers)
    for code in program.codes:
        if code == CONSTANT_CODE:
            stack.append(Number(next(numbers)))
            continue
        operation = table.operations[code]
        arguments = stack[len(stack) - operation.arity :]
        del stack[len(stack) - operation.arity :]
        stack.append(operation.build(*arguments))
    return stack[0]


def program_of(node: Expression, table: OperationTable) -> Program | None:
    """The program of an expression; None if it needs an operation that the table does not have."""
    codes: list[int] = []
    numbers: list[float] = []

    def leaf(value: float) -> None:
        codes.append(CONSTANT_CODE)
        numbers.append(value)

    def write(node: Expression) -> None:
        if isinstance(node, Number):
            leaf(node.value)
        elif isinstance(node, Variable):
            codes.append(1 + node.index)
        elif isinstance(node, Call):
            write(node.argument)
            codes.append(table.number[node.name])
        elif isinstance(node, Power):
            write_power(node.base, node.exponent)
        elif isinstance(node, Add):
            write_chain(node.terms, "+")
        else:
            below = [part for part in node.factors if isinstance(part, Power) and part.exponent < 0]
            above = [part for part in node.factors if part not in below]
            if above:
                write_chain(above, "*")
            else:
                leaf(1.0)
            for part in below:
                write_power(part.base, -part.exponent)
                codes.append(table.number["/"])

    def write_chain(parts: Sequence[Expression], name: str) -> None:
        write(parts[0])
        for part in parts[1:]:
            if name == "+" and isinstance(part, Multiply) and part.factors[0] == MINUS_ONE and "-" in table.number:
                write(part.factors[1] if len(part.factors) == 2 else Multiply(part.factors[1:]))
                codes.append(table.number["-"])
            else:
                write(part)
                codes.append(table.number[name])

    def write_power(base: Expression, exponent: float) -> None:
        if exponent < 0:
            leaf(1.0)
            write_power(base, -exponent)
            codes.append(table.number["/"])
        elif exponent == 1:
            write(base)
        elif exponent == 0.5 and "sqrt" in table.number:
            write(base)
            codes.append(table.number["sqrt"])
        elif exponent == 2 and "square" in table.number:
            write(base)
            codes.append(table.number["square"])
        elif exponent % 1 == 0 and exponent <= LARGEST_WRITTEN_POWER:
            write(base)
            for _ in range(int(exponent) - 1):
                write(base)
                codes.append(table.number["*"])
        else:
            leaf(exponent)
            write(base)
            codes.extend([table.number["log"], table.number["*"], table.number["exp"]])

    try:
        write(node)
    except KeyError:  # An operation that the options do not permit.
        return None
    return Program(tuple(codes), tuple(numbers))
