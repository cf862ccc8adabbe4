"""Fewer inputs before any search: reductions of a law that a smooth model of the data suggests and the data confirm.

A reduction writes y = m(x) F(p_1(x), ..., p_k(x)) with a known monomial m and fewer inputs p than x. Proposals come
from the gradients of a Gaussian process (`symmetries`); each is tested by a model of the smaller problem, which must
predict left-out rows as well. After a reduction the model is more accurate, so the search is repeated until nothing is
left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.discovery.problem import Clock, LawProblem, Reduction
from edgewise.discovery.reduction.smooth_models import SmoothModel, fit_smooth_model
from edgewise.discovery.reduction.symmetries import Symmetry, proposed_symmetries
from edgewise.formulas.algebra import ONE, simplify
from edgewise.formulas.expression import (
    Expression,
    Multiply,
    Power,
    Variable,
    children,
    evaluate,
    exact_number,
    product_of,
    rebuilt,
    sum_of,
)
from edgewise.formulas.printing import as_text

# Data count as free of noise if the left-out error of their model is below this share of the deviation of y and exceeds
# the estimated noise by this factor: then the error is that of the model, and another coordinate system may double it.
# Choices: measurements are seldom that accurate, and noise of the size of the error would be most of it.
CLEAN_ERROR, CLEAN_RATIO, CLEAN_GROWTH = 0.01, 2.0, 2.0
CLEAN_FLOOR = 1e-5  # Relative error of a model that is always accurate enough (a choice: gradients to 1e-3).
# Relative error above which gradients say nothing. A choice: half of the deviation of y is unexplained.
HOPELESS_ERROR = 0.5
EDGE_SHARE = (
    0.02  # Share of the rows with the largest errors that do not count: those outside of all others (a choice).
)
MOST_TESTS = 8  # Proposals that are tested at each step, each about a third of a second (a choice).


@dataclass(frozen=True)
class Change:
    """New inputs, as expressions of the old ones, and the factor that multiplies the new target.

    Parameters
    ----------
    inputs : tuple of Expression
        The inputs of the smaller problem.
    factor : Expression
        y of the larger problem is this times y of the smaller one.
    sentence : str
        What was recognised.
    """

    inputs: tuple[Expression, ...]
    factor: Expression
    sentence: str


@dataclass(frozen=True)
class Step:
    """A problem on the way to fewer inputs, with its model.

    Parameters
    ----------
    problem : LawProblem
        The problem.
    model : SmoothModel, optional
        Its model; None if there is nothing to model: y is a constant.
    scale, held_scale : ndarray
        Absolute value of all factors so far at the rows, so that errors compare in the unit of the first target.
    changes : tuple of Change
        All changes so far.
    """

    problem: LawProblem
    model: SmoothModel | None
    scale: np.ndarray
    held_scale: np.ndarray
    changes: tuple[Change, ...] = ()

    def residuals(self) -> np.ndarray:
        """Errors of the predictions of left-out rows and of the held-out rows, in the unit of the first target."""
        if self.model is None:
            return np.zeros(len(self.problem.held_y))
        held = self.problem.held_y - self.model.predict(self.problem.held_x)
        return np.r_[self.model.left_out * self.scale[self.model.chosen], held * self.held_scale]


def reductions(problem: LawProblem, clock: Clock) -> Iterator[Reduction]:
    """Yield problems with fewer inputs, the most reduced first.

    Parameters
    ----------
    problem : LawProblem
        The problem.
    clock : Clock
        The time for all reductions.

    Yields
    ------
    Reduction
        The smallest problem that the data support, then the larger ones on the way to it. A problem without inputs
        has a constant target.

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(1, 2, (200, 3))
    >>> y = x[:, 0] * np.exp(x[:, 1] - x[:, 2])
    >>> problem = LawProblem(x[:150], y[:150], x[150:], y[150:], ("a", "b", "c"))
    >>> next(reductions(problem, Clock())).sentence
    'y/a depends on b - c'
    """
    steps = _chain(problem, clock)
    spread = float(np.std(problem.held_y)) or 1.0
    for count in range(len(steps) - 1, 0, -1):
        step = steps[count]
        error = float(np.sqrt(np.mean(step.residuals() ** 2))) / spread
        yield Reduction(step.problem, _rebuilding(step.changes), _sentence(problem, step.changes), error)


def _chain(problem: LawProblem, clock: Clock) -> list[Step]:
    """The problem and ever smaller ones, each tested against the one before it."""
    if clock.is_over:
        return []
    ones, held_ones = np.ones(len(problem.y)), np.ones(len(problem.held_y))
    model = _modelled(problem)
    steps = [Step(problem, model, ones, held_ones)]
    while model is not None and not clock.is_over:
        step = steps[-1]
        if step.model is None or _relative_error(step) > HOPELESS_ERROR:
            break
        smaller = _reduced_once(step, clock)
        if smaller is None:
            break
        clock.tell(smaller.changes[-1].sentence)
        steps.append(smaller)
    return steps


def _modelled(problem: LawProblem, bound: float = np.inf) -> SmoothModel | None:
    return fit_smooth_model(problem.x, problem.y, weights=problem.weights, bound=bound, seed=problem.seed)


def _relative_error(step: Step) -> float:
    return float(np.sqrt(np.mean(step.residuals() ** 2)) / np.std(step.problem.y * step.scale))


def _reduced_once(step: Step, clock: Clock) -> Step | None:
    """The first smaller problem that is modelled as well."""
    assert step.model is not None
    problem, tested = step.problem, set()
    for symmetry in proposed_symmetries(step.model, problem.x[:400], problem.y[:400]):
        change = _change(symmetry, problem.names)
        if change in tested:
            continue
        tested.add(change)
        if len(tested) > MOST_TESTS or clock.is_over:
            return None
        smaller = applied(step, change)
        if smaller is not None and is_confirmed(step, smaller):
            return smaller
    return None


def applied(step: Step, change: Change) -> Step | None:
    """The smaller problem of a change with its model; None where it is not finite or cannot be modelled."""
    problem = step.problem
    factor, held_factor = evaluate(change.factor, problem.x), evaluate(change.factor, problem.held_x)
    x = np.column_stack([np.empty((len(problem.x), 0)), *(evaluate(part, problem.x) for part in change.inputs)])
    held_x = np.column_stack(
        [np.empty((len(problem.held_x), 0)), *(evaluate(part, problem.held_x) for part in change.inputs)]
    )
    with np.errstate(all="ignore"):
        y, held_y = problem.y / factor, problem.held_y / held_factor
    if not all(np.isfinite(values).all() for values in (x, y, held_x, held_y)):
        return None
    scale, held_scale = step.scale * np.abs(factor), step.held_scale * np.abs(held_factor)
    weights = np.ones(len(y)) if problem.weights is None else problem.weights
    smaller = replace(
        problem,
        x=x,
        y=y,
        held_x=held_x,
        held_y=held_y,
        names=tuple(as_text(part, problem.names) for part in change.inputs),
        weights=weights * factor**2,
        options=replace(problem.options, required=(), guesses=(), units={}, structure=None),
    )
    changes = (*step.changes, change)
    if y.std() < 1e-9 * np.abs(y.mean()):
        return Step(smaller, None, scale, held_scale, changes)
    if not change.inputs:
        return None
    model = _modelled(smaller)
    return None if model is None else Step(smaller, model, scale, held_scale, changes)


def is_confirmed(larger: Step, smaller: Step) -> bool:
    """Whether the smaller problem is modelled as well as the larger one.

    The squared errors of the same left-out rows are compared, except at the edge of the data: the mean difference may
    be one standard error. Where the data are free of noise both errors are those of the models and far smaller than
    anything that a false reduction leaves, so the error may grow by a factor.
    """
    assert larger.model is not None
    if smaller.model is None:
        return True
    before, after = larger.residuals() ** 2, smaller.residuals() ** 2
    usual = np.argsort(before + after)[: math.ceil((1 - EDGE_SHARE) * len(before))]
    before, after = before[usual], after[usual]
    variance, difference = np.var(larger.problem.y * larger.scale), after - before
    allowed = max(float(np.std(difference)) / np.sqrt(len(difference)), CLEAN_FLOOR**2 * variance)
    is_accurate = np.mean(before) < CLEAN_ERROR**2 * variance
    if is_accurate and larger.model.error > CLEAN_RATIO * larger.model.noise:
        allowed = max(allowed, (CLEAN_GROWTH**2 - 1) * float(np.mean(before)))
    return bool(np.mean(difference) <= allowed)


def _change(symmetry: Symmetry, names: Sequence[str]) -> Change:
    """The combinations that do not change under a symmetry, and the monomial that takes up its factors."""
    kept = [j for j in range(len(names)) if j not in symmetry.pivots]
    rows = list(zip(symmetry.pivots, symmetry.basis, strict=True))
    inputs = []
    for j in kept:
        if symmetry.kind == "translation":
            terms = sorted([(j, 1.0), *((p, -row[j]) for p, row in rows if row[j])])
            sign = np.sign(terms[0][1])
            inputs.append(simplify(sum_of([_times(sign * number, Variable(i)) for i, number in terms])))
        else:
            inputs.append(_monomial(sorted([(j, 1.0), *((p, -row[j]) for p, row in rows)])))
    factor = _monomial(sorted(zip(symmetry.pivots, symmetry.degrees, strict=True)))
    subject = _quotient(factor, names)
    what = " and ".join(as_text(part, names) for part in inputs)
    return Change(tuple(inputs), factor, f"{subject} depends on {what}" if inputs else f"{subject} is constant")


def _quotient(factor: Expression, names: Sequence[str]) -> str:
    """The text y/factor."""
    shown = as_text(factor, names)
    is_simple = isinstance(factor, Variable) or shown.startswith("sqrt(")
    return "y" if factor == ONE else f"y/{shown}" if is_simple and shown.count("(") < 2 else f"y/({shown})"


def _times(number: float, node: Expression) -> Expression:
    return node if number == 1 else Multiply((exact_number(number), node))


def _monomial(powers: Sequence[tuple[int, float]]) -> Expression:
    parts: list[Expression] = [
        Variable(i) if exponent == 1 else Power(Variable(i), float(exponent)) for i, exponent in powers if exponent
    ]
    return product_of(parts) if parts else ONE


def _rebuilding(changes: Sequence[Change]) -> Callable[[Expression], Expression]:
    """The function that turns an expression of the last inputs into one of the first."""

    def rebuild(expression: Expression) -> Expression:
        for change in reversed(changes):
            inner = _substituted(expression, change.inputs)
            expression = simplify(inner if change.factor == ONE else Multiply((change.factor, inner)))
        return expression

    return rebuild


def _substituted(node: Expression, inputs: Sequence[Expression]) -> Expression:
    if isinstance(node, Variable):
        return inputs[node.index]
    return rebuilt(node, [_substituted(part, inputs) for part in children(node)])


def _sentence(problem: LawProblem, changes: Sequence[Change]) -> str:
    """All changes in one sentence about the inputs of the first problem."""
    if len(changes) == 1:
        return changes[0].sentence
    rebuild = _rebuilding(changes)
    factor = rebuild(ONE)
    places = range(len(changes[-1].inputs))
    inputs: list[Expression] = [Variable(k) for k in places]
    for change in reversed(changes):
        inputs = [simplify(_substituted(part, change.inputs)) for part in inputs]
    subject = _quotient(factor, problem.names)
    what = " and ".join(as_text(part, problem.names) for part in inputs)
    return f"{subject} depends on {what}" if inputs else f"{subject} is constant"
