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
Where the choice is long and leaves more than noise, and a smooth model predicts as well as it and better than every
short formula, there is no short law: the front has a sentence about it, and the choice is among the short formulas.

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
from functools import cached_property
from itertools import groupby

import numpy as np

from edgewise.discovery.curves.assembly import pruned
from edgewise.discovery.curves.residuals import NoiseTest
from edgewise.discovery.evidence import (
    counted_from_origins,
    decided_form,
    determines_slopes,
    origins,
    with_decided_digits,
)
from edgewise.discovery.losses import Box, Candidate, decided, front_of, is_as_good, some
from edgewise.discovery.obedience import obeys
from edgewise.discovery.problem import LawProblem, weighted_variance
from edgewise.discovery.reduction.steps import Step, first_step
from edgewise.formulas.constants import (
    EXACT,
    FittedExpression,
    errors_of,
    fit_constants,
    free_places,
    recognise,
)
from edgewise.formulas.domains import domain_report
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Power,
    Variable,
    evaluate,
    replaced,
    used_variables,
    walk,
)
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import SIGNIFICANT_Z, Front, FrontEntry, price
from edgewise.formulas.rewriting import (
    in_usual_form,
    shortest_form,
    simplify,
    split_number,
    with_free_exponents,
    with_leading_plus,
    with_merged_roots,
)
from edgewise.metrics import r_squared
from edgewise.outcomes import Budget
from edgewise.presentation import counted, enumeration, percent_text
from edgewise.search.jobs import one_blas_thread
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class DecisionSettings:
    """How many candidates are shortened and compared."""

    # Candidates that are shortened, at most, and the ratio of their held-out error to the smallest: the standard error
    # of the mean of 300 squares is 8 %, and parts that are missing may be found by no shortening.
    most_finished: int = 8
    near_the_best: float = 2.0
    # Mean squared difference of two formulas over their mean squared error, up to which they are one law in two forms.
    same_values: float = 1e-3
    most_short: int = 20  # Symbols of a formula that people read as a law, at most.
    most_rivals: int = 3  # Other forms that are compared with the choice, at most.
    # Powers in front of an exponential that are compared with that of the choice: those of Saha, Richardson, Arrhenius.
    powers_in_front: tuple[float, ...] = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0)
    full_steps: int = 60  # Levenberg-Marquardt steps of a fit, at most; one that has converged ends sooner.


SETTINGS = DecisionSettings()


Squared = Candidate[FittedExpression]


def decided_front(
    candidates: Iterable[Expression], problem: LawProblem, budget: Budget | None = None, messages: Sequence[str] = ()
) -> Front:
    """Choose among the expressions that a search found for a problem, by squared errors."""
    budget = budget or Budget()
    loss = SquaredLoss(problem, budget)
    mean = Number(float(np.average(problem.y, weights=problem.weights)))
    nodes = dict.fromkeys((mean, *map(simplify, candidates)))
    known = some([each for each in map(loss.judged, nodes) if each is not None])
    if problem.options.required:  # a constant has no inputs
        known = [each for each in known if each.expression != mean] or known
    # Candidates of the choice, the most accurate first: the exact formulas, or the formulas near the best.
    front = front_of(_best_of_each_size(known, loss.exact), loss.exact)
    ordered = sorted(front, key=lambda each: (max(each.held, loss.exact), each.symbols))
    most = SETTINGS.near_the_best * ordered[0].held
    if ordered[0].held <= loss.exact:
        most = loss.exact
    near = [each for each in ordered if each.held <= most][: SETTINGS.most_finished]
    # Their forms without what the rows do not ask for; the longer forms stay beside these.
    noise = NoiseTest(problem.x)
    finished = [_finished(each, loss, noise) for each in near]
    known += [each for each in finished if each is not None]
    decision = decided(_best_of_each_size(known, loss.exact), loss, messages)
    return replace(decision, messages=(*decision.messages, *_level_forms(decision.best, known, loss)))


def _level_forms(choice: FrontEntry, known: Sequence[Squared], loss: SquaredLoss) -> Iterator[str]:
    """A sentence on forms of other values, as short as the choice, that the rows cannot tell from it."""
    chosen = loss.judged(choice.formula.expression)
    if chosen is None or chosen.held <= loss.exact:
        return
    problem = loss.problem
    x = problem.held_x
    values = evaluate(chosen.expression, x)
    # Formulas of another form, no longer than the choice, whose values differ from its values by more than a small
    # share of its error.
    rivals: list[Squared] = []
    forms = {_form(chosen.expression)}
    for each in sorted(known, key=lambda candidate: candidate.held):
        difference = float(np.mean((evaluate(each.expression, x) - values) ** 2))
        is_rival = each.symbols <= chosen.symbols and difference > SETTINGS.same_values * chosen.held
        if is_rival and _form(each.expression) not in forms:
            forms.add(_form(each.expression))
            rivals.append(each)

    def level(others: Sequence[Squared]) -> list[str]:
        """The first few of some candidates, as far as the rows cannot tell them from the choice."""
        pairs = [(each, loss.entry(each)) for each in others[: SETTINGS.most_rivals]]
        return [str(entry.formula) for each, entry in pairs if len(loss.as_good([chosen, each], [choice, entry])) == 2]

    as_short = level(rivals)
    if as_short:
        yield f"As short and, on these rows, as good as the choice: {enumeration(as_short)}."
        return
    # An exponential whose factor makes up for a power in front, as in Saha's law over a few thousand kelvin
    forms_in_front = _with_powers_in_front(chosen.expression, problem.x, problem.y)
    allowed = [node for node in forms_in_front if obeys(node, problem.options, problem.names)]
    others = [each for each in map(loss.judged, allowed) if each is not None]
    with_powers = level(sorted(others, key=lambda each: each.held))
    if with_powers:
        yield (
            "As good as the choice on these rows, where a power in front and the factor in the exponential make up for "
            f"each other: {enumeration(with_powers)}."
        )


def _with_powers_in_front(node: Expression, x: np.ndarray, y: np.ndarray) -> Iterator[Expression]:
    """The formula with a power of u in front of exp(c u) or exp(c/u), u an input, for each of some powers."""
    for part in walk(node):
        match part:
            case Call("exp", argument):
                factor, inner = split_number(argument)
            case _:
                continue
        match inner:
            case (Variable(column) as base) | Power(Variable(column) as base, _) if x[:, column].min() > 0:
                # Where the target is large, value and slope stay as they are: c u^k and p log u make up for each other,
                # and a fit that starts elsewhere does not end in this valley.
                _, exponent = inner.base_and_exponent
                middle = math.exp(np.average(np.log(x[:, column]), weights=y**2))
                for power in SETTINGS.powers_in_front:
                    inside = Multiply((Number(factor.value - power / (exponent * middle**exponent)), inner))
                    same = Number(math.exp(power / exponent) * middle**-power)
                    yield simplify(replaced(node, part, Multiply((same, Power(base, power), Call("exp", inside)))))


def _form(node: Expression) -> str:
    """A text that is equal for formulas that differ only in constants and in the order of terms and factors."""
    parts = sorted(form for form in map(_form, node.parts) if form)
    match node:
        case Number():
            return ""
        case Variable(index):
            return f"x{index}"
        case Power(_, exponent):
            return f"power {exponent:.1f}({parts})"
        case Call(name):
            return f"{name}({parts})"
        case Add() | Multiply() if len(parts) == 1:  # a constant more is no other form
            return parts[0]
    return f"{type(node).__name__}({parts})"


def _best_of_each_size(candidates: Iterable[Squared], floor: float) -> list[Squared]:
    """The candidate of each size with the most closed forms among those as good as the most accurate one."""
    kept: list[Squared] = []
    ordered = sorted(candidates, key=lambda each: (each.symbols, each.held))
    for _, group in groupby(ordered, key=lambda each: each.symbols):
        first, *others = group
        best = first
        for other in others:
            if is_as_good(other.losses, first.losses, floor) and other.closed_forms > best.closed_forms:
                best = other
        kept.append(best)
    return kept


class SquaredLoss:
    """Squared errors; a `Loss`."""

    name = "squared error"

    def __init__(self, problem: LawProblem, budget: Budget | None = None):
        budget = budget or Budget()
        self.problem = problem
        self.budget = budget
        self.exact = problem.exact_loss
        self.whole = problem.with_all_rows
        self.box = Box.of(problem.x)

    def judged(self, node: Expression) -> Squared | None:
        """A formula with constants fitted to the rows to fit; None if it is not finite, or its slopes undetermined."""
        problem = self.problem
        fitted = self.fitted(node, problem)
        if fitted is None:
            return None
        squares = problem.held_squares(fitted.expression)
        variance = max(float(np.mean(squares)), self.exact)
        if not determines_slopes(fitted.expression, problem.x, problem.y, variance, problem.weights):
            return None
        return Candidate.of(fitted.expression, fitted, squares, self.box, self.exact)

    def fitted(self, node: Expression, problem: LawProblem) -> FittedExpression | None:
        """A formula with constants fitted to the rows to fit of a problem; None if it is not finite there."""
        return fit_constants(
            node, problem.x, problem.y, steps=SETTINGS.full_steps, weight=problem.weights, budget=self.budget
        )

    def entry(self, candidate: Squared) -> FrontEntry:
        """The formula with constants fitted to all rows, to the digits that these decide."""
        whole = self.whole
        x = whole.x
        y = whole.y
        weight = whole.weights
        fitted = self.fitted(candidate.expression, whole)
        # Constants from all rows. With noise they lose the digits that the rows do not decide, and exponents become
        # free; columns far from zero are counted from a round number.
        node = candidate.expression if fitted is None else fitted.expression
        if fitted is not None and fitted.loss > EXACT.loss(weighted_variance(y, weight)):
            node = counted_from_origins(node, origins(x))  # years from 1990, say, instead of from 0
            free = with_free_exponents(node, x)
            if free != node:
                fitted = self.fitted(free, whole)
                free = node if fitted is None else fitted.expression
            rounded = simplify(in_usual_form(with_decided_digits(free, x, y, weight)))
            node = rounded if np.isfinite(evaluate(rounded, x)).all() else node
        # The form that people write, and standard errors of its constants.
        node = with_leading_plus(with_merged_roots(node))
        errors, exponent_errors = errors_of(node, x, y, weight)
        entry = FrontEntry.from_data(Formula(node, whole.names), x, y, weights=weight)
        return replace(entry, validation=candidate.held, constant_errors=errors, exponent_errors=exponent_errors)

    def description(self, candidate: Squared) -> float:
        """Twice the description length of all rows, up to a constant: the misfit and a price for the symbols."""
        # Rows to fit count with their errors after the fit, held-out rows with errors that no constant was fitted to.
        rows = len(self.whole.y)
        held = len(candidate.losses)
        misfit = ((rows - held) * candidate.fit.loss + held * candidate.held) / rows
        return price(rows, misfit, self.exact, candidate.symbols)

    def as_good(self, front: Sequence[Squared], entries: Sequence[FrontEntry]) -> tuple[int, ...]:
        """Places of the entry with the shortest description and of the others that are as good, the shortest first."""
        # Where a long one leaves more than noise, and a smooth model predicts as well as it and better than every short
        # one, the choice is among the short ones of the inputs.
        places = self._as_good(front, entries)
        choice = entries[places[0]]
        short = [
            place
            for place, entry in enumerate(entries)
            if entry.complexity <= SETTINGS.most_short and used_variables(entry.formula.expression)
        ]
        if choice.complexity <= SETTINGS.most_short or not short:
            return places
        if choice.validation <= self.exact or self._leaves_noise(choice) or not self._shortfall(entries):
            return places
        squares = self.problem.held_squares(choice.formula.expression)
        if not is_as_good(self._squares_of_smooth(len(squares)), squares):
            return places
        among = self._as_good([front[place] for place in short], [entries[place] for place in short])
        return tuple(short[place] for place in among)

    def _as_good(self, front: Sequence[Squared], entries: Sequence[FrontEntry]) -> tuple[int, ...]:
        """An entry is as good on the held-out rows, and Vuong's statistic on all rows is not significant at 5 %."""
        whole = self.whole
        best = min(range(len(front)), key=lambda place: (self.description(front[place]), place))
        share = whole.weights / whole.weights.mean()
        squares = [share * (evaluate(entry.formula.expression, whole.x) - whole.y) ** 2 for entry in entries]
        constants = [len(free_places(entry.formula.expression)) for entry in entries]
        rows = len(whole.y)
        price = max(float(squares[best].mean()), ABOVE_ZERO) * math.log(rows) / rows  # Schwarz's price of a constant
        # Vuong's test of the paired differences on all rows, with the correction for the numbers of constants, beside
        # the rule of one standard error on the held-out rows.
        places = []
        for place, candidate in enumerate(front):
            difference = squares[place] - squares[best]
            excess = float(difference.mean()) - price * (constants[best] - constants[place])
            is_close = place == best or excess <= SIGNIFICANT_Z * float(difference.std()) / math.sqrt(rows)
            is_exact = candidate.held <= self.exact
            if is_as_good(candidate.losses, front[best].losses, self.exact) and (is_close or is_exact):
                places.append(place)
        return tuple(sorted(places, key=lambda place: (entries[place].complexity, place)))

    def of_constant(self) -> tuple[float, float]:
        """Variances of the target."""
        return weighted_variance(self.whole.y, self.whole.weights), self.problem.held_variance

    def sentences(self, entries: Sequence[FrontEntry], choice: FrontEntry) -> Iterator[str]:
        """Whether the choice is exact, or leaves only noise or much of what can be explained; where it is undefined."""
        whole = self.whole
        if choice.validation <= self.exact:
            yield "The best formula is exact to rounding."
        elif not used_variables(choice.formula.expression):
            nothing = "No formula of the inputs was found that is more accurate than a constant."
            yield self._shortfall(entries) or nothing
        elif self._leaves_noise(choice):
            yield "The residuals of the best formula look like noise."
        else:
            yield self._shortfall(entries) or "No exact formula was found; these are nearest."
        yield from (
            each for each in domain_report(choice.formula, whole.x) if ", but " in each or each.startswith("Up to")
        )

    def _leaves_noise(self, choice: FrontEntry) -> bool:
        """True if nothing but noise is left of the target."""
        residuals = self.whole.y - evaluate(choice.formula.expression, self.whole.x)
        return NoiseTest(self.whole.x).passes(residuals, self.whole.weights)

    @cached_property
    def _smooth(self) -> Step | None:
        """The problem with a smooth model of all inputs; None where it cannot be modelled or no time is left."""
        if self.budget.past_deadline:
            return None
        with one_blas_thread():
            return first_step(self.problem)

    def _squares_of_smooth(self, rows: int) -> np.ndarray:
        """Squared errors of the smooth model at the held-out rows, with their weights."""
        assert self._smooth is not None
        return self._smooth.squares[-rows:] * self.problem.held_share

    def _shortfall(self, entries: Sequence[FrontEntry]) -> str:
        """A sentence if a smooth model of all inputs predicts held-out rows better than every short formula, or ""."""
        problem = self.problem
        short = [entry for entry in entries if entry.complexity <= SETTINGS.most_short]
        if self._smooth is None or not short:
            return ""
        best = min(short, key=lambda entry: entry.validation)
        squares = problem.held_squares(best.formula.expression)
        of_smooth = self._squares_of_smooth(len(squares))
        # Shares of the variance explained on held-out rows, compared by a paired test.
        explained = [float(r_squared(float(each.mean()), problem.held_variance)) for each in (squares, of_smooth)]
        if explained[1] <= 0 or is_as_good(squares, of_smooth):
            return ""
        share = percent_text(max(explained[0], 0.0) / explained[1])
        return (
            f"No short law was found: the best of {counted(best.complexity, 'symbol')} explains {share} of what a "
            "smooth model of all inputs explains on held-out rows."
        )


def _finished(candidate: Squared, loss: SquaredLoss, noise: NoiseTest) -> Squared | None:
    """A candidate without parts that the rows to fit do not ask for, with constants in closed form.

    None if its terms cancel each other beyond reading, or if the shorter formula breaks the options of the problem.
    """
    # Constants are recognised only where the formula explains the data up to noise: otherwise they make up for what it
    # leaves out, and a closed form would mean nothing.
    problem = loss.problem
    budget = loss.budget
    x = problem.x
    y = problem.y
    weight = problem.weights
    # Backward elimination of terms, factors and functions.
    fitted = FittedExpression(candidate.expression, candidate.fit.loss, ())
    fitted = pruned(fitted, x, y, weight=weight, budget=budget)
    is_exact = fitted.loss <= EXACT.loss(weighted_variance(y, weight))
    if not is_exact:
        form = decided_form(fitted.expression, x, y, weight=weight, budget=budget)
        if form is None:
            return None
        fitted = loss.fitted(form, problem) or fitted
    # Constants in closed form, where nothing but noise is left; each may make a shorter form possible.
    is_complete = is_exact or noise.passes(y - evaluate(fitted.expression, x), weight)
    for _ in range(2):
        node = shortest_form(fitted.expression, x, budget)
        fitted = loss.fitted(node, problem) or fitted
        if is_complete:
            fitted = recognise(fitted, x, y, weight=weight, budget=budget)
    node = shortest_form(fitted.expression, x, budget)
    before, after = (obeys(each, problem.options, problem.names) for each in (candidate.expression, node))
    if before and not after:  # a required input, say, is a part that the rows do not need
        return None
    return loss.judged(node)
