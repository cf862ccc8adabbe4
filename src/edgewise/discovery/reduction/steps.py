"""Steps of a reduction: a change of inputs and target, the smaller problem with its model, and the test of a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from edgewise.discovery.problem import LawProblem
from edgewise.discovery.reduction.smooth_models import SmoothModel, fit_smooth_model
from edgewise.formulas.expression import Expression, Multiply, Power, Variable, evaluate, substituted
from edgewise.formulas.printing import as_text
from edgewise.formulas.rewriting import ONE, simplify
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class StepSettings:
    """Errors of smooth models that count as those of clean data."""

    # Data count as free of noise if the left-out error of their model is below this share of the deviation of y and
    # exceeds the estimated noise by this factor: then the error is that of the model, and another coordinate system may
    # double it; measurements are seldom that accurate, and noise of the size of the error would be most of it.
    clean_error: float = 0.01
    clean_ratio: float = 2.0
    clean_growth: float = 2.0
    clean_floor: float = 1e-5  # Relative error of a model that is always accurate enough (gradients to 1e-3).
    edge_share: float = 0.02  # Rows of the largest errors that do not count: those at the edge of the data.


SETTINGS = StepSettings()


@dataclass(frozen=True)
class Change:
    """New inputs, as expressions of the old ones, and the factor that multiplies the new target."""

    inputs: tuple[Expression, ...]  # the inputs of the smaller problem
    factor: Expression  # y of the larger problem is this times y of the smaller one


@dataclass(frozen=True)
class Step:
    """A problem on the way to fewer inputs, with its model."""

    problem: LawProblem
    model: SmoothModel
    # absolute value of all factors so far at the rows, so that errors compare in the unit of the first target
    scale: np.ndarray
    held_scale: np.ndarray
    changes: tuple[Change, ...] = ()  # all changes so far

    @cached_property
    def squares(self) -> np.ndarray:
        """Squared errors of left-out rows and of the held-out rows, in the unit of the first target."""
        held = self.problem.held_y - self.model.predict(self.problem.held_x)
        return np.r_[self.model.left_out * self.scale[self.model.chosen], held * self.held_scale] ** 2

    @cached_property
    def variance(self) -> float:
        """Variance of the target in the unit of the first one."""
        return float(np.var(self.problem.y * self.scale))

    @property
    def error(self) -> float:
        """Relative root mean square error, without the rows at the edge of the data."""
        usual = np.sort(self.squares)[: math.ceil((1 - SETTINGS.edge_share) * len(self.squares))]
        return math.sqrt(float(np.mean(usual)) / max(self.variance, ABOVE_ZERO))

    @property
    def noise(self) -> float:
        """Relative noise of the data as the model estimates it; 0 if that is not most of the model's error."""
        is_small = self.error < SETTINGS.clean_floor or self.model.error > SETTINGS.clean_ratio * self.model.noise
        if is_small:
            return 0.0
        return self.error * self.model.noise / self.model.error

    @property
    def is_clean(self) -> bool:
        """True if the errors are those of the model, and not noise of the data, see `clean_error`."""
        return self.error < SETTINGS.clean_error and not self.noise


def first_step(problem: LawProblem) -> Step | None:
    """The problem itself with its model; None if it cannot be modelled."""
    model = fit_smooth_model(problem.x, problem.y, weights=problem.weights, seed=problem.seed)
    if model is None:
        return None
    return Step(problem, model, np.ones(len(problem.y)), np.ones(len(problem.held_y)))


def applied(step: Step, change: Change, fast: bool = False) -> Step | None:
    """The smaller problem of a change with its model; None where it is not finite or cannot be modelled."""
    # A fast model has the coordinates and typical parameters of the larger problem's.
    problem = step.problem
    # The target is divided by the factor, and its weights are those of errors of the first target.
    factor = evaluate(change.factor, problem.x)
    held_factor = evaluate(change.factor, problem.held_x)
    with np.errstate(all="ignore"):
        smaller = replace(
            problem,
            x=_columns(change.inputs, problem.x),
            y=problem.y / factor,
            held_x=_columns(change.inputs, problem.held_x),
            held_y=problem.held_y / held_factor,
            names=tuple(as_text(part, problem.names) for part in change.inputs),
            weights=factor**2 * problem.weights,
            options=problem.options.of_smaller_problem(),
            target=quotient(change.factor, problem.names, problem.target),
        )
    if not all(np.isfinite(rows).all() for rows in (smaller.x, smaller.y, smaller.held_x, smaller.held_y)):
        return None
    # A model in the new inputs, with errors in the unit of the first target.
    like = step.model if fast else None
    model = fit_smooth_model(smaller.x, smaller.y, weights=smaller.weights, like=like, seed=problem.seed)
    if model is None:
        return None
    return Step(
        smaller, model, step.scale * np.abs(factor), step.held_scale * np.abs(held_factor), (*step.changes, change)
    )


def _columns(inputs: Sequence[Expression], x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.empty((len(x), 0)), *(evaluate(part, x) for part in inputs)])


def is_confirmed(larger: Step, smaller: Step) -> bool:
    """True if the smaller problem is modelled as well as the larger one."""
    # The squared errors of the same left-out rows, as many of the last rows of the step's in the unit of the first
    # target, are compared, except at the edge of the data: the mean difference may be one standard error. Where the
    # data are free of noise both errors are those of the models and far smaller than anything that a false reduction
    # leaves, so the error may grow by a factor.
    shared = min(len(larger.squares), len(smaller.squares))
    before = larger.squares[-shared:]
    after = smaller.squares[-shared:]
    usual = np.argsort(before + after)[: math.ceil((1 - SETTINGS.edge_share) * len(before))]
    before = before[usual]
    after = after[usual]
    # A paired comparison by one standard error.
    difference = after - before
    allowed = max(float(np.std(difference)) / math.sqrt(len(difference)), SETTINGS.clean_floor**2 * larger.variance)
    if larger.is_clean:
        allowed = max(allowed, (SETTINGS.clean_growth**2 - 1) * float(np.mean(before)))
    return bool(np.mean(difference) <= allowed)


def rebuilding(changes: Sequence[Change]) -> Callable[[Expression], Expression]:
    """The function that turns an expression of the last inputs into one of the first."""

    def rebuild(expression: Expression) -> Expression:
        for change in reversed(changes):
            inner = substituted(expression, change.inputs)
            if change.factor != ONE:
                inner = Multiply((change.factor, inner))
            expression = simplify(inner)
        return expression

    return rebuild


def sentence_of(names: Sequence[str], changes: Sequence[Change], target: str = "y") -> str:
    """All changes in one sentence about the inputs of the first problem, which have these names."""
    # All factors multiplied, and all inputs written in those of the first problem.
    factor = rebuilding(changes)(ONE)
    inputs: list[Expression] = [Variable(k) for k in range(len(changes[-1].inputs))]
    for change in reversed(changes):
        inputs = [substituted(part, change.inputs) for part in inputs]
        if len(changes) > 1:
            inputs = [simplify(part) for part in inputs]
    subject = quotient(factor, names, target)
    if inputs:
        return f"{subject} depends on {' and '.join(as_text(part, names) for part in inputs)}"
    return f"{subject} is constant"


def quotient(factor: Expression, names: Sequence[str], target: str) -> str:
    """The text y/factor, y being the target."""
    whole = Variable(len(names))
    return as_text(simplify(Multiply((whole, Power(factor, -1.0)))), (*names, target))
