"""Laws of two classes: a formula of the log-odds, whose zero is the boundary, with constants of the class likelihood.

A search by least squares proposes formulas of the working response of logistic regression (iteratively reweighted least
squares): at log-odds u with probability p it is u + (y - p) / (p (1 - p)), with weights p (1 - p). All proposals, and
the arguments of their functions as boundaries of their own, are then fitted to the classes themselves. Where a boundary
separates the classes without an error, the likelihood has no maximum; Firth's penalty, half the logarithm of the
determinant of the information, makes it finite and unbiased [1]_, [2]_. The penalty is applied through pseudo-data as
in [3]_.

References
----------
.. [1] D. Firth, "Bias reduction of maximum likelihood estimates", Biometrika 80 (1993).
.. [2] G. Heinze, M. Schemper, "A solution to the problem of separation in logistic regression", Statistics in Medicine
   21 (2002).
.. [3] I. Kosmidis, D. Firth, "Bias reduction in exponential family nonlinear models", Biometrika 96 (2009).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.discovery.losses import Box, Candidate, Judgement
from edgewise.discovery.obedience import obeys
from edgewise.discovery.problem import LawProblem
from edgewise.formulas.constants import CHI_SQUARE_99, FreeConstants, convincing_forms, free_places
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    complexity,
    constant_values,
    evaluate,
    numbers_of,
    used_variables,
    value_of,
    values_and_derivatives,
    walk,
    with_constants,
)
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import SIGNIFICANT_Z, FrontEntry
from edgewise.formulas.rewriting import simplify, split_number
from edgewise.outcomes import Budget, spend
from edgewise.presentation import percent_text
from edgewise.settings import ABOVE_ZERO, CALL_WORK


@dataclass(frozen=True)
class ClassSettings:
    """The work of a search for a boundary, and the limits of its fits."""

    rounds: int = 3  # searches one after another, each from the log-odds of the best law before
    search_share: float = 0.85  # of the work, for searches; the rest is for fits of likelihoods
    # Log-odds of the working response, at most: probabilities of 0.7 %. Rows beyond have hardly any weight.
    largest_log_odds: float = 5.0
    fisher_steps: int = 60  # of a fit, at most; most fits take ten
    halvings: int = 12  # of a step
    most_class_laws: int = 60  # formulas of one search that are fitted to the classes, short ones first


SETTINGS = ClassSettings()


Working = Callable[[np.ndarray, np.ndarray, Budget], Iterable[Expression]]
"""Formulas for a target (N,) with weights (N,) at the rows to fit, within a budget."""


@dataclass(frozen=True)
class ClassFit:
    """A formula of the log-odds with constants of the penalised likelihood."""

    node: Expression  # the formula
    losses: np.ndarray  # (N,), weighted logarithmic losses of the rows of the fit
    objective: float  # penalised log likelihood
    errors: tuple[float, ...]  # standard error of each constant, from the information; 0 for those with a closed form


def log_losses(log_odds: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Logarithmic losses of log-odds (N,) of the class y = 1, (N,)."""
    return np.logaddexp(0.0, np.where(y > 0, -log_odds, log_odds))


def fit_class_constants(
    node: Expression, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None, budget: Budget | None = None
) -> ClassFit | None:
    """Fit the free constants of a formula of log-odds to classes y of 0 and 1 by Firth's penalised likelihood.

    The constants of the formula are the start. None if the formula is not finite at a row.
    """
    # Firth's penalised likelihood: its score has half the leverage of each row beside the residual
    constants = FreeConstants.of(node)
    places = constants.places
    w = np.ones(len(y)) if weight is None else weight

    def state(trial: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray] | None:
        """Objective, losses, score and information; None where they are not finite."""
        with np.errstate(all="ignore"):
            u, derivatives = values_and_derivatives(constants.formula(trial), x)
        jacobian = derivatives[:, places]
        spend(30 * CALL_WORK + len(y) * (20 + 3 * len(places) ** 2))
        if not (np.isfinite(u).all() and np.isfinite(jacobian).all()):
            return None
        # Probabilities from log-odds, and the Fisher information of the constants.
        p = 0.5 * (1 + np.tanh(u / 2))
        variance = np.maximum(w * p * (1 - p), ABOVE_ZERO)
        losses = w * log_losses(u, y)
        if not places:
            return -float(losses.sum()), losses, np.empty(0), np.empty((0, 0))
        information = jacobian.T @ (jacobian * variance[:, None])
        sign, size = np.linalg.slogdet(information)
        if sign <= 0 or not np.isfinite(size):
            return None
        # Leverages are the diagonal of the weighted hat matrix.
        leverage = variance * np.einsum("ij,ji->i", jacobian, np.linalg.solve(information, jacobian.T))
        score = jacobian.T @ (w * (y - p) + leverage * (0.5 - p))
        return -float(losses.sum()) + size / 2, losses, score, information

    # Fisher scoring; a step is halved until the penalised likelihood rises
    values = constants.start
    now = state(values)
    if now is None:
        return None
    for _ in range(SETTINGS.fisher_steps if places else 0):
        step = np.linalg.lstsq(now[3], now[2], rcond=None)[0]
        for _ in range(SETTINGS.halvings):
            trial = values + step
            then = state(trial)
            if then is not None and then[0] > now[0]:
                break
            step = step / 2
        else:
            break
        gain = then[0] - now[0]
        values = trial
        now = then
        if gain < 1e-9 * len(y) or (budget is not None and budget.is_over):
            break
    # Standard errors from the inverse of the information
    errors = np.empty(0)
    if places:
        errors = np.sqrt(np.abs(np.diag(np.linalg.pinv(now[3], hermitian=True))))
    return ClassFit(constants.formula(values), now[1], now[0], constants.spread(errors))


@dataclass(frozen=True)
class ClassSearch:
    """The stage that proposes formulas of the log-odds, from searches of working responses."""

    judgement: Judgement[ClassFit]  # of the whole search
    search: Working
    log_odds: np.ndarray  # (N,), of a smooth model at the rows to fit, or 0: the start

    def __call__(self, problem: LawProblem, budget: Budget) -> Iterator[Expression]:
        """Formulas of working responses, and the arguments of their functions as boundaries, in rounds."""
        x = problem.x
        y = problem.y
        u = _at_most(self.log_odds)
        for number in range(SETTINGS.rounds):
            # Formulas of the working response of iteratively reweighted least squares
            p = 0.5 * (1 + np.tanh(u / 2))
            variance = p * (1 - p)
            weights = variance * problem.weights
            share = budget.share(SETTINGS.search_share / (SETTINGS.rounds - number))
            proposals = {_with_scale(node, x) for node in self.search(u + (y - p) / variance, weights, share)}
            # The likelihood judges them, and the arguments of their functions as boundaries
            budget.report("constants by the likelihood of the classes")
            yield from sorted(proposals, key=complexity)[: SETTINGS.most_class_laws]
            inner = [each for law in self.judgement.front for each in _inner_boundaries(law.expression, x, y)]
            yield from (node for node in inner if obeys(node, problem.options, problem.names))
            u = _at_most(evaluate(self.judgement.best.expression, x))


class ClassLoss:
    """Logarithmic losses of two classes; a `Loss`."""

    name = "log loss"
    exact = 0.0

    def __init__(self, problem: LawProblem, budget: Budget):
        self.problem = problem
        self.budget = budget
        self.box = Box.of(problem.x)
        whole = problem.with_all_rows
        self.x = whole.x
        self.y = whole.y
        self.weight = whole.weights / whole.weights.mean()

    def judged(self, node: Expression) -> Candidate[ClassFit] | None:
        """A formula with constants fitted to the rows to fit."""
        problem = self.problem
        fitted = fit_class_constants(node, problem.x, problem.y, problem.weights, self.budget)
        if fitted is None:
            return None
        with np.errstate(all="ignore"):
            losses = log_losses(evaluate(fitted.node, problem.held_x), problem.held_y) * problem.held_share
        return Candidate.of(fitted.node, fitted, losses, self.box, self.exact)

    def entry(self, candidate: Candidate[ClassFit]) -> FrontEntry:
        """The formula fitted to all rows, with closed forms where these decide them."""
        fitted = _with_closed_forms(candidate.fit, self.x, self.y, self.weight, self.budget)
        entry = FrontEntry(Formula(fitted.node, self.problem.names), float(fitted.losses.mean()))
        return replace(entry, validation=candidate.held, constant_errors=fitted.errors)

    def as_good(self, front: Sequence[Candidate[ClassFit]], entries: Sequence[FrontEntry]) -> tuple[int, ...]:
        """Places of the formulas as good as the best by one standard error, or by Schwarz's criterion on all rows."""
        # The criterion sees what few held-out rows cannot; classes that a boundary separates decide nothing more.
        rows = len(self.y)
        best = min(range(len(front)), key=lambda k: (front[k].held, k))
        prices = [rows * e.loss + math.log(rows) / 2 * len(free_places(e.formula.expression)) for e in entries]
        places = []
        for place, (candidate, entry) in enumerate(zip(front, entries, strict=True)):
            excess = candidate.losses - front[best].losses
            error = float(excess.std()) / math.sqrt(len(excess))
            is_near = excess.mean() <= SIGNIFICANT_Z * error and prices[place] <= prices[best]
            if excess.mean() <= error or is_near or _wrong_side(entry.formula.expression, self.x, self.y) == 0:
                places.append(place)
        return tuple(places)

    def of_constant(self) -> tuple[float, float]:
        """Entropies of the classes."""
        problem = self.problem
        share = float(np.average(self.y, weights=self.weight))
        return _entropy(share), _entropy(float(np.average(problem.held_y, weights=problem.held_weights)))

    def sentences(self, entries: Sequence[FrontEntry], choice: FrontEntry) -> Iterator[str]:
        """The meaning of the formula, and how often it is wrong."""
        wrong = _wrong_side(choice.formula.expression, self.x, self.y)
        yield (
            "The formula is that of the log-odds; the boundary of the classes is where it is 0. It is on the wrong "
            f"side in {percent_text(wrong)} of {len(self.y):,} rows."
        )
        if not wrong:
            yield "The classes are separated, so the scale of the log-odds is a lower bound that Firth's penalty gives."


def _inner_boundaries(node: Expression, x: np.ndarray, y: np.ndarray) -> Iterator[Expression]:
    """Boundaries h = c and |h| = c of the arguments h of a law's functions that hold all of its inputs."""
    # F(h) = c and h = c are the same boundary where F is monotonic, and least squares often find the F that levels off
    # far from it instead of h itself.
    inputs = used_variables(node)
    for part in walk(node):
        if len(part.parts) != 1:  # a sum, a product, a number or an input
            continue
        (inner,) = part.parts
        with np.errstate(all="ignore"):
            values = evaluate(inner, x)
        if used_variables(inner) != inputs or not np.isfinite(values).all():
            continue
        of_both_signs = values.min() < 0 < values.max()
        for form, its in ((inner, values), (Call("abs", inner), np.abs(values)))[: 1 + of_both_signs]:
            means = [float(its[y == label].mean()) for label in (0, 1)]
            scale = (means[1] - means[0]) / max(float(np.var(its)), ABOVE_ZERO)
            if scale:
                yield simplify(Multiply((Number(scale), Add((form, Number(-sum(means) / 2))))))


def _at_most(log_odds: np.ndarray) -> np.ndarray:
    """Log-odds whose median size is 1 if it was larger, and none of which exceeds `largest_log_odds`."""
    # Classes that are separated make log-odds of any size; all rows then still have a weight.
    size = max(float(np.median(np.abs(log_odds))), 1.0)
    return np.clip(log_odds / size, -SETTINGS.largest_log_odds, SETTINGS.largest_log_odds)


def _with_scale(node: Expression, x: np.ndarray) -> Expression:
    """A sum as a number times a sum in which the term that varies most has no number: the scale, and the boundary."""
    node = simplify(node)
    # A number before a sum is multiplied out, then the number of the term of the largest deviation is taken out.
    match node:
        case Multiply((Number() as factor, Add(inner))):
            node = simplify(Add(tuple(Multiply((factor, term)) for term in inner)))
    pairs = [split_number(term) for term in node.summands]
    if len(pairs) == 1:
        return node
    with np.errstate(all="ignore"):
        sizes = [float(np.std(evaluate(term, x))) for term in node.summands]
    leading = max(range(len(sizes)), key=sizes.__getitem__)
    scale = pairs[leading][0].value
    if pairs[leading][1] is None or not scale or not np.isfinite(sizes).all():
        return node
    # What is left in the bracket is the boundary, with that term of factor 1.
    terms: list[Expression] = []
    for place, (number, rest) in enumerate(pairs):
        factor = Number(number.value / scale)
        if rest is None:
            terms.append(factor)
        elif place == leading:
            terms.append(rest)
        else:
            terms.append(Multiply((factor, rest)))
    return Multiply((Number(scale), Add(tuple(terms))))


def _entropy(share: float) -> float:
    """Logarithmic loss of the constant probability `share` of a class with that share."""
    return -sum(s * math.log(s) for s in (share, 1 - share) if s > 0)


def _with_closed_forms(fitted: ClassFit, x: np.ndarray, y: np.ndarray, weight: np.ndarray, budget: Budget) -> ClassFit:
    """The fit to all rows; one constant after another becomes a closed form where there is strong evidence for it."""
    now = fit_class_constants(fitted.node, x, y, weight, budget) or fitted
    for _ in free_places(now.node):
        for place in free_places(now.node):
            values = np.array(constant_values(now.node))
            exact = [number.exact for number in numbers_of(now.node)]
            # A closed form stays if the likelihood ratio test at 1 % keeps it, all other constants refitted.
            form = next(iter(convincing_forms(values[place], now.errors[place])), None)
            if form is None or form[0] == 0:
                continue
            values[place] = value_of(form)
            exact[place] = form
            trial = fit_class_constants(with_constants(now.node, values, exact), x, y, weight, budget)
            if trial is not None and trial.losses.sum() <= now.losses.sum() + CHI_SQUARE_99 / 2:
                now = trial
                break
        else:
            break
    simple = fit_class_constants(simplify(now.node), x, y, weight, budget)
    return simple or now


def _wrong_side(node: Expression, x: np.ndarray, y: np.ndarray) -> float:
    """Share of rows whose class is that of the other side of the boundary."""
    with np.errstate(all="ignore"):
        return float(np.mean((evaluate(node, x) > 0) != (y > 0)))
