"""Laws to be found from samples: AI Feynman's with units, Nguyen's twelve, sixty of textbooks, random ones.

**The grammar of the random expressions**, fixed before any of them was searched for. Expression number s has
n = 1 + (s // 2) mod 4 inputs, drawn from a generator with the seed (20261126, s):

1. It has k = n - 1 + {0, 1, 2} signs (each equally likely) and so k + 1 leaves: every input once, and each further
   leaf is an input at random or a number with equal chances. A number is one of 1, 2, 3, 4, 5, 1/2, pi with probability
   1/2 and otherwise a decimal of two digits between 0.1 and 9.9.
2. Two parts at random are joined by +, -, * or / with the probabilities 0.3, 0.2, 0.3, 0.2 until one part is left.
3. Leaves and joins become arguments of functions: the expression holds {0, 1, 2} functions (at least one where k = 0),
   at nodes drawn without repetition; each is exp, log, sqrt, sin, cos or the square.
4. The inputs are uniform in (1, 3), or in (-2, 2) with probability 0.3, the same for all inputs.
5. An expression is drawn again if it is not finite at all of 2,000 rows, if the largest |y - mean| is more than 50
   standard deviations, if the standard deviation is not in (1e-3, 1e6), if an input hardly matters (another order of
   its column changes y by less than 1 % of the standard deviation), or if its simplified form has fewer than 3 or more
   than 30 symbols.

Even numbers s are the open half, odd ones the closed half, which is not looked at while the search is developed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgewise.formulas import Expression, complexity, parse_expression, simplify
from edgewise.formulas.expression import Add, Call, Multiply, Number, Power, Variable, evaluate, exact_number
from edgewise.formulas.rewriting import shortest_form
from edgewise_experiments.data.target import data_lines

RANDOM_SEED, RANDOM_LAWS = 20261126, 200
_NUMBERS = (1.0, 2.0, 3.0, 4.0, 5.0)
_FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "square")
_ROWS_TO_CHECK, _LEAST_ROLE, _LARGEST_OUTLIER = 2000, 0.01, 50.0


@dataclass(frozen=True)
class Law:
    """A formula, the box of its inputs, and their units."""

    suite: str
    name: str
    expression: Expression
    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    units: Mapping[str, str]

    def sample(self, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw rows (rows, inputs) uniformly in the box, where the law is finite, and its values there (rows,)."""
        random = np.random.default_rng([RANDOM_SEED, seed])
        x = random.uniform(self.low, self.high, (4 * rows, len(self.names)))
        y = evaluate(self.expression, x)
        finite = np.flatnonzero(np.isfinite(y))[:rows]
        assert len(finite) == rows, self.name
        return x[finite], y[finite]

    @property
    def symbols(self) -> int:
        """Symbols of the shortest form of the law that the library's own simplification finds."""
        x, _ = self.sample(200, 0)
        forms = (self.expression, simplify(self.expression), shortest_form(self.expression, x))
        return min(map(complexity, forms))


@cache
def ai_feynman() -> Mapping[str, Law]:
    """The hundred laws of AI Feynman and, with names B1 to B20, its bonus laws."""
    return _read_laws("laws.txt")


@cache
def textbook(half: int) -> Mapping[str, Law]:
    """Sixty laws in the units of textbooks: those with odd numbers (half 0, open) or even ones (half 1, closed)."""
    laws = _read_laws("textbook.txt")
    return {name: law for name, law in laws.items() if int(name[1:]) % 2 != half}


def _read_laws(file: str) -> dict[str, Law]:
    return {law.name: law for law in map(_read_law, data_lines(file))}


def _read_law(line: str) -> Law:
    name, _, rest = line.partition(": ")
    head, *inputs = rest.split("; ")
    target, _, formula = head.partition(" = ")
    units, ranges = {"y": _unit(target)}, {}
    for text in inputs:
        symbol, (low, high) = text.split()[0], text.split()[-2:]
        units[symbol], ranges[symbol] = _unit(text), (float(low), float(high))
    names = tuple(ranges)
    low, high = zip(*ranges.values(), strict=True)
    suite = {"B": "bonus", "T": "textbook"}.get(name[0], "feynman")
    return Law(suite, name, parse_expression(formula, names), names, low, high, units)


def _unit(text: str) -> str:
    return text[text.index("[") + 1 : text.index("]")]


@cache
def nguyen() -> Mapping[str, Law]:
    """Nguyen's twelve expressions (Uy et al., Genetic Programming and Evolvable Machines 12, 2011).

    Their authors draw 20 or 100 rows; the experiments here draw as many as for the other laws.
    """
    powers = [" + ".join(f"x**{k}" for k in range(1, top + 1)) for top in (3, 4, 5, 6)]
    listed = [(text, "x", -1.0, 1.0) for text in (*powers, "sin(x**2)*cos(x) - 1", "sin(x) + sin(x + x**2)")]
    listed += [("log(x + 1) + log(x**2 + 1)", "x", 0.0, 2.0), ("sqrt(x)", "x", 0.0, 4.0)]
    pairs = ("sin(x) + sin(y**2)", "2*sin(x)*cos(y)", "exp(y*log(x))", "x**4 - x**3 + y**2/2 - y")
    listed += [(text, "xy", 0.0, 1.0) for text in pairs]
    laws = {}
    for number, (text, inputs, low, high) in enumerate(listed, 1):
        names = tuple(inputs)
        box = ((low,) * len(names), (high,) * len(names))
        laws[f"N{number}"] = Law("nguyen", f"N{number}", parse_expression(text, names), names, *box, {})
    return laws


@cache
def random_laws(half: int) -> Mapping[str, Law]:
    """The random expressions with even numbers (half 0) or odd ones (half 1), see the grammar above."""
    return {f"R{s}": random_law(s) for s in range(half, RANDOM_LAWS, 2)}


def random_law(number: int) -> Law:
    """Draw the random expression of a number by the grammar above."""
    random = np.random.default_rng([RANDOM_SEED, number])
    inputs = 1 + number // 2 % 4
    names = tuple(f"x{k + 1}" for k in range(inputs))
    while True:
        node = simplify(_random_expression(random, inputs))
        low, high = (-2.0, 2.0) if random.random() < 0.3 else (1.0, 3.0)
        x = random.uniform(low, high, (_ROWS_TO_CHECK, inputs))
        if _is_usable(node, x, random):
            return Law("random", f"R{number}", node, names, (low,) * inputs, (high,) * inputs, {})


def _random_expression(random: np.random.Generator, inputs: int) -> Expression:
    """Draw one expression."""
    signs = inputs - 1 + int(random.integers(3))
    parts: list[Expression] = [Variable(k) for k in range(inputs)]
    for _ in range(signs + 1 - inputs):
        is_input = random.random() < 0.5
        parts.append(Variable(int(random.integers(inputs))) if is_input else _random_number(random))
    functions = max(int(random.integers(3)), int(signs == 0))
    nodes = len(parts) + signs
    places = set(random.permutation(nodes)[:functions].tolist())
    parts = [_with_function(part, random) if k in places else part for k, part in enumerate(parts)]
    for k in range(signs):
        order = random.permutation(len(parts))
        first, second = parts[order[0]], parts[order[1]]
        joined = _joined(str(random.choice(list("+-*/"), p=(0.3, 0.2, 0.3, 0.2))), first, second)
        if nodes - signs + k in places:
            joined = _with_function(joined, random)
        parts = [joined, *(parts[place] for place in order[2:])]
    return parts[0]


def _random_number(random: np.random.Generator) -> Number:
    if random.random() < 0.5:
        named = (*map(exact_number, _NUMBERS), Number(0.5, (1, 2, "")), Number(np.pi, (1, 1, "pi")))
        return named[int(random.integers(len(named)))]
    tenths = int(random.integers(1, 100))
    return Number(tenths / 10)


def _with_function(part: Expression, random: np.random.Generator) -> Expression:
    name = str(random.choice(_FUNCTIONS))
    if name == "square":
        return Power(part, 2.0)
    return Power(part, 0.5) if name == "sqrt" else Call(name, part)


def _joined(sign: str, first: Expression, second: Expression) -> Expression:
    if sign in "+-":
        return Add((first, second if sign == "+" else Multiply((exact_number(-1), second))))
    return Multiply((first, second if sign == "*" else Power(second, -1.0)))


def _is_usable(node: Expression, x: np.ndarray, random: np.random.Generator) -> bool:
    """Whether an expression passes point 5 of the grammar."""
    y = evaluate(node, x)
    if not np.isfinite(y).all() or not 3 <= complexity(node) <= 30 or np.abs(y).max() > 1e9:
        return False
    spread = float(np.std(y))
    if not 1e-3 < spread < 1e6 or np.abs(y - y.mean()).max() > _LARGEST_OUTLIER * spread:
        return False
    for column in range(x.shape[1]):
        other = x.copy()
        other[:, column] = random.permutation(x[:, column])
        change = evaluate(node, other) - y
        if np.isfinite(change).all() and float(np.std(change)) < _LEAST_ROLE * spread:
            return False
    return True
