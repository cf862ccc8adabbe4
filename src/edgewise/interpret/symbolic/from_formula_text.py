"""A KAN that is a given formula: exact at the start, and trainable from there."""

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from edgewise.checks import check_names
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
    children,
    evaluate,
    parse_expression,
    rebuilt,
)
from edgewise.formulas.expression import walk as parts_of
from edgewise.formulas.printing import as_text
from edgewise.nn.model import KAN

POWERS = {1: "x", 2: "x^2", 3: "x^3", 4: "x^4", 5: "x^5", 0.5: "sqrt", 1.5: "x^1.5"}
POWERS |= {-exponent: f"1/{name}" for exponent, name in POWERS.items()}
MOST = 1000  # largest power: each factor of it takes a layer


@dataclass
class _Edge:
    """c f(a u + b) + d of a node of the layer before."""

    source: int
    function: str
    a: float = 1.0
    b: float = 0.0
    c: float = 1.0
    d: float = 0.0


def from_formula(formula: str | Expression | Sequence[str | Expression], names: Sequence[str] | None = None) -> KAN:
    """The KAN of elementary edges and product nodes that computes a formula, or one for each output.

    Every sum is a node, every function of one thing an edge, every product of several things a product node; what is
    used again later passes through. The constants are parameters, so the network can be trained from there, and made
    deeper or wider (`deepen`, `widen`). KAN 2.0 (Liu et al., arXiv 2408.10205, section 3.2) calls this the kanpiler.

    Args:
        formula: text in Python's notation, as "exp(sin(pi*x) + y**2)", or an expression. Any power with a fixed
            exponent is allowed; those that are no edge (other than whole ones to 5, 1/2, 3/2 and their reciprocals)
            become products of edges, or exp(p log(x)).
        names: of the inputs, in order; left out, those in the text, in alphabetical order.

    Returns:
        A float64 `KAN`, equal to the formula to rounding.

    Raises:
        InputError: the text is no formula, it is undefined whatever the inputs are, or names don't fit.
    """
    listed = list(formula) if isinstance(formula, list | tuple) else [formula]
    if not listed or not all(isinstance(one, str | Expression) for one in listed):
        raise InputError(f"formula must be text or an expression, or several of them, got {formula!r:.80}")
    names = check_names(names, len(names)) if names is not None and not isinstance(names, str) else _names_in(listed)
    expressions = [parse_expression(one, names) if isinstance(one, str) else one for one in listed]
    for one in expressions:
        if any(isinstance(part, Variable) and part.index >= len(names) for part in parts_of(one)):
            raise InputError(f"names must name every input of the formula, got {len(names)} names")
    return _Plan(len(names)).network([_with_edges(one) for one in expressions])


def _names_in(formulas: Sequence[str | Expression]) -> tuple[str, ...]:
    """The names in texts that are neither functions nor numbers, in alphabetical order."""
    if not all(isinstance(one, str) for one in formulas):
        raise InputError("names must be given, a list of the inputs' names, for a formula that is no text")
    found: set[str] = set()
    for one in formulas:
        try:
            tree = ast.parse(one.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            parse_expression(one, ())  # says what is wrong
            continue
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        found |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
    return tuple(sorted(found - {"pi", "e"})) or ("x",)


def _with_edges(value: Expression) -> Expression:
    """An equal formula in which constant parts are numbers and each power is one of an edge."""
    if isinstance(value, Power) and value.exponent == 0:
        return Number(1.0)
    if not any(isinstance(part, Variable) for part in parts_of(value)):
        number = float(evaluate(value, np.zeros((1, 1)))[0])
        if not math.isfinite(number):
            raise InputError(f"formula must be defined, its constant part {as_text(value, ())} is {number}")
        return Number(number)
    value = rebuilt(value, [_with_edges(part) for part in children(value)])
    return _power(value.base, value.exponent) if isinstance(value, Power) else value


def _power(base: Expression, exponent: float) -> Expression:
    """base ** exponent by powers that are edges."""
    if exponent in POWERS:
        return Power(base, exponent)
    if exponent < 0:
        return Power(_power(base, -exponent), -1.0)
    if exponent > MOST:
        raise InputError(f"formula must have powers of at most {MOST}, got {exponent}")
    if exponent % 0.5:
        return Call("exp", Multiply((Number(exponent), Call("log", base))))
    if exponent % 1:
        return Multiply((_power(base, exponent - 0.5), Power(base, 0.5)))
    whole = next((k for k in (5, 4, 3, 2) if exponent % k == 0), None)
    if whole is None:
        return Multiply((_power(base, exponent - 1.0), base))
    return Power(_power(base, exponent / whole), whole)


@dataclass
class _Level:
    """Nodes of one level: each a product of sums, mostly of one."""

    nodes: list[list[list[_Edge]]] = field(default_factory=list)
    places: dict[tuple[Expression, int], int] = field(default_factory=dict)


class _Plan:
    """Which expression is computed where; a value stays on its level and is passed on if a later one needs it."""

    def __init__(self, inputs: int):
        self.inputs, self.levels = inputs, {}

    def network(self, outputs: list[Expression]) -> KAN:
        depth = max(1, *(_level(one) for one in outputs))
        # Products come last among the nodes of a layer, so several outputs in their order have to be sums.
        if len(outputs) > 1 and any(_factors(one) for one in outputs):
            depth += 1
        for one in outputs:
            self._new(one, depth)
        width, functions, products, numbers, order = [self.inputs], [], [], [], list(range(self.inputs))
        for number in range(1, depth + 1):
            nodes = self.levels[number].nodes
            last = number == depth
            chosen = list(range(len(nodes))) if last else sorted(range(len(nodes)), key=lambda n: len(nodes[n]) > 1)
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
        model = KAN(width, functions=functions, products=products, dtype=torch.float64)
        edges = [layer for layer in model.layers if hasattr(layer, "affine")]
        with torch.no_grad():
            for layer, affine in zip(edges, numbers, strict=True):
                layer.affine.copy_(affine)
        return model

    def _node(self, value: Expression, level: int, copy: int = 0) -> int:
        """The place of a value at a level; `copy` counts nodes that hold the same."""
        if level == 0:
            return value.index
        places = self.levels.setdefault(level, _Level()).places
        return places[value, copy] if (value, copy) in places else self._new(value, level, copy)

    def _new(self, value: Expression, level: int, copy: int = 0) -> int:
        factors = _factors(value)
        if factors and level == _level(value):
            scale, *sums = factors
            node = [self._edges(one, level) for one in sums]
            for edge in node[0]:
                edge.c, edge.d = edge.c * scale, edge.d * scale
        elif level > max(1, _level(value)):
            node = [[_Edge(self._node(value, level - 1), "x")]]
        else:
            node = [self._edges(value, level)]
        target = self.levels.setdefault(level, _Level())
        target.nodes.append(node)
        target.places[value, copy] = len(target.nodes) - 1
        return len(target.nodes) - 1

    def _edges(self, value: Expression, level: int) -> list[_Edge]:
        edges, offset, used = [], 0.0, {}
        for scale, term in _terms(value):
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


def _terms(value: Expression) -> Iterator[tuple[float, Expression | None]]:
    """(factor, term) of a sum; None for a number."""
    if isinstance(value, Add):
        for term in value.terms:
            yield from _terms(term)
        return
    scale, rest = 1.0, []
    for part in _flat(value):
        if isinstance(part, Number):
            scale *= part.value
        else:
            rest.append(part)
    if len(rest) == 1 and isinstance(rest[0], Add):
        yield from ((scale * factor, term) for factor, term in _terms(rest[0]))
    else:
        yield scale, None if not rest else rest[0] if len(rest) == 1 else Multiply(tuple(rest))


def _flat(value: Expression) -> Iterator[Expression]:
    """The factors of a product, of products within it too."""
    if isinstance(value, Multiply):
        for factor in value.factors:
            yield from _flat(factor)
    else:
        yield value


def _factors(value: Expression) -> list | None:
    """[number, factor, factor, ...] of a product of two things or more, else None."""
    terms = list(_terms(value))
    if len(terms) == 1 and isinstance(terms[0][1], Multiply):
        return [terms[0][0], *terms[0][1].factors]
    return None


def _edge_of(term: Expression) -> tuple[str, float, float, Expression]:
    """The edge that gives a term: its function, a and b, and what it starts from."""
    if isinstance(term, Call):
        name, inner = FUNCTIONS[term.name][2], term.argument
    elif isinstance(term, Power):
        name, inner = POWERS[term.exponent], term.base
    else:
        return "x", 1.0, 0.0, term
    terms = list(_terms(inner))
    moving = [(scale, part) for scale, part in terms if part is not None]
    if len(moving) == 1:
        return name, moving[0][0], sum(scale for scale, part in terms if part is None), moving[0][1]
    return name, 1.0, 0.0, inner


def _level(value: Expression) -> int:
    """The first level at which there is a node for a value."""
    if isinstance(value, Variable):
        return 0
    factors = _factors(value)
    return max(map(_sum_level, factors[1:])) if factors else _sum_level(value)


def _sum_level(value: Expression) -> int:
    """The first level at which it can be a sum of edges."""
    sources = [_edge_of(term)[3] for _, term in _terms(value) if term is not None]
    twice = any(isinstance(one, Variable) and sources.count(one) > 1 for one in sources)
    return max([2 if twice else 1, *(1 + _level(one) for one in sources)])
