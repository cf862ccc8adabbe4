"""The network that computes a given formula: exact at the start, and trainable from there."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

import numpy as np
import torch

from edgewise.checks import check_names, is_sequence, typed
from edgewise.errors import InputError
from edgewise.formulas.expression import (
    FUNCTIONS,
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    evaluate,
    parse_expression,
    product_of,
    used_variables,
)
from edgewise.formulas.printing import as_text
from edgewise.nn.model import KAN, edge_layers

# Names of the elementary functions that are powers, by exponent.
POWERS = {1: "x", 2: "x^2", 3: "x^3", 4: "x^4", 5: "x^5", 0.5: "sqrt", 1.5: "x^1.5"}
POWERS |= {-exponent: f"1/{name}" for exponent, name in POWERS.items()}


@dataclass
class _Edge:
    """An edge c f(a u + b) + d that starts from a node u of the layer before."""

    source: int
    function: str
    a: float = 1.0
    b: float = 0.0
    c: float = 1.0
    d: float = 0.0


@typed
def from_formula(formula: Any, names: Sequence[str] | None = None) -> KAN:
    """Build the network of elementary edges and product nodes that computes a formula.

    Every sum becomes a node, every function of one term an edge, every product of several terms a product node; values
    that are needed later are passed on. The constants are parameters, so the network can be trained from there, and
    made deeper or wider (`deepen`, `widen`).

    Parameters
    ----------
    formula : str, sympy expression or Expression, or a sequence of them
        Text in Python's notation, such as "exp(sin(pi*x) + y**2)", or an expression; one for each output. Any power
        with a fixed exponent is allowed; exponents other than whole numbers up to 5, 1/2, 3/2 and their negatives
        become products of edges, or exp(p log(x)).
    names : sequence of str, optional
        Names of the inputs, in order; left out, those in the text, in alphabetical order.

    Returns
    -------
    KAN
        float64, equal to the formula to rounding.

    Raises
    ------
    InputError
        The text is no formula, it is undefined for all inputs, or names don't fit.

    References
    ----------
    Liu et al., "KAN 2.0" (arXiv 2408.10205), section 3.2, who call this the kanpiler.

    Examples
    --------
    >>> import torch
    >>> from edgewise.interpret import from_formula
    >>> model = from_formula("exp(x) * y")
    >>> model(torch.tensor([[0.0, 3.0]], dtype=torch.float64)).item()
    3.0
    """
    # The formulas as expressions of named inputs.
    given = list(formula) if is_sequence(formula) else [formula]
    listed = [_text_of_sympy(one) if hasattr(one, "free_symbols") else one for one in given]
    if not listed or not all(isinstance(one, str | Expression) for one in listed):
        raise InputError(f"formula must be text or an expression, or several of them, got {formula!r:.80}")
    if names is not None and not isinstance(names, str):
        names = check_names(names, len(names))
    else:
        names = _names_in(listed)
    expressions = [parse_expression(one, names) if isinstance(one, str) else one for one in listed]
    for one in expressions:
        if max(used_variables(one), default=0) >= len(names):
            raise InputError(f"names must name every input of the formula, got {len(names)} names")
    return _Plan(len(names)).network([_with_edge_functions(one) for one in expressions])


def _text_of_sympy(expression: Any) -> str:
    """The text of an expression of sympy, whose names of functions and numbers differ from Python's in a few."""
    return re.sub(r"\b(Abs|E)\b", lambda match: {"Abs": "abs", "E": "e"}[match[0]], str(expression))


def _names_in(formulas: Sequence[str | Expression]) -> tuple[str, ...]:
    """The names in texts that are neither functions nor numbers, in alphabetical order."""
    names: set[str] = set()
    for one in formulas:
        if not isinstance(one, str):
            raise InputError("names must be given, a list of the inputs' names, for a formula that is no text")
        # A keyword of Python as a name, such as lambda, gets an underscore while the text is parsed.
        words = {word for word in re.findall(r"\b[a-z]+\b", one) if iskeyword(word)}
        plain = re.sub(r"\b[a-z]+\b", lambda match: match[0] + "_" * iskeyword(match[0]), one)
        try:
            tree = ast.parse(plain.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            parse_expression(one, ())  # raises an error that names the mistake
            continue
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
        names |= {name[:-1] if name[:-1] in words else name for name in used}
    return tuple(sorted(names - {"pi", "e"})) or ("x",)


def _with_edge_functions(value: Expression) -> Expression:
    """Rewrite a formula so that constant parts are numbers and each power is the function of an edge."""
    match value:
        case Power(_, 0.0):
            return Number(1.0)
    if not used_variables(value):
        number = float(evaluate(value, np.zeros((1, 1)))[0])
        if not math.isfinite(number):
            raise InputError(f"formula must be defined, its constant part {as_text(value, ())} is {number}")
        return Number(number)
    value = value.with_parts([_with_edge_functions(part) for part in value.parts])
    match value:
        case Power(base, exponent):
            return _power_of(base, exponent)
    return value


def _power_of(base: Expression, exponent: float) -> Expression:
    """Return base ** exponent, composed of powers that are functions of edges."""
    # A power of the table is one edge; others are powers of powers, products, or exp(p log u).
    if exponent in POWERS:
        return Power(base, exponent)
    if exponent < 0:
        return Power(_power_of(base, -exponent), -1.0)
    if exponent > 1000:  # a power takes a layer for each of its factors
        raise InputError(f"formula must have powers of at most 1000, got {exponent}")
    if exponent % 0.5:
        return Call("exp", Multiply((Number(exponent), Call("log", base))))
    if exponent % 1:
        return Multiply((_power_of(base, exponent - 0.5), Power(base, 0.5)))
    whole = next((k for k in (5, 4, 3, 2) if exponent % k == 0), None)
    if whole is None:
        return Multiply((_power_of(base, exponent - 1.0), base))
    return Power(_power_of(base, exponent / whole), whole)


@dataclass
class _Level:
    """Nodes of one level of the network."""

    # each node is a product of sums (mostly of a single one), each sum a list of edges
    nodes: list[list[list[_Edge]]] = field(default_factory=list)
    # number of the node that holds a value; several nodes may hold the same value, as copies
    places: dict[tuple[Expression, int], int] = field(default_factory=dict)


class _Plan:
    """Assignment of expressions to nodes; a value stays on its level and is passed on if a later level needs it."""

    def __init__(self, inputs: int):
        self.inputs = inputs
        self.levels: dict[int, _Level] = {}

    def network(self, outputs: list[Expression]) -> KAN:
        """The network whose outputs are these expressions."""
        depth = max(1, *(_level(one) for one in outputs))
        # Products come last among the nodes of a layer, so several outputs in a given order have to be sums.
        if len(outputs) > 1 and any(_scale_and_factors(one)[1] for one in outputs):
            depth += 1
        for one in outputs:
            self._new(one, depth)
        # Functions and numbers of the edges of each level; `order` has the nodes of the level before, by place.
        width = [self.inputs]
        order = list(range(self.inputs))
        functions: list[list[list[str]]] = []
        products: list[list[int]] = []
        numbers: list[torch.Tensor] = []
        for number in range(1, depth + 1):
            nodes = self.levels[number].nodes
            chosen = list(range(len(nodes)))
            if number < depth:  # sums first, products last
                chosen = [n for n in chosen if len(nodes[n]) == 1] + [n for n in chosen if len(nodes[n]) > 1]
            # The table of functions of the level: a row for each node before it, a column for each sum.
            sums = [edges for n in chosen for edges in nodes[n]]
            rows = [["0"] * len(sums) for _ in range(width[-1])]
            affine = torch.zeros(4, width[-1], len(sums), dtype=torch.float64)
            for o, edges in enumerate(sums):
                for edge in edges:
                    i = order.index(edge.source)
                    rows[i][o] = edge.function
                    affine[:, i, o] = torch.tensor([edge.a, edge.b, edge.c, edge.d], dtype=torch.float64)
            functions.append(rows)
            numbers.append(affine)
            products.append([len(nodes[n]) for n in chosen if len(nodes[n]) > 1])
            width.append(len(chosen))
            order = chosen
        # The network, with the numbers of its edges.
        model = KAN(width, functions=functions, products=products, dtype=torch.float64)
        with torch.no_grad():
            for layer, affine in zip(edge_layers(model), numbers, strict=True):
                layer.affine.copy_(affine)
        return model

    def _node(self, value: Expression, level: int, copy: int = 0) -> int:
        """Number of the node of a level that holds a value; `copy` counts nodes that hold the same value."""
        if level == 0:
            assert isinstance(value, Variable), "level 0 has the inputs"
            return value.index
        places = self.levels.setdefault(level, _Level()).places
        if (value, copy) in places:
            return places[value, copy]
        return self._new(value, level, copy)

    def _new(self, value: Expression, level: int, copy: int = 0) -> int:
        """Make a node that holds a value; returns its number."""
        # A product of sums, a value that is passed on from the level before, or a sum of edges.
        scale, sums = _scale_and_factors(value)
        if sums and level == _level(value):
            node = [self._edges(one, level) for one in sums]
            for edge in node[0]:
                edge.c = edge.c * scale
                edge.d = edge.d * scale
        elif level > max(1, _level(value)):
            node = [[_Edge(self._node(value, level - 1), "x")]]
        else:
            node = [self._edges(value, level)]
        target = self.levels.setdefault(level, _Level())
        target.nodes.append(node)
        target.places[value, copy] = len(target.nodes) - 1
        return len(target.nodes) - 1

    def _edges(self, value: Expression, level: int) -> list[_Edge]:
        """The edges whose sum is a value."""
        edges: list[_Edge] = []
        offset = 0.0
        used: dict[Expression, int] = {}
        for scale, term in _weighted_terms(value):
            if term is None:
                offset += scale
                continue
            name, a, b, inner = _edge_of(term)
            used[inner] = used.get(inner, -1) + 1  # an edge has one function: a second one starts from a copy
            edges.append(_Edge(self._node(inner, level - 1, used[inner]), name, a, b, scale))
        if not edges:
            edges = [_Edge(self._node(Variable(0), level - 1), "x", c=0.0)]
        edges[0].d += offset
        return edges


def _weighted_terms(value: Expression) -> Iterator[tuple[float, Expression | None]]:
    """The terms of a sum, as (factor, term); the term of a number is None."""
    for summand in value.summands:
        scale = 1.0
        rest: list[Expression] = []
        for part in _flat(summand):
            match part:
                case Number(number):
                    scale *= number
                case _:
                    rest.append(part)
        match rest:
            case []:
                yield scale, None
            case [Add() as inner]:
                yield from ((scale * factor, term) for factor, term in _weighted_terms(inner))
            case _:
                yield scale, product_of(rest)


def _flat(value: Expression) -> Iterator[Expression]:
    """The factors of a product, including those of products within it."""
    match value:
        case Multiply(factors):
            for factor in factors:
                yield from _flat(factor)
        case _:
            yield value


def _scale_and_factors(value: Expression) -> tuple[float, tuple[Expression, ...]]:
    """The number and the factors of a product of two factors or more; (1, ()) for anything else."""
    match list(_weighted_terms(value)):
        case [(scale, Multiply(factors))]:
            return scale, factors
    return 1.0, ()


def _edge_of(term: Expression) -> tuple[str, float, float, Expression]:
    """The edge that computes a term: its function, a and b, and the value that it starts from."""
    match term:
        case Call(function, inner):
            name = FUNCTIONS[function].table_name
        case Power(inner, exponent):
            name = POWERS[exponent]
        case _:
            return "x", 1.0, 0.0, term
    # An affine argument a u + b is part of the edge.
    terms = list(_weighted_terms(inner))
    moving = [(scale, part) for scale, part in terms if part is not None]
    if len(moving) == 1:
        return name, moving[0][0], sum(scale for scale, part in terms if part is None), moving[0][1]
    return name, 1.0, 0.0, inner


def _level(value: Expression) -> int:
    """The first level at which a node can hold a value."""
    if isinstance(value, Variable):
        return 0
    _, factors = _scale_and_factors(value)
    if factors:
        return max(map(_sum_level, factors))
    return _sum_level(value)


def _sum_level(value: Expression) -> int:
    """The first level at which a value can be a sum of edges."""
    sources = [_edge_of(term)[3] for _, term in _weighted_terms(value) if term is not None]
    twice = any(isinstance(one, Variable) and sources.count(one) > 1 for one in sources)
    return max([2 if twice else 1, *(1 + _level(one) for one in sources)])
