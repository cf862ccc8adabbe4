"""The archive of a formula search: every expression that a stage yields is refitted, judged and kept if it is good."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from edgewise.discovery.curves.residuals import NoiseTest
from edgewise.discovery.evidence import determines_slopes
from edgewise.discovery.losses import is_as_good
from edgewise.discovery.obedience import obeys
from edgewise.discovery.problem import LawProblem
from edgewise.formulas.constants import EXACT, fit_constants, free_places, recognise
from edgewise.formulas.domains import domain_violations
from edgewise.formulas.expression import Expression, complexity, evaluate, numbers_of, with_constants
from edgewise.formulas.front import pareto
from edgewise.formulas.rewriting import (
    expanded,
    in_usual_form,
    shortest_form,
    simplify,
    with_completed_squares,
    with_double_angles,
    with_joined_waves,
)
from edgewise.outcomes import Budget
from edgewise.presentation import percent_text
from edgewise.settings import ABOVE_ZERO, WORK_A_SECOND


@dataclass(frozen=True)
class ArchiveSettings:
    """What is fitted and kept."""

    kept_a_size: int = 3  # expressions of one size: the decision needs some variety
    quick_rows: int = 400  # of a first fit, at most: enough for as many constants as readable formulas have
    quick_steps: int = 8  # Levenberg-Marquardt steps of a first fit
    full_steps: int = 60  # of one that is worth finishing
    # Error over that of the best expression that is no longer, beyond which no constants are fitted: the links of least
    # squares weigh errors differently, which costs less than this factor.
    hopeless: float = 30.0
    worth_finishing: float = 2.0  # the same ratio after the quick fit, up to which constants are fitted to the end
    # An exact expression with more free constants than this must be more accurate, by a factor of ten for each, down to
    # the rounding of sums: series of many terms approximate any smooth function to nine digits.
    convincing_constants: int = 3
    most_shortening: float = WORK_A_SECOND  # work of the shortest forms of one expression
    # A formula of at most as many symbols that leaves at most this share of the deviation of y, and residuals like
    # noise, is complete: only a shorter one with the same values is still looked for.
    complete_symbols: int = 20
    largest_noise: float = 0.25


SETTINGS = ArchiveSettings()


@dataclass(frozen=True)
class Judged:
    """An expression with its errors."""

    expression: Expression  # its constants are fitted
    loss: float  # mean squared errors on the rows to fit and on the held-out rows
    held: float
    error: float  # root mean square error on the held-out rows over the standard deviation of y there
    symbols: int  # length, see `complexity`
    source: str  # the stage that yielded it

    @property
    def is_exact(self) -> bool:
        """True if it reproduces the held-out rows to rounding, see `Exactness`."""
        return self.error < EXACT.error

    @property
    def is_convincing(self) -> bool:
        """True if it is exact, and more accurate than a series of as many terms is for any smooth function."""
        if not self.is_exact:
            return False
        extra = max(0, len(free_places(self.expression)) - SETTINGS.convincing_constants)
        return self.error < max(EXACT.error * 10.0**-extra, EXACT.summation_error)


@dataclass
class Archive:
    """The best expressions of each length, judged on the held-out rows of one problem."""

    problem: LawProblem
    budget: Budget = field(default_factory=Budget)  # once it is over, no constants are fitted
    tally: Counter[str] = field(default_factory=Counter)  # how many expressions each stage yielded
    by_size: dict[int, list[Judged]] = field(default_factory=dict)
    too_long: Judged | None = None  # the most accurate one that only its size keeps out

    def __post_init__(self) -> None:
        self._seen: set[Expression] = set()
        rows = len(self.problem.y)
        step = max(1, rows // SETTINGS.quick_rows)
        self._some = np.arange(0, rows, step) if step > 1 else None
        self._spread = max(math.sqrt(self.problem.held_variance), ABOVE_ZERO)
        self._noise = NoiseTest(self.problem.x)

    def __iter__(self) -> Iterator[Judged]:
        for symbols in sorted(self.by_size):
            yield from self.by_size[symbols]

    @property
    def front(self) -> list[Judged]:
        """The Pareto front: expressions with a smaller held-out error than all shorter ones."""
        return pareto(self, size=lambda judged: judged.symbols, loss=lambda judged: judged.held)

    @property
    def best(self) -> Judged | None:
        """The most accurate one on the held-out rows; None without any."""
        return min(self, key=lambda judged: judged.held, default=None)

    @property
    def candidates(self) -> list[Expression]:
        """All kept expressions that are no less accurate on the held-out rows than their mean."""
        return [judged.expression for judged in self if judged.error <= 1.0]

    @property
    def solved(self) -> Judged | None:
        """The shortest convincing expression, or None."""
        goal = self.problem.accepted_error
        accurate = (j for j in self if j.is_convincing or (goal > EXACT.error and j.error < goal))
        return next(accurate, None)

    @property
    def messages(self) -> list[str]:
        """A sentence on a longer formula than the options allow, where it is more accurate than all that are kept."""
        best = self.best
        longer = self.too_long
        if best is None or longer is None:
            return []
        problem = self.problem
        squares = problem.held_squares(best.expression)
        if is_as_good(squares, problem.held_squares(longer.expression), problem.exact_loss):
            return []
        return [
            f"A formula of {longer.symbols} symbols is more accurate, its error is {percent_text(longer.error)} of the "
            f"standard deviation and not {percent_text(best.error)}: max_size={problem.options.max_size} left it out."
        ]

    @property
    def leaves_noise(self) -> bool:
        """True if a short formula that is not exact leaves nothing but noise."""
        short = [judged for judged in self if judged.symbols <= SETTINGS.complete_symbols and not judged.is_exact]
        best = min(short, key=lambda judged: judged.held, default=None)
        if best is None or best.error >= SETTINGS.largest_noise:
            return False
        problem = self.problem
        return self._noise.passes(problem.y - evaluate(best.expression, problem.x), problem.weights)

    def judge(self, expression: Expression, source: str) -> Judged | None:
        """Fit the constants of an expression, judge it on the held-out rows, and keep it if it is good.

        None for an expression that is not allowed, not finite, judged already or not good enough. `source` is the stage
        that it comes from.
        """
        self.tally[source] += 1
        problem = self.problem
        expression = simplify(in_usual_form(expression))
        symbols = complexity(expression)
        if symbols > problem.options.max_size:
            self._remember_too_long(expression, source)
            return None
        if not obeys(expression, problem.options, problem.names):
            return None
        # Expressions that a fit would make equal are judged once.
        key = _rounded_constants(expression)
        if key in self._seen:
            return None
        self._seen.add(key)
        # No fit where nothing is free or nothing is left to fit, nor from a start that is hopeless beside the best of
        # the same size.
        error = self._error(expression)
        best = min((j.error for size, some in self.by_size.items() if size <= symbols for j in some), default=math.inf)
        if error > EXACT.error and free_places(expression):
            if error > SETTINGS.hopeless * best:
                return None
            fitted = self._fit(expression, best)
            if fitted is None:
                return None
            expression = fitted
        return self._kept(expression, source)

    def restore(self, expression: Expression, source: str) -> None:
        """Keep an expression that an earlier part of the search has kept, with its constants as they are."""
        self._seen.add(_rounded_constants(expression))
        self._kept(expression, source)

    def _fit(self, expression: Expression, best: float) -> Expression | None:
        """The expression with constants fitted to some rows, then to all; None where it is not finite."""
        x = self.problem.x
        y = self.problem.y
        weight = self.problem.weights
        # A few Levenberg-Marquardt steps on a subset of rows.
        if self._some is not None:
            quick = fit_constants(
                expression,
                x[self._some],
                y[self._some],
                steps=SETTINGS.quick_steps,
                weight=weight[self._some],
                budget=self.budget,
            )
            if quick is None:
                return None
            expression = quick.expression
        # A few on all rows, and many where the error is near the best.
        fitted = fit_constants(expression, x, y, steps=SETTINGS.quick_steps, weight=weight, budget=self.budget)
        if fitted is None:
            return None
        if self._error(fitted.expression) < SETTINGS.worth_finishing * best:
            longer = fit_constants(
                fitted.expression, x, y, steps=SETTINGS.full_steps, weight=weight, budget=self.budget
            )
            fitted = longer or fitted
        return fitted.expression

    def _kept(self, expression: Expression, source: str) -> Judged | None:
        """Keep an expression among the most accurate few of its size; None if it is not one of them."""
        judged = self._judged(expression, source)
        if judged is None:
            return None
        # Closed forms of the constants of an exact expression, if it stays exact with them.
        if judged.is_exact:
            closed = self._judged(self.with_closed_constants(judged.expression), source)
            judged = closed if closed is not None and closed.is_exact else judged
        # The most accurate few of each size.
        some = self.by_size.setdefault(judged.symbols, [])
        some.append(judged)
        some.sort(key=lambda each: each.held)
        del some[SETTINGS.kept_a_size :]
        if judged in some:
            return judged
        return None

    def _remember_too_long(self, expression: Expression, source: str) -> None:
        """Remember an expression that only its size keeps out, if it is the most accurate one of its kind."""
        problem = self.problem
        options = replace(problem.options, max_size=complexity(expression))
        if not obeys(expression, options, problem.names):
            return
        best = self.too_long
        if best is None or self._error(expression) < best.error:
            self.too_long = self._judged(expression, source) or best

    def with_closed_constants(self, expression: Expression) -> Expression:
        """An exact expression in its shortest form, with constants in closed form where rounding allows it."""
        x = self.problem.x
        y = self.problem.y
        weight = self.problem.weights
        budget = self.budget.at_most(SETTINGS.most_shortening)
        expression = with_double_angles(with_joined_waves(shortest_form(expression, x, budget)))
        # Closed forms of the refitted constants.
        fitted = fit_constants(expression, x, y, steps=SETTINGS.full_steps, weight=weight, budget=self.budget)
        if fitted is None:
            return expression
        fitted = recognise(fitted, x, y, weight=weight, budget=self.budget)
        # The shortest of: the form as it is, the expanded one with completed squares, and that one shortened.
        forms = [shortest_form(fitted.expression, x, budget)]
        forms += [with_completed_squares(expanded(form)) for form in forms]
        forms += [shortest_form(forms[-1], x, budget)]
        return min(forms, key=complexity)

    def _judged(self, expression: Expression, source: str) -> Judged | None:
        """An expression with its errors; None if it is not finite, has poles, or the rows leave its slopes open."""
        problem = self.problem
        loss = np.average((evaluate(expression, problem.x) - problem.y) ** 2, weights=problem.weights)
        held = np.mean(problem.held_squares(expression))
        if not (np.isfinite(loss) and np.isfinite(held)):
            return None
        error = math.sqrt(float(held)) / self._spread
        # A pole between the rows is no objection to a formula that reproduces held-out rows on both of its sides.
        if error > EXACT.error and domain_violations(expression, problem.x):
            return None
        variance = max(float(held), problem.exact_loss)
        if not determines_slopes(expression, problem.x, problem.y, variance, problem.weights):
            return None
        return Judged(expression, float(loss), float(held), error, complexity(expression), source)

    def _error(self, expression: Expression) -> float:
        """Relative error on the held-out rows; infinite where it is not finite."""
        with np.errstate(all="ignore"):
            square = np.mean(self.problem.held_squares(expression))
        if np.isfinite(square):
            return math.sqrt(float(square)) / self._spread
        return math.inf


def _rounded_constants(expression: Expression) -> Expression:
    """The expression with three digits of each constant: what a fit would make equal counts as known."""
    numbers = numbers_of(expression)
    values = [n.value if n.exact else float(f"{n.value:.3g}") for n in numbers]
    return with_constants(expression, values, [n.exact for n in numbers])
