"""Terms of a right-hand side: expressions of the states with free inner constants, each with a price a priori."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import combinations, combinations_with_replacement

import numpy as np

from edgewise.discovery.reduction.dimensions import Dimension, Dimensions
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
    exact_number,
    exchanged,
    monomial,
    numbers_of,
    product_of,
    sum_of,
    used_variables,
    with_constants,
)

Columns = Sequence[np.ndarray]
Closure = Callable[[Columns, np.ndarray], np.ndarray]
ONE = exact_number(1)


@dataclass(frozen=True)
class Term:
    """A term without its coefficient."""

    form: Expression  # numbers without a closed form are inner constants
    cost: float = 0.0  # twice the logarithm of one over its prior probability
    kind: str = "function"  # "polynomial", "function" or "saturation"
    degree: int = 0  # of a polynomial

    @cached_property
    def inner(self) -> tuple[float, ...]:
        """The inner constants."""
        return tuple(number.value for number in numbers_of(self.form) if number.exact is None)

    @property
    def constants(self) -> int:
        """Number of constants with the coefficient."""
        return 1 + len(self.inner)

    @cached_property
    def shape(self) -> Expression:
        """The form with all inner constants at 1.5: terms of one shape differ by these alone."""
        return self.with_inner((1.5,) * len(self.inner)).form

    def with_inner(self, inner: Sequence[float]) -> Term:
        """The same term with other inner constants."""
        if not len(inner):
            return self
        values = iter(inner)
        numbers = numbers_of(self.form)
        new = [next(values) if number.exact is None else number.value for number in numbers]
        form = with_constants(self.form, new, [number.exact for number in numbers])
        return Term(form, self.cost, self.kind, self.degree)

    def with_letters(self, letters: Sequence[Expression]) -> Term:
        """The term with other expressions in place of the inner constants, in their order."""
        rest = iter(letters)
        return Term(exchanged(self.form, lambda part: next(rest) if part in self._free else None))

    @cached_property
    def _free(self) -> set[Expression]:
        return {number for number in numbers_of(self.form) if number.exact is None}

    @property
    def factors(self) -> tuple[Expression, ...]:
        """The factors of the form; the constant term has none."""
        return () if self.form == ONE else self.form.multiplicands

    def values(self, columns: np.ndarray) -> np.ndarray:
        """Values (N,) at columns (N, variables)."""
        return evaluate(self.form, columns)


class Closures:
    """Reader that turns terms into functions of columns and constants, which occur in the order of `numbers_of`."""

    def __init__(self) -> None:
        self.place = 0  # of the next constant

    def coefficient_times(self, term: Term) -> Closure:
        """A coefficient times a term."""
        place = self.place
        self.place += 1
        body = term.form.read_by(self)
        return lambda x, p: p[place] * body(x, p)

    def number(self, node: Number) -> Closure:
        value = node.value
        if node.exact is not None:
            constant = np.asarray(value)
            return lambda x, p: constant
        place = self.place
        self.place += 1
        return lambda x, p: p[place]

    def variable(self, node: Variable) -> Closure:
        index = node.index
        return lambda x, p: x[index]

    def sum(self, node: Add) -> Closure:
        parts = [part.read_by(self) for part in node.terms]
        return lambda x, p: reduce(lambda total, part: total + part(x, p), parts[1:], parts[0](x, p))

    def product(self, node: Multiply) -> Closure:
        parts = [part.read_by(self) for part in node.factors]
        return lambda x, p: reduce(lambda total, part: total * part(x, p), parts[1:], parts[0](x, p))

    def power(self, node: Power) -> Closure:
        base = node.base.read_by(self)
        exponent = node.exponent
        if exponent == -1:
            return lambda x, p: 1 / base(x, p)
        if exponent in (3, 4, 5):  # numpy has fast squares, but no fast cubes
            return lambda x, p: reduce(lambda total, factor: total * factor, [base(x, p)] * int(exponent))
        return lambda x, p: base(x, p) ** exponent

    def call(self, node: Call) -> Closure:
        argument = node.argument.read_by(self)
        function = FUNCTIONS[node.name].value
        return lambda x, p: function(argument(x, p))


@dataclass(frozen=True)
class Law:
    """Right-hand sides as sums of terms with coefficients, one for each coordinate."""

    equations: tuple[tuple[tuple[Term, float], ...], ...]

    @cached_property
    def theta(self) -> np.ndarray:
        """All constants: of each term the coefficient and then the inner ones."""
        values = [value for equation in self.equations for term, c in equation for value in (c, *term.inner)]
        return np.array(values, dtype=np.float64)

    @property
    def terms(self) -> list[Term]:
        """The terms of all equations, one equation after the other."""
        return [term for equation in self.equations for term, _ in equation]

    @cached_property
    def shape(self) -> tuple[frozenset[Expression], ...]:
        """What tells laws apart whose constants are fitted."""
        return tuple(frozenset(term.shape for term, _ in equation) for equation in self.equations)

    def cost(self, shared: float) -> float:
        """Twice the logarithm of one over the prior; a term that an earlier equation has too costs at most `shared`."""
        # Masses, charges and reactions lose in one equation what they gain in another.
        seen: set[Expression] = set()
        total = 0.0
        for equation in self.equations:
            for term, _ in equation:
                total += min(term.cost, shared) if term.shape in seen else term.cost
            seen |= {term.shape for term, _ in equation}
        return total

    def with_theta(self, theta: np.ndarray) -> Law:
        """The same terms with other constants."""
        values = iter(map(float, theta))
        equations = []
        for equation in self.equations:
            new = []
            for term, _ in equation:
                c = next(values)
                new.append((term.with_inner([next(values) for _ in term.inner]), c))
            equations.append(tuple(new))
        return Law(tuple(equations))

    def with_equation(self, k: int, equation: Sequence[tuple[Term, float]]) -> Law:
        """The law with another equation for coordinate k."""
        return Law((*self.equations[:k], tuple(equation), *self.equations[k + 1 :]))

    @cached_property
    def function(self) -> Callable[[Columns, np.ndarray], list[np.ndarray]]:
        """The right-hand sides as a function of columns and constants, each number or array."""
        closures = Closures()
        sums = [[closures.coefficient_times(term) for term, _ in equation] for equation in self.equations]

        def right_hand_sides(x: Columns, p: np.ndarray) -> list[np.ndarray]:
            return [sum((part(x, p) for part in parts), np.zeros(())) for parts in sums]

        return right_hand_sides

    def expression(self, k: int) -> Expression:
        """The right-hand side of coordinate k with its constants, not simplified."""
        return sum_of([product_of([Number(c), *term.factors]) for term, c in self.equations[k]])


def library(columns: np.ndarray, dimensions: Sequence[Dimension] | None, delayed: int = 0) -> list[Term]:
    """Terms that are finite at columns (N, variables), the last ones delayed, and that units allow where given."""
    count = columns.shape[1]
    degree = {1: 5, 2: 4, 3: 4, 4: 3, 5: 3}.get(count, 2)
    terms = []
    for total in range(degree + 1):
        # A monomial of a degree is one of all of that degree, and each degree more is half as probable.
        cost = 2 * math.log(math.comb(count + total - 1, total)) + 1.5 * total
        for chosen in combinations_with_replacement(range(count), total):
            form = monomial([(k, chosen.count(k)) for k in range(count)])
            terms.append(Term(form, cost, "polynomial", total))
    terms += _functions(columns)
    terms += _saturations(columns, delayed)
    if dimensions is not None:
        allow = Dimensions(dimensions).allow
        terms = [term for term in terms if allow(term.form)]
    return [term for term in terms if np.isfinite(term.values(columns)).all()]


def _functions(columns: np.ndarray) -> list[Term]:
    """Elementary functions of one variable, their products with another, and sines of differences."""
    count = columns.shape[1]
    single: dict[int, list[Expression]] = {}
    for k in range(count):
        x = Variable(k)
        values = columns[:, k]
        minus = Multiply((exact_number(-1), x))
        single[k] = [Call("sin", x), Call("cos", x), Call("exp", minus), Call("exp", x), Multiply((x, Call("abs", x)))]
        if np.abs(values).min() > 1e-3 * np.abs(values).max():
            single[k].append(Power(x, -1.0))
        if values.min() > 0:
            single[k] += [Call("log", x), Power(x, 0.5)]
    alone = [form for k in range(count) for form in single[k]]
    found: list[Expression] = []
    if count <= 4:  # more variables have too many pairs
        for k in range(count):
            x = Variable(k)
            found += [Multiply((Call("sin", x), Call("cos", x))), Power(Call("cos", x), 2.0)]
            others = [form for j in range(count) for form in single[j] if form != Power(x, -1.0)]
            found += [product_of([x, *form.multiplicands]) for form in others]
        for j, k in combinations(range(count), 2):
            difference = Add((Variable(j), Multiply((exact_number(-1), Variable(k)))))
            found += [Call("sin", difference), Call("cos", difference)]
            pairs = [(a, b) for a in _smooth_three(single[j]) for b in _smooth_three(single[k])]
            found += [Multiply((a, b)) for a, b in pairs]
    # One of all forms of that length, and each operation as much as two degrees of a monomial
    priced = [(alone, 3.0), (found, 6.0)]
    return [Term(form, 2 * math.log(len(forms)) + length) for forms, length in priced for form in forms]


def _smooth_three(forms: list[Expression]) -> list[Expression]:
    """Sine, cosine and what follows the five functions that are always there."""
    return [*forms[:2], *forms[5:6]]


def _saturations(columns: np.ndarray, delayed: int) -> list[Term]:
    """Saturations, steps, waves and powers with inner constants on coarse grids, where the search for them starts."""
    count = columns.shape[1]
    points = 8 if count < 3 else 4
    forms: list[Expression] = []
    for k in range(count):
        x = Variable(k)
        values = columns[:, k]
        size = float(np.median(np.abs(values))) + 1e-12
        spread = float(np.std(values)) + 1e-12
        grid = size * np.geomspace(0.1, 10, points)
        square = Power(x, 2.0)
        # Saturations of x, alone and times another variable: Michaelis and Menten, Hill, Holling
        ratios: list[Expression] = []
        for g in grid:
            half = Power(Add((Number(g**2), square)), -1.0)
            if values.min() >= 0:
                ratios.append(Multiply((x, Power(Add((Number(g), x)), -1.0))))
            ratios += [Multiply((square, half)), Multiply((x, half))]
        if values.min() > 0:
            for g in grid[points // 4 : -points // 4]:  # x^n / (g^n + x^n)
                falling = Call("exp", Multiply((Number(-3.5), Call("log", x))))
                ratios.append(Power(Add((ONE, Multiply((Number(g**3.5), falling)))), -1.0))
            if k >= count - delayed:  # 1 / (1 + (x / g)^n) and x times it, the productions of Mackey and Glass
                for g in np.quantile(values, (0.1, 0.5, 0.9)):
                    rising = Call("exp", Multiply((Number(3.5), Call("log", Multiply((Number(1 / g), x))))))
                    production = Power(Add((ONE, rising)), -1.0)
                    forms += [production, Multiply((x, production))]
        factors = [Variable(j) for j in range(count) if j != k] if count <= 4 else []
        forms += [*ratios, *(product_of([factor, *ratio.multiplicands]) for factor in factors for ratio in ratios)]
        # Exponentials, logistic steps, waves and powers with free exponents
        forms += [Call("exp", Multiply((Number(rate / size), x))) for rate in (-3, -1, -0.3, 0.3)]
        centres = (values.min() - spread, *np.quantile(values, (0.1, 0.5, 0.9)), values.max() + spread)
        for centre in centres:
            for width in (0.3 * spread, spread):
                slope = Multiply((Number(-1 / width), Add((x, Number(-float(centre))))))
                forms.append(Power(Add((ONE, Call("exp", slope))), -1.0))
        forms += [Call("sin", Multiply((Number(rate / spread), x))) for rate in (0.5, 1.0, 2.0)]
        if values.min() > 0:
            powers = (-0.5, 0.3, 0.7, 1.3, 1.7, 2.5)
            forms += [Call("exp", Multiply((Number(power), Call("log", x)))) for power in powers]
    shapes = {Term(form).shape for form in forms}
    cost = 2 * math.log(max(len(shapes), 10)) + 6
    return [Term(form, cost, "saturation") for form in forms]


def variables_of(law: Law) -> set[int]:
    """The columns that a law depends on."""
    return {index for equation in law.equations for term, _ in equation for index in used_variables(term.form)}
