"""The formula of a network whose edges are elementary functions: equal to it, and readable in many notations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgewise.errors import InputError, missing_extra
from edgewise.interpret.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    children,
    complexity,
    evaluate,
    leaks,
    number,
    parse,
    rebuilt,
)
from edgewise.interpret.simplify import simplify
from edgewise.interpret.writing import as_c, as_latex, as_python, as_text
from edgewise.nn.elementary import ELEMENTARY, Elementary
from edgewise.nn.model import KAN
from edgewise.nn.product import ProductLayer
from edgewise.nn.symbolic import SymbolicLayer

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Formula:
    """A formula of named inputs; `str` of it is Python's notation, a call with x (N, inputs) gives the values (N,)."""

    expression: Expression
    names: tuple[str, ...]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.names):
            raise InputError(f"x must have shape (batch, {len(self.names)}), got {x.shape}")
        return evaluate(self.expression, x)

    def __str__(self) -> str:
        return as_text(self.expression, self.names)

    @property
    def complexity(self) -> int:
        """Number of symbols, see `expression.complexity`."""
        return complexity(self.expression)

    def simplified(self) -> "Formula":
        """A shorter equal formula, the same to rounding; see `simplify`."""
        return Formula(simplify(self.expression), self.names)

    def leaks(self, x: np.ndarray) -> list[str]:
        """A sentence for each function that leaves its domain, or has a pole, on the range of rows x (N, inputs).

        Raises:
            InputError: x has another shape or no rows.
        """
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.names) or not len(x):
            raise InputError(f"x must have shape (N, {len(self.names)}) and at least one row, got {x.shape}")
        return leaks(self.expression, x)

    def text(self, digits: int | None = 6) -> str:
        """Python's notation; None writes every digit."""
        _check_digits(digits)
        return as_text(self.expression, self.names, digits)

    def latex(self, digits: int | None = 4) -> str:
        """LaTeX in math mode, numbers with so many significant digits."""
        _check_digits(digits)
        return as_latex(self.expression, self.names, digits)

    def python(self, function: str = "f") -> str:
        """Source of a Python function of x (N, inputs) with the same values; needs numpy only, scipy for J0."""
        return as_python(self.expression, self.names, function)

    def c(self, function: str = "f") -> str:
        """Source of a C99 function `double f(const double *x)` of one sample."""
        return as_c(self.expression, self.names, function)

    def sympy(self) -> "sympy.Expr":
        """As a sympy expression of real symbols with these names; recognised numbers are exact.

        Raises:
            MissingExtraError: sympy is not installed.
        """
        try:
            import sympy
        except ImportError as error:
            raise missing_extra("sympy", "symbolic", "A formula in sympy") from error
        return _to_sympy(self.expression, [sympy.Symbol(name, real=True) for name in self.names])


def formula(
    model: KAN,
    *,
    names: Sequence[str] | None = None,
    output: int = 0,
    table: Mapping[str, Elementary] = ELEMENTARY,
) -> Formula:
    """The formula that a model computes for one of its outputs, equal to it to rounding.

    Args:
        model: a KAN whose edges are all elementary functions, with or without products.
        names: of the inputs; x_1, x_2, ... if left out.
        output: which one.
        table: the elementary functions of the model.

    Raises:
        InputError: an edge is a spline, or names or output do not fit.
    """
    layers = list(model.layers)
    inputs, outputs = layers[0].in_features, layers[-1].out_features
    names = check_names(names, inputs)
    if isinstance(output, bool) or not isinstance(output, int) or not 0 <= output < outputs:
        raise InputError(f"output must be a number from 0 to {outputs - 1}, got {output!r}")
    nodes: list[Expression] = [Variable(k) for k in range(inputs)]
    for place, layer in enumerate(layers):
        if isinstance(layer, ProductLayer):
            nodes = [nodes[g[0]] if len(g) == 1 else Multiply(tuple(nodes[i] for i in g)) for g in layer.groups]
        elif isinstance(layer, SymbolicLayer):
            nodes = _through(layer, nodes, table)
        else:
            raise InputError(
                f"model must have elementary functions on all edges, layer {place} has splines: use symbolify"
            )
    return Formula(nodes[output], names)


def _check_digits(digits: int | None) -> None:
    if digits is not None and (isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= 17):
        raise InputError(f"digits must be a number from 1 to 17 or None for all, got {digits!r}")


def check_names(names: Sequence[str] | None, inputs: int) -> tuple[str, ...]:
    """The names of the inputs, x_1, x_2, ... where none are given. Raises InputError where they don't fit."""
    if names is None:
        return tuple(f"x_{k + 1}" for k in range(inputs))
    names = tuple(names)
    if len(names) != inputs or not all(isinstance(name, str) and name for name in names) or len(set(names)) < inputs:
        raise InputError(f"names must be {inputs} different texts, one for each input, got {names!r}")
    return names


def _through(layer: SymbolicLayer, nodes: list[Expression], table: Mapping[str, Elementary]) -> list[Expression]:
    affine = layer.affine.detach().double().tolist()
    found: list[Expression] = []
    for o in range(layer.out_features):
        terms: list[Expression] = []
        for i in range(layer.in_features):
            row = layer.elementary(i, o)
            if row is not None:
                a, b, c, d = (affine[k][i][o] for k in range(4))
                shape = parse(table[row.name].text)
                terms.append(_affine(_substituted(shape, _affine(nodes[i], a, b)), c, d))
        found.append(number(0) if not terms else terms[0] if len(terms) == 1 else Add(tuple(terms)))
    return found


def _substituted(node: Expression, inner: Expression) -> Expression:
    if isinstance(node, Variable):
        return inner
    return rebuilt(node, [_substituted(part, inner) for part in children(node)])


def _affine(node: Expression, factor: float, offset: float) -> Expression:
    """factor * node + offset, without what does nothing."""
    scaled = node if factor == 1 else Multiply((_constant(factor), node))
    return scaled if offset == 0 else Add((scaled, _constant(offset)))


def _constant(value: float) -> Number:
    return number(value) if value in (-1.0, 0.0, 1.0) else Number(value)


def _to_sympy(node: Expression, symbols: list["sympy.Symbol"]) -> "sympy.Expr":
    import sympy

    if isinstance(node, Variable):
        return symbols[node.index]
    if isinstance(node, Number):
        if node.exact is None:
            one = abs(node.value) == 1.0  # a fitted factor that is 1 to the last bit would only stand in the way
            return sympy.Integer(node.value) if one else sympy.Float(node.value, 17)
        p, q, unit = node.exact
        root, pi = sympy.sqrt, sympy.pi
        units = {"": 1, "pi": pi, "sqrt(2)": root(2), "sqrt(3)": root(3), "e": sympy.E, "1/pi": 1 / pi}
        units |= {"sqrt(pi)": root(pi), "1/sqrt(2*pi)": 1 / root(2 * pi)}
        return sympy.Rational(p, q) * units[unit]
    parts = [_to_sympy(part, symbols) for part in children(node)]
    if isinstance(node, Add):
        return sympy.Add(*parts)
    if isinstance(node, Multiply):
        return sympy.Mul(*parts)
    if isinstance(node, Power):
        halves = 2 * node.exponent
        return parts[0] ** (sympy.Rational(round(halves), 2) if halves % 1 == 0 else sympy.Float(node.exponent, 17))
    assert isinstance(node, Call)
    if node.name == "besselj0":
        return sympy.besselj(0, parts[0])
    return {"abs": sympy.Abs}.get(node.name, getattr(sympy, node.name, None))(parts[0])
