"""The choice of a law: formulas without what the data do not decide, and the simplest that is as accurate as the best.

Three questions are answered with statistics, one after another.

1. *What does each formula contain that the data do not ask for?* Terms are removed, constants become closed forms, and
   the digits of the others end where their standard errors begin (`evidence`, `edgewise.formulas.constants`).
2. *Which formula describes the rows in the fewest bits?* Constants are fitted to the rows to fit; held-out rows, which
   no constant has seen, count with the errors that this fit makes there. A symbol has a price [3]_: the most accurate
   of hundreds of formulas on few held-out rows is often one that has the luck to fit their noise.
3. *Which shorter ones are as good?* A formula is as good as that one if its squared errors on the held-out rows exceed
   those of the best by no more than one standard error of the mean of their paired differences [1]_, and if all rows
   together do not say otherwise: there Vuong's test [2]_ of non-nested models compares the likelihoods, with Schwarz's
   correction for the number of fitted constants. The second question protects from what few held-out rows cannot see.

The shortest of those is the choice, the others are its alternatives. Finally all constants are fitted to all rows.

References
----------
.. [1] L. Breiman, J. Friedman, R. Olshen, C. Stone, "Classification and Regression Trees" (1984), section 3.4.3: the
   rule of one standard error.
.. [2] Q. Vuong, "Likelihood ratio tests for model selection and non-nested hypotheses", Econometrica 57 (1989),
   sections 5 and 6.
.. [3] J. Rissanen, "Modeling by shortest data description", Automatica 14 (1978).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from edgewise.discovery.curves.assembly import pruned
from edgewise.discovery.curves.residuals import NoiseTest
from edgewise.discovery.evidence import counted_from_origins, decided_form, origins, with_decided_digits
from edgewise.discovery.obedience import obeys
from edgewise.discovery.problem import LawProblem, weighted_variance
from edgewise.errors import InputError
from edgewise.formulas.algebra import shortest_form, simplify, with_merged_roots
from edgewise.formulas.constants import EXACT, FittedExpression, fit_constants, free_places, recognise
from edgewise.formulas.domains import domain_report, domain_violations
from edgewise.formulas.expression import Expression, Number, complexity, evaluate, walk
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import LEAST_DECREASE, SIGNIFICANT_Z, Front, FrontEntry, pareto, price, with_scores
from edgewise.outcomes import NO_LIMIT, Budget
from edgewise.settings import ABOVE_ZERO

# Candidates that are shortened, at most, and the ratio of their held-out error to the smallest: the standard error of
# the mean of 300 squares is 8 %, and parts that are missing may be found by no shortening.
MOST_FINISHED = 8
NEAR_THE_BEST = 2.0
FULL_STEPS = 60  # Levenberg-Marquardt steps of a fit, at most; one that has converged ends sooner.


@dataclass(frozen=True)
class _Candidate:
    """A formula with the constants of the rows to fit, and its squared errors on the held-out rows."""

    expression: Expression
    loss: float
    squares: np.ndarray

    @property
    def symbols(self) -> int:
        return complexity(self.expression)

    @property
    def held(self) -> float:
        """Mean squared error on the held-out rows."""
        return float(np.mean(self.squares))

    @property
    def closed_forms(self) -> int:
        return sum(part.exact is not None for part in walk(self.expression) if isinstance(part, Number))

    def description(self, rows: int, floor: float) -> float:
        """Twice the description length of all rows, up to a constant: the misfit and a price for the symbols.

        Rows to fit count with their errors after the fit, held-out rows with those that no constant has seen.
        """
        held = len(self.squares)
        return price(rows, ((rows - held) * self.loss + held * self.held) / rows, floor, self.symbols)


def decided_front(
    candidates: Iterable[Expression], problem: LawProblem, budget: Budget = NO_LIMIT, messages: Sequence[str] = ()
) -> Front:
    """Choose among the expressions that a search found for a problem."""
    whole = problem.with_all_rows
    mean = Number(float(np.average(problem.y, weights=problem.weights)))
    nodes = dict.fromkeys((mean, *map(simplify, candidates)))
    fitted = (_fitted(node, problem, budget, steps=FULL_STEPS) for node in nodes)
    known = [each for each in fitted if each is not None]
    if problem.options.required:  # a constant has no inputs
        known = [each for each in known if each.expression != mean] or known
    if not known:
        raise InputError("y must be such that some formula is finite on all rows, none was")
    floor = problem.exact_loss
    noise = NoiseTest(problem.x)
    # Those that may be chosen, the most accurate first: the exact ones, or those near the best.
    ordered = sorted(_front(known, floor), key=lambda each: (max(each.held, floor), each.symbols))
    if ordered[0].held <= floor:
        most = floor
    else:
        most = NEAR_THE_BEST * ordered[0].held
    near = [each for each in ordered if each.held <= most][:MOST_FINISHED]
    finished = [_finished(each, problem, noise, budget) for each in near]
    front = _front([*known, *(each for each in finished if each is not None)], floor)
    entries = []
    for candidate in front:
        node, errors = _with_all_data(candidate.expression, whole, budget)
        entry = FrontEntry.from_data(Formula(node, problem.names), whole.x, whole.y, weights=whole.weights)
        entries.append(replace(entry, validation=candidate.held, constant_errors=errors))
    as_good = _as_good(front, entries, whole, floor)
    return Front(
        with_scores(entries, whole.y),
        len(whole.y),
        weighted_variance(whole.y, whole.weights),
        (*messages, *_sentences(entries[as_good[0]], whole, floor)),
        held_out=len(problem.held_y),
        chosen=as_good[0],
        held_out_variance=problem.held_variance,
        as_good=as_good,
    )


def _fitted(node: Expression, problem: LawProblem, budget: Budget, steps: int) -> _Candidate | None:
    """A formula with constants fitted to the rows to fit.

    The result is None if it is not finite or, where it is not exact, if it has a pole between the rows or needs
    arguments that they do not have. An exact formula with a pole is a law: it holds on both sides.
    """
    x = problem.x
    y = problem.y
    fitted = fit_constants(node, x, y, steps=steps, weight=problem.weights, budget=budget)
    if fitted is None:
        return None
    squares = problem.held_squares(fitted.expression)
    is_exact = squares.mean() <= problem.exact_loss
    if not np.isfinite(squares).all() or not (is_exact or not domain_violations(fitted.expression, x)):
        return None
    return _Candidate(fitted.expression, fitted.loss, squares)


def _front(candidates: Sequence[_Candidate], floor: float) -> list[_Candidate]:
    """Candidates on the front of length and held-out error; of equals, the one with the most closed forms."""
    best_of_each_size: list[_Candidate] = []
    ordered = sorted(candidates, key=lambda each: (each.symbols, each.held))
    for _, group in groupby(ordered, key=lambda each: each.symbols):
        first, *others = group
        best = first
        for other in others:
            if is_as_good(other.squares, first.squares, floor) and other.closed_forms > best.closed_forms:
                best = other
        best_of_each_size.append(best)
    return pareto(
        best_of_each_size,
        size=lambda each: each.symbols,
        loss=lambda each: max(each.held, floor),
        least_decrease=LEAST_DECREASE,
    )


def _finished(candidate: _Candidate, problem: LawProblem, noise: NoiseTest, budget: Budget) -> _Candidate | None:
    """A candidate without parts that the rows to fit do not ask for, with constants in closed form.

    The result is None if its terms cancel each other beyond reading, or if the shorter formula does not keep to the
    options of the problem. Constants are recognised only where the formula explains the data up to noise: otherwise
    they make up for what it leaves out, and a closed form would mean nothing.
    """
    x = problem.x
    y = problem.y
    weight = problem.weights
    fitted = FittedExpression(candidate.expression, candidate.loss, ())
    fitted = pruned(fitted, x, y, weight=weight, budget=budget)
    is_exact = fitted.loss <= EXACT.loss(weighted_variance(y, weight))
    if not is_exact:
        form = decided_form(fitted.expression, x, y, weight=weight, budget=budget)
        if form is None:
            return None
        fitted = fit_constants(form, x, y, steps=FULL_STEPS, weight=weight, budget=budget) or fitted
    is_complete = is_exact or noise.passes(y - evaluate(fitted.expression, x), weight)
    for _ in range(2):
        node = shortest_form(fitted.expression, x, budget)
        fitted = fit_constants(node, x, y, steps=FULL_STEPS, weight=weight, budget=budget) or fitted
        if is_complete:
            fitted = recognise(fitted, x, y, weight=weight, budget=budget)
    node = shortest_form(fitted.expression, x, budget)
    before, after = (obeys(each, problem.options, problem.names) for each in (candidate.expression, node))
    if before and not after:  # a required input, say, is a part that the rows do not need
        return None
    return _fitted(node, problem, budget, steps=FULL_STEPS)


def _with_all_data(node: Expression, whole: LawProblem, budget: Budget) -> tuple[Expression, tuple[float, ...]]:
    """A formula with constants fitted to all rows, to the digits that these decide, and the constants' errors."""
    x = whole.x
    y = whole.y
    weight = whole.weights
    fitted = fit_constants(node, x, y, steps=FULL_STEPS, weight=weight, budget=budget)
    if fitted is None:
        return node, ()
    if fitted.loss > EXACT.loss(weighted_variance(y, weight)):
        counted = counted_from_origins(fitted.expression, origins(x))  # years from 1990, say, instead of from 0
        rounded = fit_constants(with_decided_digits(counted, x, y, weight), x, y, steps=0, weight=weight)
        fitted = rounded or fitted
    merged = with_merged_roots(fitted.expression)
    if merged != fitted.expression:  # its constants, and so their errors, may stand in another order
        fitted = fit_constants(merged, x, y, steps=0, weight=weight) or fitted
    return fitted.expression, fitted.errors


def is_as_good(squares: np.ndarray, best: np.ndarray, floor: float = 0.0) -> bool:
    """Compare a formula with the best one by the rule of one standard error, by squared errors (M,) on held-out rows.

    True if the formula is exact, its mean squared error being at most `floor`, or the mean of the paired differences is
    at most its standard error and a sign test does not show that more rows have a larger error: where a few rows make
    most of the errors, means see these alone.
    """
    if squares.mean() <= floor:
        return True
    if best.mean() <= floor:
        return False
    difference = squares - best
    larger = int((difference > 0).sum())
    smaller = int((difference < 0).sum())
    if larger - smaller > SIGNIFICANT_Z * math.sqrt(larger + smaller):
        return False
    if len(difference) > 1:
        spread = float(difference.std(ddof=1))
    else:
        spread = 0.0
    return bool(difference.mean() <= spread / math.sqrt(len(difference)))


def _as_good(
    front: Sequence[_Candidate], entries: Sequence[FrontEntry], whole: LawProblem, floor: float
) -> tuple[int, ...]:
    """Places of the entry with the shortest description and of the others that are as good, the shortest first.

    An entry must be as good on the held-out rows, and Vuong's statistic on all rows must not be significant at 5 %.
    """
    best = min(range(len(front)), key=lambda place: (front[place].description(len(whole.y), floor), place))
    if whole.weights is None:
        share = 1.0
    else:
        share = whole.weights / whole.weights.mean()
    squares = [share * (evaluate(entry.formula.expression, whole.x) - whole.y) ** 2 for entry in entries]
    constants = [len(free_places(entry.formula.expression)) for entry in entries]
    rows = len(whole.y)
    price = max(float(squares[best].mean()), ABOVE_ZERO) * math.log(rows) / rows  # Schwarz's, of one constant
    places = []
    for place, candidate in enumerate(front):
        difference = squares[place] - squares[best]
        excess = float(difference.mean()) - price * (constants[best] - constants[place])
        is_close = place == best or excess <= SIGNIFICANT_Z * float(difference.std()) / math.sqrt(rows)
        if is_as_good(candidate.squares, front[best].squares, floor) and (is_close or candidate.held <= floor):
            places.append(place)
    return tuple(sorted(places, key=lambda place: (entries[place].complexity, place)))


def _sentences(best: FrontEntry, whole: LawProblem, floor: float) -> Iterator[str]:
    """Sentences on the choice: if it is exact, or leaves only noise, and where it is undefined."""
    residuals = whole.y - evaluate(best.formula.expression, whole.x)
    if best.validation <= floor:
        yield "The best formula is exact to rounding."
    elif NoiseTest(whole.x).passes(residuals, whole.weights):
        yield "The residuals of the best formula look like noise."
    else:
        yield "No exact formula was found; these are nearest."
    yield from (text for text in domain_report(best.formula, whole.x) if ", but " in text or text.startswith("Up to"))
