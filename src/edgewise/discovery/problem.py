"""The problem that every stage of a formula search receives: rows to fit, rows to judge by, and options."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import chain
from typing import Protocol

import numpy as np

from edgewise.checks import check_count, check_number, is_one_of, typed, unknown_name
from edgewise.errors import InputError
from edgewise.formulas.constants import EXACT
from edgewise.formulas.expression import FUNCTIONS, Expression, evaluate
from edgewise.outcomes import Budget, OnInterrupt, check_on_interrupt

# The functions that a search uses unless the user names others: what textbooks of the sciences print. Special functions
# such as besselj0 are used only on request.
USUAL_OPERATORS = (
    *("+", "-", "*", "/", "^"),
    *("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "asin", "acos", "atan", "sinh", "cosh", "abs"),
)


@typed
@dataclass(frozen=True)
class FormulaOptions:
    """Settings of a formula search: the operators, size, units and inputs of the formulas, and when the search ends.

    Parameters
    ----------
    operators : sequence of str
        The operators + - * / ^ and functions that may occur.
    max_size : int
        Symbols of a formula, at most, as `Formula.complexity` counts them.
    nested : mapping of str to sequence of str
        For a function, the functions that must not occur inside its argument, for example ``{"sin": ("sin", "cos")}``.
    required : sequence of str
        Inputs that a formula must contain.
    guesses : sequence of str, Formula or Expression
        Formulas to start from; constants without a closed form are fitted anew.
    structure : str
        The form of the law, where it is known: a formula with unknown functions of stated arguments and unknown
        constants, for example ``"a*f(x, y) + g(z)"``. Each function gets a law of its own.
    groups : sequence of N labels, optional
        The group of each row. The law is then the same in all groups up to constants, and constants that the data do
        not show to be equal differ by group: see `FrontEntry.family`.
    units : mapping of str to str
        Units of inputs and, under the key "y", of the target, for example ``{"m": "kg", "y": "kg m/s^2"}``.
    target_error : float
        Relative root mean square error on held-out rows at which the search ends.
    engine : {"own", "operon"}
        With "operon" the rest of the work goes to genetic programming by the package pyoperon, which must be installed.
        It knows no `nested`, `required` and `units`; what breaks them is left out.
    weights : ndarray of shape (N,), optional
        Weights of the rows' squared errors, at least 0; equal if left out.
    on_interrupt : "raise" or "keep"
        What Ctrl-C does: pass the KeyboardInterrupt on, or end the search with the formulas so far.

    Raises
    ------
    InputError
        An operator or function is unknown, or a number is not as described.

    Examples
    --------
    >>> from edgewise.discovery import FormulaOptions
    >>> options = FormulaOptions(operators=("+", "*", "sin"), max_size=20, required=("angle",))
    >>> options.max_size, options.required
    (20, ('angle',))
    """

    operators: Sequence[str] = USUAL_OPERATORS
    max_size: int = 60
    nested: Mapping[str, Sequence[str]] = field(default_factory=dict)
    required: Sequence[str] = ()
    guesses: Sequence[Expression] = ()
    structure: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    target_error: float = EXACT.error
    engine: str = "own"
    weights: np.ndarray | None = field(default=None, compare=False, repr=False)
    groups: Sequence[Hashable] | None = field(default=None, compare=False, repr=False)
    on_interrupt: OnInterrupt = "raise"

    def __post_init__(self) -> None:
        all_operators = ("+", "-", "*", "/", "^", "sqrt", *FUNCTIONS)
        check_on_interrupt(self.on_interrupt)
        check_count(self.max_size, "max_size")
        if not is_one_of(self.engine, ("own", "operon")):
            raise InputError(f'engine must be "own" or "operon", got {self.engine!r}')
        if self.engine == "operon" and find_spec("pyoperon") is None:
            raise InputError('engine must be "own" unless the package pyoperon is installed, got "operon"')
        check_number(self.target_error, "target_error")
        for name, given in (("operators", self.operators), ("nested", (*self.nested, *chain(*self.nested.values())))):
            for operator in given:
                if operator not in all_operators:
                    known = unknown_name(str(operator), all_operators)
                    raise InputError(f"{name} must hold operators and functions, got {operator!r}; {known}")

    def of_smaller_problem(self) -> FormulaOptions:
        """The options of a part of the problem: without those about inputs, which are others there."""
        return replace(self, required=(), guesses=(), units={}, structure="")


@dataclass(frozen=True)
class LawProblem:
    """Samples of an unknown law y = f(x), split into rows to fit and rows to judge by."""

    # A stage reads `x` and `y` alone to find expressions; `held_x` and `held_y` decide which of them are kept. A
    # reduction returns another, smaller problem with the same rows.

    x: np.ndarray  # rows to fit
    y: np.ndarray  # target at these rows
    held_x: np.ndarray  # rows that no stage fits
    held_y: np.ndarray
    names: tuple[str, ...]  # names of the inputs
    options: FormulaOptions = field(default_factory=FormulaOptions)  # what the law may be made of
    # weights of the rows to fit and of those to judge by; equal if left out, and then of the mean of the first
    weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    held_weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    # root mean square error of y over its standard deviation, where y comes from a smooth model, as in a `Separation`;
    # 0 where it was measured, whether the measurements have noise or not
    noise: float = 0.0
    seed: int = 0  # seed of everything random in the search
    target: str = "y"  # name of the target

    def __post_init__(self) -> None:
        if not len(self.weights):
            object.__setattr__(self, "weights", np.ones(len(self.y)))
        if not len(self.held_weights):
            mean = self.weights.sum() / max(len(self.weights), 1)
            object.__setattr__(self, "held_weights", np.full(len(self.held_y), mean))

    @property
    def held_share(self) -> np.ndarray:
        """Weights of the held-out rows over their mean, (M,)."""
        return self.held_weights / self.held_weights.mean()

    def held_squares(self, expression: Expression) -> np.ndarray:
        """Squared errors of a formula on the held-out rows, (M,), times the weights of the rows over their mean."""
        return (evaluate(expression, self.held_x) - self.held_y) ** 2 * self.held_share

    @property
    def held_variance(self) -> float:
        """Variance of the target on the held-out rows, weighted."""
        return weighted_variance(self.held_y, self.held_weights)

    @property
    def accepted_error(self) -> float:
        """Relative error at which a law is accurate enough: that of the options, or rounding."""
        return max(self.options.target_error, EXACT.error)

    @property
    def exact_loss(self) -> float:
        """Mean squared error on the held-out rows below which a law is exact, see `Exactness`."""
        return EXACT.loss(self.held_variance)

    @property
    def with_all_rows(self) -> LawProblem:
        """The problem whose rows to fit are all rows."""
        return replace(
            self,
            x=np.concatenate([self.x, self.held_x]),
            y=np.append(self.y, self.held_y),
            weights=np.append(self.weights, self.held_weights),
        )

    def random_rows(self, most: int, stream: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows to fit in random order, with their targets and weights; only finite rows with a weight above 0."""
        usable = np.flatnonzero(np.isfinite(self.x).all(axis=1) & np.isfinite(self.y) & (self.weights > 0))
        chosen = usable[np.random.default_rng([stream, self.seed]).permutation(len(usable))[:most]]
        return self.x[chosen], self.y[chosen], self.weights[chosen]


def weighted_variance(y: np.ndarray, weights: np.ndarray) -> float:
    """Variance of y (N,) with weights (N,)."""
    return float(np.average((y - np.average(y, weights=weights)) ** 2, weights=weights))


class Stage(Protocol):
    """One stage of the search.

    It yields expressions of the problem's columns (`Variable(k)` is column k of x) whose values approximate y, the
    simplest first where it knows, and returns when it has nothing more or the budget is over. It never raises for
    what the data are; the engine judges every expression on the held-out rows, refits its constants and writes known
    constants in closed form, so constants may be yielded as floats.

    Examples
    --------
    >>> from edgewise.formulas.expression import Variable
    >>> def single_inputs(problem, budget):
    ...     yield from (Variable(k) for k in range(problem.x.shape[1]))
    >>> x = np.ones((4, 2))
    >>> list(single_inputs(LawProblem(x, x[:, 0], x, x[:, 0], ("a", "b")), Budget()))
    [Variable(index=0), Variable(index=1)]
    """

    def __call__(self, problem: LawProblem, budget: Budget) -> Iterator[Expression]: ...


@dataclass(frozen=True)
class Reduction:
    """A smaller problem whose solution solves the larger one."""

    problem: LawProblem  # the smaller problem, with the same rows
    # turns an expression of the smaller problem's columns into one of the larger problem's columns
    rebuild: Callable[[Expression], Expression]
    sentence: str  # what was recognised, for example "y/(m1*m2) depends on r1 and r2 through r1 - r2"
    error: float  # relative root mean square held-out error of a smooth model of the smaller problem
    # whether the smaller problem's own reductions were searched for already, so that nobody need ask again
    is_final: bool = False


@dataclass(frozen=True)
class Separation:
    """Several smaller problems whose solutions together solve the larger one, such as y = g(x1) + h(x2, x3)."""

    # The targets of the smaller problems come from a smooth model, so they are as accurate as `error`, which their
    # `noise` states: the joint formula needs its constants fitted to the larger problem.

    # the smaller problems, the one of the fewest inputs first. Their rows may differ from those of the larger one
    problems: tuple[LawProblem, ...]
    # turns one expression of each smaller problem's columns into one of the larger problem's columns
    rebuild: Callable[[Sequence[Expression]], Expression]
    sentence: str  # what was recognised, for example "y is a function of x1 plus a function of x2 and x3"
    error: float  # relative root mean square held-out error of the smooth model that has this form
