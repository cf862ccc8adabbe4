"""Formulas as light trees: evaluated, differentiated by their constants, measured, and read from text."""

import ast
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch

from edgewise.errors import InputError
from edgewise.nn.elementary import ELEMENTARY
from edgewise.ops.bessel import bessel_j0

Exact = tuple[int, int, str]  # p, q, unit: the number p / q times a unit of UNITS
UNITS = {"": 1.0, "pi": math.pi, "sqrt(2)": math.sqrt(2), "sqrt(3)": math.sqrt(3), "e": math.e, "1/pi": 1 / math.pi}
UNITS |= {"sqrt(pi)": math.sqrt(math.pi), "1/sqrt(2*pi)": 1 / math.sqrt(2 * math.pi)}


@dataclass(frozen=True)
class Number:
    """A constant; `exact` where it is known to be a number that people write."""

    value: float
    exact: Exact | None = None


@dataclass(frozen=True)
class Variable:
    """An input, by its column."""

    index: int


@dataclass(frozen=True)
class Add:
    """A sum of two or more terms."""

    terms: tuple["Expression", ...]


@dataclass(frozen=True)
class Multiply:
    """A product of two or more factors."""

    factors: tuple["Expression", ...]


@dataclass(frozen=True)
class Power:
    """base ** exponent, the exponent a fixed number."""

    base: "Expression"
    exponent: float


@dataclass(frozen=True)
class Call:
    """A function of `FUNCTIONS` by its name."""

    name: str
    argument: "Expression"


Expression = Number | Variable | Add | Multiply | Power | Call


def _j0(u: np.ndarray, order: int = 0) -> np.ndarray:
    return bessel_j0(torch.as_tensor(u, dtype=torch.float64), order).numpy()


# Value and slope of every function that a formula may call, and the row of the elementary table with its domain.
FUNCTIONS: Mapping[str, tuple[Callable, Callable, str]] = {
    "exp": (np.exp, np.exp, "exp"),
    "log": (np.log, lambda u: 1 / u, "log"),
    "abs": (np.abs, np.sign, "abs"),
    "sign": (np.sign, np.zeros_like, "sgn"),
    "sin": (np.sin, np.cos, "sin"),
    "cos": (np.cos, lambda u: -np.sin(u), "cos"),
    "tan": (np.tan, lambda u: 1 + np.tan(u) ** 2, "tan"),
    "tanh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2, "tanh"),
    "sinh": (np.sinh, np.cosh, "sinh"),
    "cosh": (np.cosh, np.sinh, "cosh"),
    "asin": (np.arcsin, lambda u: 1 / np.sqrt(1 - u * u), "arcsin"),
    "acos": (np.arccos, lambda u: -1 / np.sqrt(1 - u * u), "arccos"),
    "atan": (np.arctan, lambda u: 1 / (1 + u * u), "arctan"),
    "atanh": (np.arctanh, lambda u: 1 / (1 - u * u), "arctanh"),
    "besselj0": (_j0, lambda u: _j0(u, 1), "J0"),
}


def children(node: Expression) -> tuple[Expression, ...]:
    """What a node is made of."""
    if isinstance(node, Add):
        return node.terms
    if isinstance(node, Multiply):
        return node.factors
    if isinstance(node, Power):
        return (node.base,)
    return (node.argument,) if isinstance(node, Call) else ()


def rebuilt(node: Expression, parts: Sequence[Expression]) -> Expression:
    """The same kind of node of other parts."""
    if isinstance(node, Add):
        return Add(tuple(parts))
    if isinstance(node, Multiply):
        return Multiply(tuple(parts))
    if isinstance(node, Power):
        return Power(parts[0], node.exponent)
    return Call(node.name, parts[0]) if isinstance(node, Call) else node


def walk(node: Expression) -> Iterator[Expression]:
    """The node and all below it, itself first."""
    yield node
    for part in children(node):
        yield from walk(part)


def evaluate(node: Expression, x: np.ndarray) -> np.ndarray:
    """The values (N,) at x (N, inputs); nan or infinite outside of a function's domain, without a warning."""
    with np.errstate(all="ignore"):
        return np.broadcast_to(_value(node, x), x.shape[:1]).astype(np.float64)


def _value(node: Expression, x: np.ndarray):
    if isinstance(node, Number):
        return np.float64(node.value)  # 1 / 0 is infinite, and no exception
    if isinstance(node, Variable):
        return x[:, node.index]
    parts = [_value(part, x) for part in children(node)]
    if isinstance(node, Add):
        return reduce(lambda a, b: a + b, parts)
    if isinstance(node, Multiply):
        return reduce(lambda a, b: a * b, parts)
    if isinstance(node, Power):
        return power(parts[0], node.exponent)
    return FUNCTIONS[node.name][0](np.asarray(parts[0], dtype=np.float64))


def power(base, exponent: float):
    """base ** exponent by the operations that the formula is written with: roots, whole powers, reciprocals."""
    if exponent < 0:
        return 1 / power(base, -exponent)
    if exponent == 0.5:
        return np.sqrt(base)
    return base ** (int(exponent) if exponent % 1 == 0 else exponent)


def constants(node: Expression) -> list[float]:
    """The numbers in a formula, in the order of `walk`; exponents are part of its form and not among them."""
    return [part.value for part in walk(node) if isinstance(part, Number)]


def with_constants(
    node: Expression, values: Sequence[float], exact: Sequence[Exact | None] | None = None
) -> Expression:
    """The same form with other numbers, in the order of `constants`."""
    numbers = iter(zip(values, [None] * len(values) if exact is None else exact, strict=True))

    def replaced(part: Expression) -> Expression:
        if isinstance(part, Number):
            value, form = next(numbers)
            return Number(float(value), form)
        return rebuilt(part, [replaced(below) for below in children(part)])

    return replaced(node)


def values_and_derivatives(node: Expression, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (N,) and their derivatives by every constant (N, P), in the order of `constants`."""
    with np.errstate(all="ignore"):
        count = iter(range(1 << 30))
        value, slopes = _slopes(node, x, count)
        rows = np.zeros((len(x), next(count)))
        for number, slope in slopes.items():
            rows[:, number] = slope
        return np.broadcast_to(value, x.shape[:1]).astype(np.float64), rows


def _slopes(node: Expression, x: np.ndarray, count: Iterator[int]):
    if isinstance(node, Number):
        return np.float64(node.value), {next(count): 1.0}
    if isinstance(node, Variable):
        return x[:, node.index], {}
    parts = [_slopes(part, x, count) for part in children(node)]
    if isinstance(node, Add):
        return sum(value for value, _ in parts), {k: s for _, slopes in parts for k, s in slopes.items()}
    if isinstance(node, Multiply):
        found = {}
        for place, (_, slopes) in enumerate(parts):
            if slopes:
                others = math.prod(value for other, (value, _) in enumerate(parts) if other != place)
                found |= {k: others * slope for k, slope in slopes.items()}
        return math.prod(value for value, _ in parts), found
    value, slopes = parts[0]
    if isinstance(node, Power):
        slope = node.exponent * power(value, node.exponent - 1)
        return power(value, node.exponent), {k: slope * s for k, s in slopes.items()}
    function, derivative, _ = FUNCTIONS[node.name]
    value = np.asarray(value, dtype=np.float64)
    slope = derivative(value)
    return function(value), {k: slope * s for k, s in slopes.items()}


def complexity(node: Expression) -> int:
    """How many symbols a formula has: one for each variable, number, function and sign of +, *, /, power.

    A minus is free, a square root or a reciprocal costs one, another power two (its sign and its exponent).
    """
    if isinstance(node, Add):
        return sum(complexity(term) for term in node.terms) + len(node.terms) - 1
    if isinstance(node, Multiply):
        signed = [part for part in node.factors if not (isinstance(part, Number) and abs(part.value) == 1)]
        if not signed:
            return 1
        costs = [
            complexity(Power(part.base, -part.exponent) if part.exponent != -1 else part.base)
            if isinstance(part, Power) and part.exponent < 0
            else complexity(part)
            for part in signed
        ]
        numerator = any(not (isinstance(part, Power) and part.exponent < 0) for part in signed)
        return sum(costs) + len(costs) - 1 + (0 if numerator else 1)
    if isinstance(node, Power):
        if node.exponent in (0.5, -1):
            return complexity(node.base) + 1
        if node.exponent < 0:
            return complexity(Power(node.base, -node.exponent)) + 1
        return complexity(node.base) + 2
    return 1 + (complexity(node.argument) if isinstance(node, Call) else 0)


def used_variables(node: Expression) -> list[int]:
    """The columns that a formula depends on, in order."""
    return sorted({part.index for part in walk(node) if isinstance(part, Variable)})


def domain_violations(node: Expression, x: np.ndarray) -> list[str]:
    """Where a formula leaves the domain of one of its functions on the range of x: a sentence for each, or nothing.

    The range of an argument is that of its values at the rows of x; a pole between two of them counts, unless the
    whole formula stays bounded there, as sin(x)/x does at 0.
    """
    found = []
    for part in walk(node):
        row = domain_row(part)
        if row is None:
            continue
        argument = evaluate(children(part)[0], x)
        low, high = float(np.min(argument)), float(np.max(argument))
        if not row.allows(low, high) and not (row.pole == 0.0 and _is_gap(node, children(part)[0], x, argument)):
            found.append(f"{row.text} needs {row.domain}, its argument goes from {low:.6g} to {high:.6g}")
        elif reaches_zero(part, x):
            root = _root(children(part)[0])
            # A pole of second order is seen from further away, a logarithm only from very near.
            if _is_gap(node, root, x, evaluate(root, x), 40 if row.pole is None else 10):
                continue
            found.append(f"{row.text} needs {row.domain}, its argument comes down to 0 between rows")
    return found


def reaches_zero(part: Expression, x: np.ndarray) -> bool:
    """Whether the argument of a function that is not defined at 0 is an even power, or a size, of what changes sign."""
    argument, row = children(part)[0], domain_row(part)
    root = _root(argument)
    if root is argument or row is None or row.allows(0.0, 0.0):
        return False
    values = evaluate(root, x)
    return bool(np.min(values) < 0 < np.max(values))


def _root(node: Expression) -> Expression:
    """u of u^2, u^4, ... and |u|, and of a multiple of these; else the node itself."""
    if isinstance(node, Power) and node.exponent > 0 and node.exponent % 2 == 0:
        return node.base
    if isinstance(node, Call) and node.name == "abs":
        return node.argument
    if isinstance(node, Multiply):
        others = [factor for factor in node.factors if not isinstance(factor, Number)]
        if len(others) == 1 and _root(others[0]) is not others[0]:
            return _root(others[0])
    return node


def _is_gap(node: Expression, inner: Expression, x: np.ndarray, argument: np.ndarray, halvings: int = 20) -> bool:
    """Whether a formula stays as large as at the rows of x where a part of it goes through a pole at 0.

    Rows on both sides of the pole are joined by lines, on which the crossing is closed in by bisection.
    """
    below, above = np.flatnonzero(argument < 0), np.flatnonzero(argument > 0)
    count = min(len(below), len(above), 32)
    values = evaluate(node, x)
    if count == 0 or not np.isfinite(values).all():
        return False
    left, right = x[below[:: max(len(below) // count, 1)][:count]], x[above[:: max(len(above) // count, 1)][:count]]
    reach = float(np.ptp(values))
    for _ in range(halvings):  # 20: near enough to see a pole of first order, far enough to see no rounding
        middle = (left + right) / 2
        negative = (evaluate(inner, middle) < 0)[:, None]
        left, right = np.where(negative, middle, left), np.where(negative, right, middle)
        close = evaluate(node, np.concatenate([left, right]))
        if not ((close >= values.min() - reach) & (close <= values.max() + reach)).all():
            return False
    return True


def domain_row(node: Expression):
    """The row of the elementary table whose domain a node has; None where it is defined everywhere."""
    if isinstance(node, Call):
        return ELEMENTARY[FUNCTIONS[node.name][2]]
    if isinstance(node, Power):
        if node.exponent % 1:
            return ELEMENTARY["1/sqrt" if node.exponent < 0 else "sqrt"]
        return ELEMENTARY["1/x"] if node.exponent < 0 else None
    return None


def exact_number(value: float) -> Number:
    """A constant; whole numbers and halves, thirds ... of small size are exact as they are."""
    return Number(float(value), (int(value), 1, "") if float(value).is_integer() and abs(value) < 1e6 else None)


def parse_expression(text: str, names: Sequence[str] = ("x",)) -> Expression:
    """Reads a formula in Python's notation: + - * / **, numbers, pi, e, names, sqrt and the functions of `FUNCTIONS`.

    Names may stand in backticks, those that are no identifiers must. The text is taken apart, never run.

    Raises:
        InputError: it says anything else.
    """
    if not isinstance(text, str):
        raise InputError(f"text must be a formula in Python's notation, got {type(text).__name__}")
    try:
        plain, known = text.strip(), {name: k for k, name in enumerate(names)}
        for k, name in enumerate(names):
            if f"`{name}`" in plain:
                plain, known[f"_column_{k}_"] = plain.replace(f"`{name}`", f"_column_{k}_"), k
        return _read(ast.parse(plain, mode="eval").body, known, text)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"text must be a formula in Python's notation, got {text[:80]!r}") from error


_UNIT_NAMES = {"pi": Number(math.pi, (1, 1, "pi")), "e": Number(math.e, (1, 1, "e"))}


def _read(tree: ast.expr, names: Mapping[str, int], text: str) -> Expression:
    def inner(part: ast.expr) -> Expression:
        return _read(part, names, text)

    match tree:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return exact_number(value)
        case ast.Name(id=name) if name in names:
            return Variable(names[name])
        case ast.Name(id=name) if name in _UNIT_NAMES:
            return _UNIT_NAMES[name]
        case ast.UnaryOp(op=ast.USub(), operand=part):
            below = inner(part)
            if isinstance(below, Number) and below.exact in (None, exact_number(below.value).exact):
                return exact_number(-below.value)
            return Multiply((exact_number(-1), below))
        case ast.UnaryOp(op=ast.UAdd(), operand=part):
            return inner(part)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return Add((inner(left), inner(right)))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return Add((inner(left), Multiply((exact_number(-1), inner(right)))))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return Multiply((inner(left), inner(right)))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return Multiply((inner(left), Power(inner(right), -1.0)))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            exponent = inner(right)
            if isinstance(exponent, Number):
                return Power(inner(left), exponent.value)
        case ast.Call(func=ast.Name(id=name), args=[part], keywords=[]):
            if name == "sqrt":
                return Power(inner(part), 0.5)
            if name in FUNCTIONS:
                return Call(name, inner(part))
    raise InputError(f"text must be a formula of {', '.join(names)} and known functions, got {text[:80]!r}")
