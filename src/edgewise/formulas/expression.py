"""Expression trees of formulas: evaluation, derivatives by the constants, number of symbols, and reading from text."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, reduce
from keyword import iskeyword
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch

from edgewise.checks import check_kind, typed
from edgewise.errors import InputError
from edgewise.ops.bessel import bessel_j0
from edgewise.outcomes import spend
from edgewise.settings import CALL_WORK

Exact = tuple[int, int, str]
"""Closed form (p, q, unit) of a constant: the fraction p / q times the unit of that name in `UNITS`."""

# The factors beside fractions that physical formulas and normal distributions contain most often.
UNITS = {"": 1.0, "pi": math.pi, "sqrt(2)": math.sqrt(2), "sqrt(3)": math.sqrt(3), "e": math.e, "1/pi": 1 / math.pi}
UNITS |= {"sqrt(pi)": math.sqrt(math.pi), "1/sqrt(2*pi)": 1 / math.sqrt(2 * math.pi)}
UNITS |= {"pi**2": math.pi**2, "1/pi**2": math.pi**-2, "sqrt(2*pi)": math.sqrt(2 * math.pi)}
UNITS |= {"1/sqrt(pi)": 1 / math.sqrt(math.pi), "1/e": 1 / math.e, "sqrt(5)": math.sqrt(5), "log(2)": math.log(2)}

T_co = TypeVar("T_co", covariant=True)


class Reader(Protocol[T_co]):
    """What reads a formula node by node, such as a printer."""

    def number(self, node: Number) -> T_co: ...

    def variable(self, node: Variable) -> T_co: ...

    def sum(self, node: Add) -> T_co: ...

    def product(self, node: Multiply) -> T_co: ...

    def power(self, node: Power) -> T_co: ...

    def call(self, node: Call) -> T_co: ...


Node = TypeVar("Node", bound="Expression")


class Expression:
    """A formula: a tree of nodes that are compared and hashed by value.

    Examples
    --------
    >>> from edgewise.formulas import as_text, parse_expression
    >>> expression = parse_expression("sin(x) + 2*x", ["x"])
    >>> as_text(expression, ["t"])
    'sin(t) + 2*t'
    """

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The nodes directly below; none of a number and of an input."""
        return ()

    def with_parts(self, parts: Sequence[Expression]) -> Expression:
        """A node of the same kind with other nodes below it."""
        return self

    @property
    def multiplicands(self) -> tuple[Expression, ...]:
        """The factors of a product; any other node alone."""
        return (self,)

    @property
    def summands(self) -> tuple[Expression, ...]:
        """The terms of a sum, and of sums within it; any other node alone."""
        return (self,)

    @property
    def base_and_exponent(self) -> tuple[Expression, float]:
        """The base and the exponent of a power; any other node has the exponent 1."""
        return self, 1.0

    @property
    def symbols(self) -> int:
        """Number of symbols, see `complexity`."""
        return 1

    @property
    def is_sign(self) -> bool:
        """True for the numbers 1 and -1, which count nothing as factors."""
        return False

    @property
    def below_bar(self) -> Expression | None:
        """What stands below the fraction bar in place of a factor of a product; None for one above it."""
        return None

    def evaluated(self, x: np.ndarray, parts: Sequence[Values]) -> Values:
        """The values at rows x (N, inputs), given those of the nodes directly below."""
        raise NotImplementedError

    def partial(self, place: int, parts: Sequence[Values]) -> Values:
        """The derivative by one of the nodes directly below, given the values of all."""
        raise NotImplementedError

    def place(self, numbers: Iterator[int], inputs: Mapping[int, int]) -> int | None:
        """The column of the derivative by a number, the next, or by an input; None for what has no column."""
        return None

    def read_by(self, reader: Reader[T_co]) -> T_co:
        """What a reader makes of the node."""
        raise NotImplementedError


@dataclass(frozen=True)
class Number(Expression):
    """A constant of a formula, with exact arithmetic on fractions as long as they stay small."""

    value: float  # the number
    # (p, q, unit), closed form of the number, see `Exact`. Constants without one are free: a fit may change them
    exact: Exact | None = None

    def plus(self, other: Number) -> Number:
        """The sum; exact if both numbers are exact and have the same unit."""
        value = self.value + other.value
        match self.exact, other.exact:
            case (p, q, unit), (r, s, other_unit) if unit == other_unit:
                return _fraction(value, p * s + r * q, q * s, unit)
        if other.value == 0:
            return self
        if self.value == 0:
            return other
        return Number(value)

    def times(self, other: Number) -> Number:
        """The product; exact if both numbers are exact and the product of their units has a closed form."""
        value = self.value * other.value
        match self.exact, other.exact:
            case ((p, q, unit), (r, s, "")) | ((p, q, ""), (r, s, unit)):
                return _fraction(value, p * r, q * s, unit)
            case (p, q, unit), (r, s, other_unit):
                joint = closed_unit(UNITS[unit] * UNITS[other_unit])
                if joint is not None:
                    return _fraction(value, p * r * joint[0], q * s * joint[1], joint[2])
        return Number(value)

    def to_power(self, exponent: float) -> Number | None:
        """The power, exact for small whole exponents and roots of squares; None if it is not a finite real number."""
        if (self.value == 0 and exponent < 0) or (self.value < 0 and exponent % 1):
            return None
        with np.errstate(all="ignore"):
            value = float(power(np.float64(self.value), exponent))
        if not math.isfinite(value):
            return None
        match self.exact:
            # A fraction: small whole powers, and square roots of squares
            case (p, q, ""):
                if exponent < 0:
                    p, q = q, p
                if exponent % 1 == 0 and abs(exponent) < 9:
                    return _fraction(value, p ** int(abs(exponent)), q ** int(abs(exponent)))
                if abs(exponent) == 0.5 and self.value > 0 and math.isqrt(p) ** 2 == p and math.isqrt(q) ** 2 == q:
                    return _fraction(value, math.isqrt(p), math.isqrt(q))
            # A fraction of a unit whose power has a closed form
            case (p, q, name) if exponent % 1 == 0 and abs(exponent) < 5:
                unit = closed_unit(UNITS[name] ** exponent)
                root = Number(p / q, (p, q, "")).to_power(exponent)
                if unit is not None and root is not None and root.exact:
                    return _fraction(value, root.exact[0] * unit[0], root.exact[1] * unit[1], unit[2])
        return Number(value)

    def inverse(self) -> Number:
        """The reciprocal of a number other than zero; exact for fractions."""
        match self.exact:
            case (p, q, ""):
                return _fraction(1 / self.value, q, p)
        return self.to_power(-1.0) or Number(1 / self.value)

    @property
    def is_sign(self) -> bool:
        return abs(self.value) == 1

    def evaluated(self, x: np.ndarray, parts: Sequence[Values]) -> Values:
        return np.float64(self.value)  # Division of this type by zero is infinite and raises nothing.

    def place(self, numbers: Iterator[int], inputs: Mapping[int, int]) -> int | None:
        return next(numbers)

    def read_by(self, reader: Reader[T_co]) -> T_co:
        return reader.number(self)


def exact_number(value: float) -> Number:
    """A constant whose value is exact if it is a whole number below one million."""
    if float(value).is_integer() and abs(value) < 1e6:
        return Number(float(value), (int(value), 1, ""))
    return Number(float(value))


@cache
def closed_unit(value: float) -> Exact | None:
    """The closed form p/q times a unit, p and q at most 16, that equals a value to rounding; None without one."""
    for unit, size in UNITS.items():
        fraction = Fraction(value / size).limit_denominator(16)
        if 0 < fraction.numerator <= 16 and math.isclose(value, size * float(fraction), rel_tol=1e-14):
            return fraction.numerator, fraction.denominator, unit
    return None


def _fraction(value: float, p: int, q: int, unit: str = "") -> Number:
    """The number p / q times a unit in lowest terms, of the given value; a float if p or q reaches a billion."""
    if p == 0:
        unit = ""
    shared = math.gcd(p, q)
    if q < 0:
        shared = -shared
    if shared:
        p = p // shared
        q = q // shared
    if max(abs(p), q) < 10**9:
        return Number(value, (p, q, unit))
    return Number(value)


def value_of(form: Exact) -> float:
    """The value of a closed form: p / q times the unit."""
    return form[0] / form[1] * UNITS[form[2]]


@dataclass(frozen=True)
class Variable(Expression):
    """An input of a formula, given by its column."""

    index: int

    def evaluated(self, x: np.ndarray, parts: Sequence[Values]) -> Values:
        if x.ndim != 2 or self.index >= x.shape[1]:
            raise InputError(f"x must have shape (N, inputs) with each input of the formula, got {x.shape}")
        return x[:, self.index]

    def place(self, numbers: Iterator[int], inputs: Mapping[int, int]) -> int | None:
        return inputs.get(self.index)

    def read_by(self, reader: Reader[T_co]) -> T_co:
        return reader.variable(self)


@dataclass(frozen=True)
class Add(Expression):
    """A sum of two or more terms."""

    terms: tuple[Expression, ...]

    @property
    def parts(self) -> tuple[Expression, ...]:
        return self.terms

    @property
    def summands(self) -> tuple[Expression, ...]:
        return tuple(inner for term in self.terms for inner in term.summands)

    def with_parts(self, parts: Sequence[Expression]) -> Expression:
        return Add(tuple(parts))

    @property
    def symbols(self) -> int:
        return sum(term.symbols for term in self.terms) + len(self.terms) - 1

    def evaluated(self, x: np.ndarray, parts: Sequence[Values]) -> Values:
        return reduce(lambda a, b: a + b, parts)

    def partial(self, place: int, parts: Sequence[Values]) -> Values:
        return UNIT_SLOPE

    def read_by(self, reader: Reader[T_co]) -> T_co:
        return reader.sum(self)


@dataclass(frozen=True)
class Multiply(Expression):
    """A product of two or more factors."""

    factors: tuple[Expression, ...]

    @property
    def parts(self) -> tuple[Expression, ...]:
        return self.factors

    @property
    def multiplicands(self) -> tuple[Expression, ...]:
        return self.factors

    @property
    def factors_without_numbers(self) -> list[Expression]:
        """Factors that are no numbers."""
        return [factor for factor in self.factors if not isinstance(factor, Number)]

    def with_parts(self, parts: Sequence[Expression]) -> Expression:
        return Multiply(tuple(parts))

    @property
    def symbols(self) -> int:
        counted = [factor for factor in self.factors if not factor.is_sign]
        if not counted:
            return 1
        below = [factor.below_bar for factor in counted]
        costs = [(bottom or factor).symbols for factor, bottom in zip(counted, below, strict=True)]
        has_no_numerator = None not in below
        return sum(costs) + len(costs) - 1 + has_no_numerator

    def evaluated(self, x: np.ndarray, parts: Sequence[Values]) -> Values:
        return reduce(lambda a, b: a * b, parts)

    def partial(self, place: int, parts: Sequence[Values]) -> Values:
        others: list[Any] = [*parts[:place], *parts[place + 1 :]]  # Typed loosely for `math.prod`.
        return math.prod(others)

    def read_by(self, reader: Reader[T_co]) -> T_co:
        return reader.product(self)


@dataclass(frozen=True)
class Power(Expression):
    """The power base ** exponent with a fixed number as exponent."""

    base: Expression
    exponent: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.exponent):
            raise InputError(f"expression must have finite exponents, got {self.exponent}")

    @property
    def parts(self) -> tuple[Expression, ...]:
        return (self.base,)

    @property
    def base_and_exponent(self) -> tuple[Expression, float]:
        return self.base, self.exponent

    def with_parts(self, parts: Sequence[Expression]) -> Expression:
        return Power(parts[0], self.exponent)

    @property
    def symbols(self) -> int:
        if self.exponent in (0.5, -1):
            return self.base.symbols + 1
        if self.exponent < 0:
            return Power(self.base, -self.exponent).symbols + 1
        return self.base.symbols + 2

    @property
    def below_bar(self) -> Expression | None:
        if self.exponent >= 0:
            return None
        return simple_power(self.base, -self.exponent)

    def evaluated(self, x: np.ndarray, parts: Sequence[Values]) -> Values:
        return power(parts[0], self.exponent)

    def partial(self, place: int, parts: Sequence[Values]) -> Values:
        return self.exponent * power(parts[0], self.exponent - 1)

    def read_by(self, reader: Reader[T_co]) -> T_co:
        return reader.power(self)


@dataclass(frozen=True)
class Call(Expression):
    """A function of `FUNCTIONS`, given by its name, applied to one argument."""

    name: str
    argument: Expression

    @property
    def parts(self) -> tuple[Expression, ...]:
        return (self.argument,)

    def with_parts(self, parts: Sequence[Expression]) -> Expression:
        return Call(self.name, parts[0])

    @property
    def symbols(self) -> int:
        return 1 + self.argument.symbols

    def evaluated(self, x: np.ndarray, parts: Sequence[Values]) -> Values:
        return FUNCTIONS[self.name].value(np.asarray(parts[0], dtype=np.float64))

    def partial(self, place: int, parts: Sequence[Values]) -> Values:
        return FUNCTIONS[self.name].derivative(np.asarray(parts[0], dtype=np.float64))

    def read_by(self, reader: Reader[T_co]) -> T_co:
        return reader.call(self)


Values = np.ndarray | np.float64
"""Values of a node: one for each row, or one number for all rows."""

UNIT_SLOPE = np.float64(1.0)  # the derivative of a sum by each term


class FormulaFunction(NamedTuple):
    """A function that formulas may call, with its names in the languages that formulas are written in."""

    value: Callable[[np.ndarray], np.ndarray]  # the function and its first derivative, element by element on arrays
    derivative: Callable[[np.ndarray], np.ndarray]
    table_name: str  # name of the row of `ELEMENTARY` with its domain
    latex: str  # %s stands for the argument
    python: str
    c: str
    sympy: str


def _j0_of_array(u: np.ndarray, order: int = 0) -> np.ndarray:
    return bessel_j0(torch.as_tensor(u, dtype=torch.float64), order).numpy()


def _row(name: str, value: Callable, derivative: Callable, numpy_name: str = "", latex: str = "") -> FormulaFunction:
    """The row of a function that C and sympy call by its name, and LaTeX by that of numpy."""
    plain = numpy_name or name
    symbol = latex or rf"\{plain}"
    return FormulaFunction(
        value, derivative, plain, rf"{symbol}\left(%s\right)", f"np.{plain}(%s)", f"{name}(%s)", name
    )


FUNCTIONS: Mapping[str, FormulaFunction] = {
    "exp": _row("exp", np.exp, np.exp),
    "log": _row("log", np.log, lambda u: 1 / u),
    "abs": FormulaFunction(np.abs, np.sign, "abs", r"\left|%s\right|", "np.abs(%s)", "fabs(%s)", "Abs"),
    "sign": FormulaFunction(
        np.sign,
        np.zeros_like,
        "sgn",
        r"\operatorname{sgn}\left(%s\right)",
        "np.sign(%s)",
        "(double)(((%s) > 0) - ((%s) < 0))",
        "sign",
    ),
    "sin": _row("sin", np.sin, np.cos),
    "cos": _row("cos", np.cos, lambda u: -np.sin(u)),
    "tan": _row("tan", np.tan, lambda u: 1 + np.tan(u) ** 2),
    "tanh": _row("tanh", np.tanh, lambda u: 1 - np.tanh(u) ** 2),
    "sinh": _row("sinh", np.sinh, np.cosh),
    "cosh": _row("cosh", np.cosh, np.sinh),
    "asin": _row("asin", np.arcsin, lambda u: 1 / np.sqrt(1 - u * u), "arcsin"),
    "acos": _row("acos", np.arccos, lambda u: -1 / np.sqrt(1 - u * u), "arccos"),
    "atan": _row("atan", np.arctan, lambda u: 1 / (1 + u * u), "arctan"),
    "atanh": _row("atanh", np.arctanh, lambda u: 1 / (1 - u * u), "arctanh", r"\operatorname{artanh}"),
    "besselj0": FormulaFunction(
        _j0_of_array, lambda u: _j0_of_array(u, 1), "J0", r"J_0\left(%s\right)", "j0(%s)", "j0(%s)", "besselj"
    ),
}


def walk(node: Expression) -> Iterator[Expression]:
    """All nodes of a tree, each before the nodes below it."""
    yield node
    for part in node.parts:
        yield from walk(part)


def exchanged(node: Expression, exchange: Callable[[Expression], Expression | None]) -> Expression:
    """A formula in which each part for which `exchange` returns another one is replaced, in the order of `walk`."""
    new = exchange(node)
    if new is None:
        return node.with_parts([exchanged(part, exchange) for part in node.parts])
    return new


def substituted(node: Expression, inputs: Sequence[Expression]) -> Expression:
    """A formula with other formulas in place of its inputs."""

    def of_variable(part: Expression) -> Expression | None:
        match part:
            case Variable(index):
                return inputs[index]
        return None

    return exchanged(node, of_variable)


def nodes_of(node: Expression, kind: type[Node]) -> list[Node]:
    """The nodes of one kind in a formula, in the order of `walk`."""
    return [part for part in walk(node) if isinstance(part, kind)]


def replaced(node: Expression, old: Expression, new: Expression) -> Expression:
    """A formula in which every part equal to `old` is replaced by `new`."""
    return exchanged(node, {old: new}.get)


def sum_of(terms: Sequence[Expression]) -> Expression:
    """The sum of any number of formulas; the sum of no term is 0, and that of a single term is the term."""
    if not terms:
        return exact_number(0)
    if len(terms) == 1:
        return terms[0]
    return Add(tuple(terms))


def product_of(factors: Sequence[Expression]) -> Expression:
    """The product of one or more formulas; a single factor stays as it is."""
    if len(factors) == 1:
        return factors[0]
    return Multiply(tuple(factors))


def simple_power(base: Expression, exponent: float) -> Expression:
    """The power of a base; with the exponent 1 the base itself."""
    if exponent == 1:
        return base
    return Power(base, float(exponent))


def monomial(powers: Iterable[tuple[int, float]]) -> Expression:
    """The product of powers of inputs, given as pairs of a column and an exponent; 1 where all exponents are 0."""
    factors = [simple_power(Variable(column), exponent) for column, exponent in powers if exponent]
    return product_of(factors or [exact_number(1)])


def depth(node: Expression) -> int:
    """The number of nodes on the longest way from the root down to a leaf, without recursion."""
    deepest = 0
    stack = [(node, 1)]
    while stack:
        part, level = stack.pop()
        deepest = max(deepest, level)
        stack += [(below, level + 1) for below in part.parts]
    return deepest


@typed
def evaluate(node: Expression, x: np.ndarray) -> np.ndarray:
    """Evaluate a formula.

    Parameters
    ----------
    node : Expression
        The formula.
    x : ndarray, shape (N, inputs)
        The inputs.

    Returns
    -------
    ndarray, shape (N,)
        The values; NaN or infinite outside the domain of a function, without a warning.

    Examples
    --------
    >>> evaluate(parse_expression("x**2 + 1"), np.array([[2.0], [3.0]]))
    array([ 5., 10.])
    """
    nodes = 0

    def values(node: Expression) -> Values:
        nonlocal nodes
        nodes += 1
        return node.evaluated(x, [values(part) for part in node.parts])

    with np.errstate(all="ignore"):
        result = np.broadcast_to(values(node), x.shape[:1]).astype(np.float64)
    spend(10 * CALL_WORK + nodes * (3 * CALL_WORK + 6 * len(x)))
    return result


def constant_value(node: Expression) -> float:
    """The value of a formula without inputs."""
    return float(evaluate(node, np.zeros((1, 0)))[0])


def power(base: Values, exponent: float) -> Values:
    """The power by the operations that the printed formula contains: square roots, whole powers and reciprocals."""
    if exponent < 0:
        return 1 / power(base, -exponent)
    if exponent == 0.5:
        return np.sqrt(base)
    if exponent % 1 == 0:
        return base ** int(exponent)
    return base**exponent


def numbers_of(node: Expression) -> list[Number]:
    """The numbers in a formula in the order of `walk`; exponents belong to the form and are not included."""
    return nodes_of(node, Number)


def constant_values(node: Expression) -> list[float]:
    """The values of the numbers in a formula, see `numbers_of`."""
    return [number.value for number in numbers_of(node)]


def exponents_of(node: Expression) -> list[float]:
    """The exponents of the powers in a formula in the order of `walk`."""
    return [power.exponent for power in nodes_of(node, Power)]


def with_constants(
    node: Expression, values: Sequence[float] | np.ndarray, exact: Sequence[Exact | None] | None = None
) -> Expression:
    """A formula of the same form with other numbers, and their closed forms, in the order of `constant_values`."""
    numbers = zip(values, exact or [None] * len(values), strict=True)

    def with_next(part: Expression) -> Expression | None:
        match part:
            case Number():
                value, form = next(numbers)
                return Number(float(value), form)
        return None

    return exchanged(node, with_next)


def values_and_derivatives(
    node: Expression, x: np.ndarray, columns: Sequence[int] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate a formula and its derivatives by every constant, and by some inputs, by forward differentiation."""
    # Returns the values (N,) at rows x (N, inputs), and the derivatives (N, P) in the order of `constant_values`, with
    # those by the inputs `columns` behind.
    numbers = iter(range(1 << 30))
    inputs = {column: k - len(columns) for k, column in enumerate(columns)}  # places from the end
    nodes = 0

    def visit(node: Expression) -> tuple[Values, dict[int, Values]]:
        """Values of a node, and its derivatives by the place of each constant and input below it."""
        nonlocal nodes
        nodes += 1
        below = [visit(part) for part in node.parts]
        parts = [value for value, _ in below]
        total: dict[int, Values] = {}
        place = node.place(numbers, inputs)
        if place is not None:
            total[place] = UNIT_SLOPE
        # The chain rule; an input may occur in several parts
        for number, (_, slopes) in enumerate(below):
            if not slopes:
                continue
            outer = node.partial(number, parts)
            for place, slope in slopes.items():
                if outer is not UNIT_SLOPE:
                    slope = outer * slope
                if place in total:
                    slope = total[place] + slope
                total[place] = slope
        return node.evaluated(x, parts), total

    with np.errstate(all="ignore"):
        value, slopes = visit(node)
        derivatives = np.zeros((len(x), next(numbers) + len(columns)))
        for place, slope in slopes.items():
            derivatives[:, place] = slope
        spend(30 * CALL_WORK + nodes * (6 * CALL_WORK + (6 + 2 * derivatives.shape[1]) * len(x)))
        return np.broadcast_to(value, x.shape[:1]).astype(np.float64), derivatives


@typed
def complexity(node: Expression) -> int:
    """Number of symbols of a formula: variables, numbers, functions and signs of +, *, / and power.

    A minus is free, a square root or a reciprocal costs one symbol, any other power two (its sign and its exponent).

    Parameters
    ----------
    node : Expression
        The formula.

    Returns
    -------
    int
        Number of its symbols.

    Examples
    --------
    >>> complexity(parse_expression("2*x + 1/x"))
    6
    """
    return node.symbols


def used_variables(node: Expression) -> list[int]:
    """The columns that a formula depends on, in order."""
    return sorted({variable.index for variable in nodes_of(node, Variable)})


@typed
def parse_expression(text: str, names: Sequence[str] = ("x",)) -> Expression:
    """Read a formula in Python's notation.

    The text may contain + - * / **, numbers, pi, e, the names of the inputs, sqrt and the functions of `FUNCTIONS`.
    Names that are not identifiers stand in backticks, or in brackets of their own. The text is parsed and never
    executed.

    Parameters
    ----------
    text : str
        The formula.
    names : sequence of str
        Names of the inputs in the order of the columns; words of Python such as lambda are names too.

    Returns
    -------
    Expression
        The tree, not simplified.

    Raises
    ------
    InputError
        The text contains anything else.

    Examples
    --------
    >>> parse_expression("2*b", ["a", "b"])
    Multiply(factors=(Number(value=2.0, exact=(2, 1, '')), Variable(index=1)))
    """
    check_kind(text, str, "text must be a formula in Python's notation")
    try:
        plain, known = with_safe_names(text.strip(), names)
        return _read(ast.parse(plain, mode="eval").body, known, text)
    except InputError:
        raise
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise InputError(f"text must be a formula in Python's notation, got {text[:80]!r}") from error


def with_safe_names(text: str, names: Sequence[str]) -> tuple[str, dict[str, int]]:
    """A text with identifiers in place of names in backticks or brackets, and the columns by all their names."""
    known = {name: k for k, name in enumerate(names)}
    for k, name in enumerate(names):
        safe = f"_column_{k}_"
        shown = [f"`{name}`"]
        if name.startswith("[") and name.endswith("]"):
            shown.append(name)
        for quoted in shown:
            if quoted in text:
                text = text.replace(quoted, safe)
                known[safe] = k
        if iskeyword(name):  # lambda is a usual name of a wavelength, which Python's notation does not allow
            text = re.sub(rf"\b{name}\b", safe, text)
            known[safe] = k
    return text, known


_UNIT_NAMES = {"pi": Number(math.pi, (1, 1, "pi")), "e": Number(math.e, (1, 1, "e"))}


def _read(tree: ast.expr, names: Mapping[str, int], text: str) -> Expression:
    """The expression of a syntax tree; refuses every construct that is not part of a formula."""

    def inner(part: ast.expr) -> Expression:
        return _read(part, names, text)

    match tree:
        # Leaves: numbers, inputs and named constants
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return exact_number(value)
        case ast.Name(id=name) if name in names:
            return Variable(names[name])
        case ast.Name(id=name) if name in _UNIT_NAMES:
            return _UNIT_NAMES[name]
        case ast.UnaryOp(op=ast.USub(), operand=part):
            return _negative(inner(part))
        case ast.UnaryOp(op=ast.UAdd(), operand=part):
            return inner(part)
        # Chains of one precedence, flat as people write them
        # Sums and differences, in one chain.
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            terms: list[Expression] = []
            for operator, part in _chain(tree, (ast.Add, ast.Sub)):
                match operator:
                    case ast.Sub():
                        terms.append(_negative(inner(part)))
                    case _:
                        terms.append(inner(part))
            return Add(tuple(terms))
        # Products and quotients, in one chain.
        case ast.BinOp(op=ast.Mult() | ast.Div()):
            factors: list[Expression] = []
            for operator, part in _chain(tree, (ast.Mult, ast.Div)):
                factor = inner(part)
                match operator, part:
                    case None, ast.UnaryOp():  # Python gives the minus of -a*b to a alone
                        factors += factor.multiplicands
                    case ast.Div(), _:
                        factors.append(Power(factor, -1.0))
                    case _:
                        factors.append(factor)
            return Multiply(tuple(factors))
        # Powers.
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            exponent = inner(right)
            if not used_variables(exponent):  # a number, or a fraction such as (3/2)
                value = constant_value(exponent)
                if math.isfinite(value):
                    return Power(inner(left), value)
            else:  # u**v is exp(v log u)
                return Call("exp", Multiply((*exponent.multiplicands, Call("log", inner(left)))))
        # Functions.
        case ast.Call(func=ast.Name(id=name), args=[part], keywords=[]):
            if name == "sqrt":
                return Power(inner(part), 0.5)
            if name in FUNCTIONS:
                return Call(name, inner(part))
            raise InputError(
                f"text must be a formula of the functions sqrt, {', '.join(FUNCTIONS)}, got the function {name!r}"
            )
    raise InputError(f"text must be a formula of {', '.join(names)} and known functions, got {text[:80]!r}")


def _negative(node: Expression) -> Expression:
    """A term with the other sign: that of its number, or of a factor -1."""
    match node.multiplicands:
        case Number(value, None), *others:
            return product_of([Number(-value), *others])
        case Number(value, (p, q, unit)), *others:
            return product_of([Number(-value, (-p, q, unit)), *others])
    return Multiply((exact_number(-1), *node.multiplicands))


def _chain(tree: ast.expr, kinds: tuple[type[ast.operator], ...]) -> list[tuple[ast.operator | None, ast.expr]]:
    """The operands of a chain such as a + b - c, each with the operator before it; what stands in brackets is one."""
    operands: list[tuple[ast.operator | None, ast.expr]] = []
    is_bracketed = False
    while isinstance(tree, ast.BinOp) and isinstance(tree.op, kinds) and not is_bracketed:
        operands.append((tree.op, tree.right))
        # A bracket belongs to the whole and not to the operand in it, which so begins later.
        is_bracketed = (tree.left.lineno, tree.left.col_offset) > (tree.lineno, tree.col_offset)
        tree = tree.left
    operands.append((None, tree))
    return operands[::-1]
