"""Third stage of the formula search: short expressions are enumerated, and pairs of them are matched with the target.

All expressions up to a size are made bottom-up (`pool`), and sorted lists find those of which the target,
or a link of it, is a combination with fitted factors (`matches`). The stage goes through pools of growing
size and ends with the first in which a law is exact.

References
----------
.. [1] D. Bartlett, H. Desmond, P. Ferreira, "Exhaustive symbolic regression", IEEE Transactions on Evolutionary
   Computation 28 (2024): all expressions up to a size, of equal ones one.
.. [2] L. Kammerer et al., "Symbolic regression by exhaustive search", Genetic Programming Theory and Practice XVII
   (2020): enumeration that recognises equal expressions by a hash.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.discovery.enumeration.matches import (
    Directions,
    Match,
    ratios,
    singles,
    sums,
)
from edgewise.discovery.enumeration.pool import Pool
from edgewise.discovery.enumeration.ranking import ranked
from edgewise.discovery.enumeration.targets import Target, link_targets, scaled_targets
from edgewise.discovery.least_squares.laws import polynomial_columns
from edgewise.discovery.least_squares.sparse import factors_of
from edgewise.discovery.obedience import obeys
from edgewise.discovery.problem import LawProblem
from edgewise.formulas.constants import closed_forms
from edgewise.formulas.expression import (
    Expression,
    Multiply,
    Number,
    Power,
    complexity,
    evaluate,
    exact_number,
    sum_of,
    value_of,
)
from edgewise.formulas.rewriting import simplify
from edgewise.outcomes import Budget


@dataclass(frozen=True)
class EnumerationSettings:
    """Sizes of the pools of expressions, and how many of them are paired."""

    # Rows at which expressions are compared: more than the constants and known functions of any match by 25.
    pool_rows: int = 40
    # Expressions of the pools, one after the other: the first takes 0.1 s, the last some 5 s and 450 MB.
    tiers: tuple[int, ...] = (2_000, 20_000, 150_000, 400_000)
    quick_pool: int = 20_000  # Expressions of `short_laws`: pool and matches take 0.2 s together.
    # Pools that are looked through before the nearest expressions are ranked and curves with inner constants fitted,
    # which takes some 5 s. With noise there is none: no law is exact.
    tiers_before_ranking: int = 2
    most_for_joins: int = 200_000  # Expressions up to which all forms are looked at; beyond it only sums.
    # Factors h of targets y / h and y h: at most, and their number times that of all expressions; some seconds.
    law_factors: int = 60
    law_factors_times_all: int = 1_200_000
    # Known functions: all monomials to this degree, as long as there are so few.
    known_degree: int = 3
    most_known: int = 10
    most_yielded: int = 50  # Laws of a group, the shortest ones: longer ones are the same law written in other ways.
    most_rows: int = 2000  # Rows that confirm a match: a wrong match fails at a few.
    negligible: float = 1e-9  # Share of the target below which a term is rounding error.
    short_digits: int = 4  # A decimal number with so few digits counts as one that people write.


SETTINGS = EnumerationSettings()


def enumerated(problem: LawProblem, budget: Budget) -> Iterator[Expression]:
    """Short expressions that are exact, the shortest first, or else the expressions nearest to the target."""
    # A pool holds at most 400,000 expressions with their values at 40 rows: 160 MB, as much again for their directions,
    # and at most 450 MB with all that is needed in between. A sum of terms with all monomials of a low degree
    # approximates any smooth function of one input, so such a match counts only if all its factors are numbers that
    # people write.
    x, y, weights = problem.random_rows(SETTINGS.most_rows, stream=0)
    if len(y) < 3 or not x.shape[1] or np.ptp(y) == 0:
        return
    pool = Pool(x[: SETTINGS.pool_rows], problem.options, SETTINGS.tiers[-1], problem.seed)
    fitter = _Fitter(problem, x, y, pool)
    before = 0 if problem.noise > 0 else SETTINGS.tiers_before_ranking
    # Pools of growing size: exact matches first, then, once the small pools have none, the nearest expressions. With
    # noise no match is exact, and the ranking is all.
    for number, most in enumerate(SETTINGS.tiers):
        if number == before:
            for best in ranked(problem, x, y, weights / weights.mean(), budget):
                yield from best
                if any(fitter.is_exact(expression) for expression in best):
                    return
            if problem.noise > 0:
                return
        budget.report(f"{most:,} expressions")
        pool.grow(most, budget)
        laws = fitter.laws(_groups_of_matches(problem, pool, x, y, budget), budget)
        yield from laws
        if laws or budget.is_over or (pool.is_complete and number >= before):
            return


def short_laws(problem: LawProblem, budget: Budget) -> Iterator[Expression]:
    """Yield exact laws that are sums of two of the shortest expressions under a link of the target; a `Stage`."""
    # It is the part of `enumerated` that takes the least time: sorted lists compare all pairs of 20,000 expressions
    # with all links of the target in a tenth of a second. The shortest laws come first.
    x, y, _ = problem.random_rows(SETTINGS.most_rows, stream=0)
    if len(y) < 3 or not x.shape[1] or np.ptp(y) == 0 or problem.noise > 0:  # noise hides exact laws
        return
    pool = Pool(x[: SETTINGS.pool_rows], problem.options, SETTINGS.quick_pool, problem.seed)
    pool.grow(SETTINGS.quick_pool, budget)
    yield from _Fitter(problem, x, y, pool).laws(_sums_of_two(problem, pool, y, budget), budget)


Matches = Iterator[tuple[Target, Match]]
Form = Callable[[np.ndarray], Iterable[Match]]


def _matched(pool: Pool, targets: Iterable[Target], forms: Sequence[Form], budget: Budget) -> Matches:
    """The matches of all targets, in all forms."""
    for target, form in itertools.product(targets, forms):
        if budget.is_over:
            return
        with np.errstate(all="ignore"):
            yield from [(target, match) for match in form(target.z[pool.rows])]


def _linear(directions: Directions, with_known: bool) -> tuple[Form, Form]:
    """The forms a f + c and a f + b g + c, where c is what the directions leave out."""
    return (lambda z: singles(directions, z, with_known), lambda z: sums(directions, z, with_known))


def _sums_of_two(problem: LawProblem, pool: Pool, y: np.ndarray, budget: Budget) -> Iterator[Matches]:
    """Matches of sums of two expressions and a constant, then of two expressions and the known functions."""
    targets = link_targets(y, problem.options)
    ones = np.ones((len(pool.x), 1))
    yield _matched(pool, targets, _linear(Directions(pool, ones, budget), False), budget)
    known_values = np.column_stack([evaluate(term, pool.x) for term in known_functions(pool.inputs)])
    if known_values.shape[1] < len(pool.x) // 2:
        yield _matched(pool, targets, _linear(Directions(pool, known_values, budget), True), budget)


def _groups_of_matches(
    problem: LawProblem, pool: Pool, x: np.ndarray, y: np.ndarray, budget: Budget
) -> Iterator[Matches]:
    """All matches in a pool, in groups: a law of a group ends the search, so the groups with short laws are first."""
    yield from _sums_of_two(problem, pool, y, budget)
    if pool.count > SETTINGS.most_for_joins:
        return
    targets = link_targets(y, problem.options)
    yield _matched(pool, targets, [lambda z: ratios(pool, z, budget)], budget)
    # Laws with a factor among the shortest expressions
    constant = Directions(pool, np.ones((len(pool.x), 1)), budget)
    count = min(SETTINGS.law_factors, SETTINGS.law_factors_times_all // pool.count)
    factors = [pool.expression(int(k)) for k in constant.places[:count]]
    yield _matched(pool, scaled_targets(y, x, factors, problem.options), _linear(constant, False), budget)


def known_functions(inputs: int) -> list[Expression]:
    """All monomials of a low degree, the constant first, as long as there are at most `most_known` of them."""
    degrees = range(SETTINGS.known_degree + 1)
    return polynomial_columns(inputs, max(d for d in degrees if math.comb(inputs + d, d) <= SETTINGS.most_known))


class _Fitter:
    """Fits the factors of matches at all rows, and keeps the exact ones."""

    def __init__(self, problem: LawProblem, x: np.ndarray, y: np.ndarray, pool: Pool):
        self.problem = problem
        self.x = x
        self.y = y
        self.pool = pool
        self.allowed = problem.accepted_error * float(np.std(y))
        self.known = known_functions(x.shape[1])

    def laws(self, groups: Iterator[Matches], budget: Budget) -> list[Expression]:
        """The exact laws of the first group that has some, the shortest first."""
        for matches in groups:
            found: dict[Expression, int] = {}
            for target, match in matches:
                expression = self.fitted(target, match)
                if expression is not None and obeys(expression, self.problem.options, self.problem.names):
                    found[expression] = complexity(expression)
            if found:
                return sorted(found, key=found.__getitem__)[: SETTINGS.most_yielded]
            if budget.is_over:
                break
        return []

    def fitted(self, target: Target, match: Match) -> Expression | None:
        """The law of a match with fitted factors; None if it is not exact."""
        # Terms of the numerator: expressions, then a constant or the known functions.
        above = [self.pool.expression(place) for place in match.above]
        above += self.known if match.with_known else [exact_number(1)]
        below = [self.pool.expression(place) for place in match.below]
        with np.errstate(all="ignore"):
            columns = [evaluate(term, self.x) for term in above]
            goal = target.z
            if below:  # z (g + d) = a f + b, with the terms d z on the right.
                goal = target.z * evaluate(below[0], self.x)
                columns.append(-target.z)
            # Linear least squares at all rows. Numbers that people write are tried first; other decimals may stand only
            # without the known functions, with which they approximate anything smooth.
            numbers = _least_squares(np.column_stack(columns), goal)
            if numbers is None:
                return None
            law = self._law(target, above, below, _as_written(numbers))
            if law is None and not match.with_known:
                law = self._law(target, above, below, numbers)
            return law

    def _law(
        self,
        target: Target,
        above: Sequence[Expression],
        below: Sequence[Expression],
        numbers: Sequence[Number],
    ) -> Expression | None:
        """The law with these numbers in front of the terms, if it is exact."""
        terms = [_term(number, part) for number, part in zip(numbers, above, strict=False) if number.value]
        if not terms:
            return None
        whole = sum_of(terms)
        if below:
            shift = [number for number in numbers[-1:] if number.value]
            whole = Multiply((whole, Power(sum_of([below[0], *shift]), -1.0)))
        law = target.build(whole)
        return next((form for form in (simplify(law), law) if self.is_exact(form)), None)

    def is_exact(self, law: Expression) -> bool:
        """True if a law reproduces all rows up to rounding."""
        errors = evaluate(law, self.x) - self.y
        return bool(np.isfinite(errors).all() and np.sqrt(np.mean(errors**2)) <= self.allowed)


def _term(number: Number, part: Expression) -> Expression:
    """A number times a term, without a factor of 1."""
    if number.value == 1:
        return part
    if part == exact_number(1):
        return number
    return Multiply((number, part))


def _least_squares(columns: np.ndarray, goal: np.ndarray) -> list[Number] | None:
    """Factors of the columns, those of negligible columns 0; None if a value is not finite."""
    numbers = factors_of(columns, goal)
    if numbers is None:
        return None
    kept = np.abs(numbers) * np.linalg.norm(columns, axis=0) > SETTINGS.negligible * np.linalg.norm(goal)
    if not kept.all() and kept.any():
        numbers = np.zeros(len(numbers))
        numbers[kept] = factors_of(columns[:, kept], goal)
    return [Number(float(value)) for value in numbers]


def _as_written(numbers: Sequence[Number]) -> list[Number]:
    """The numbers in the form that people write, closed forms and short decimals; none if one has no such form."""
    written = []
    for number in numbers:
        reach = 1e-7 * abs(number.value)
        if number.value:
            form = next(closed_forms(number.value, reach), None)
        else:
            form = (0, 1, "")
        short = float(f"{number.value:.{SETTINGS.short_digits}g}")
        # A closed form such as pi / 2, else a decimal number of few digits.
        if form is not None:
            written.append(Number(value_of(form), form))
        elif abs(short - number.value) <= reach:
            written.append(Number(short))
        else:
            return []
    return written
