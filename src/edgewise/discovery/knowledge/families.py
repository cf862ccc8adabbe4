"""The search for a family of laws: one formula for all groups of rows, with constants that differ by group.

The shape of the law comes from searches of the largest groups alone and of all rows on one scale. Each shape is fitted
to all groups, at first with all constants by group. A constant is shared where Schwarz's criterion prefers one value to
one for each group [1]_. The choice among shapes is that of every search: the shortest within a standard error of the
best.

References
----------
.. [1] G. Schwarz, "Estimating the dimension of a model", The Annals of Statistics 6 (1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.discovery.knowledge.smooth_parts import SETTINGS as SMOOTH_PARTS
from edgewise.discovery.knowledge.smooth_parts import Polynomials
from edgewise.discovery.losses import Box, Candidate, Judgement, is_as_good
from edgewise.discovery.problem import LawProblem
from edgewise.errors import InputError
from edgewise.formulas.constants import (
    EXACT,
    FittedExpression,
    FreeConstants,
    fit_constants,
    free_places,
    recognise,
    standard_errors,
    without_redundant_constants,
)
from edgewise.formulas.constants import SETTINGS as CONSTANTS
from edgewise.formulas.expression import (
    Add,
    Call,
    Expression,
    Multiply,
    Number,
    Variable,
    constant_values,
    evaluate,
    exchanged,
    used_variables,
    values_and_derivatives,
)
from edgewise.formulas.family import Family
from edgewise.formulas.formula import Formula
from edgewise.formulas.front import Front, FrontEntry
from edgewise.formulas.rewriting import simplify
from edgewise.ops.gauss_newton import LeastSquaresLimits, least_squares
from edgewise.outcomes import Budget, StopReason, spend
from edgewise.presentation import percent_text
from edgewise.settings import ABOVE_ZERO, CALL_WORK, PRODUCT_SPEED


@dataclass(frozen=True)
class FamilySettings:
    """Limits of groups and constants, and the work of a search for a family."""

    searched_groups: int = 3  # groups that are searched alone, at most, those of most rows
    search_share: float = 0.8  # of the work, for these searches and that of all rows
    most_groups: int = 200  # the normal equations have the product of this and the next as size
    most_parameters: int = 6
    least_group_rows: int = 4  # rows of a group: two constants and something to judge them by
    least_searched_rows: int = 20  # rows of a group that is searched alone, as of every search
    scale_degrees: tuple[int, ...] = (1, 2, 3, 4, 6, 8)  # of the smooth function of groups on one scale
    scale_turns: int = 30  # of its fit
    least_scale: float = 0.05  # scale of a group over the largest for which it shows anything of the function
    most_shapes: int = 16  # shapes of one search that are fitted to all groups
    steps: int = 40  # Levenberg-Marquardt steps of a fit, at most
    disagreement: float = 2.0  # error of the shared law over that of a group's own, from which on a sentence names it


SETTINGS = FamilySettings()


@dataclass(frozen=True)
class Groups:
    """Rows with the numbers of their groups."""

    x: np.ndarray  # (N, inputs)
    y: np.ndarray  # (N,)
    weights: np.ndarray  # (N,), of mean 1
    codes: np.ndarray  # (N,), numbers of the groups, from 0

    def part(self, rows: np.ndarray) -> Groups:
        """Some of the rows."""
        weights = self.weights[rows]
        return Groups(self.x[rows], self.y[rows], weights / weights.mean(), self.codes[rows])

    def with_values(self, values: np.ndarray) -> np.ndarray:
        """The inputs beside the constants (groups, constants) of each row's group."""
        return np.column_stack([self.x, values[self.codes]])

    def squares(self, node: Expression, values: np.ndarray) -> np.ndarray:
        """Weighted squared errors, (N,)."""
        with np.errstate(all="ignore"):
            return self.weights * (evaluate(node, self.with_values(values)) - self.y) ** 2


@dataclass(frozen=True)
class FamilyFit:
    """A law with its constants."""

    # of the inputs and, behind them, of the constants by group; its free numbers are shared by all groups
    node: Expression
    values: np.ndarray  # (groups, constants), the constants by group and their standard errors
    errors: np.ndarray
    shared_errors: tuple[float, ...]  # standard errors of the numbers of `node`, as in `FittedExpression`
    loss: float  # weighted mean squared error

    @property
    def constants(self) -> int:
        """Number of fitted numbers."""
        return self.values.size + len(free_places(self.node))


def checked_groups(groups: object, rows: int) -> tuple[tuple[Hashable, ...], np.ndarray]:
    """The labels in the order of their first rows, and the number of each row's group."""
    labels = groups.tolist() if isinstance(groups, np.ndarray) else list(groups)  # type: ignore[call-overload]
    if len(labels) != rows:
        raise InputError(f"options.groups must have a label for each of the {rows} rows, got {len(labels)}")
    try:
        known = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    except TypeError as error:
        raise InputError(f"options.groups must hold labels, got {type(labels[0]).__name__}") from error
    codes = np.array([known[label] for label in labels])
    if not 2 <= len(known) <= SETTINGS.most_groups:
        raise InputError(f"options.groups must have from 2 to {SETTINGS.most_groups} groups, got {len(known)}")
    counts = np.bincount(codes)
    if counts.min() < SETTINGS.least_group_rows:
        label = list(known)[int(counts.argmin())]
        least = SETTINGS.least_group_rows
        raise InputError(
            f"options.groups must have at least {least} rows in each group, got {counts.min()} of {label!r}"
        )
    return tuple(known), codes


class GroupLoss:
    """Squared errors of a law with constants by group; a `Loss`."""

    name = "squared error"

    def __init__(
        self,
        problem: LawProblem,
        labels: Sequence[Hashable],
        codes: np.ndarray,
        held_codes: np.ndarray,
        budget: Budget,
    ):
        self.problem = problem
        self.labels = labels
        self.budget = budget
        self.exact = problem.exact_loss
        self.own: dict[int, Formula] = {}  # laws of groups that were searched alone
        self.rows = Groups(problem.x, problem.y, problem.weights / problem.weights.mean(), codes)
        self.held = Groups(problem.held_x, problem.held_y, problem.held_share, held_codes)
        self.everything = Groups(
            np.concatenate([self.rows.x, self.held.x]),
            np.concatenate([self.rows.y, self.held.y]),
            np.concatenate([self.rows.weights, self.held.weights]),
            np.concatenate([codes, held_codes]),
        )
        # A law has to be defined in the box of each group's rows, with the constants of the group.
        every = self.everything
        count = len(labels)
        boxes = [Box.of(every.x[every.codes == group]) for group in range(count)]
        points = np.concatenate([every.x, *(box.points[::count] for box in boxes)])
        kinds = np.concatenate([np.full(len(every.x), Box.NEAR), *(box.kinds[::count] for box in boxes)])
        sizes = [len(box.points[::count]) for box in boxes]
        self.box = Box(points, kinds, len(every.x))
        self.box_codes = np.append(every.codes, np.repeat(np.arange(count), sizes))

    def judged(self, node: Expression) -> Candidate[FamilyFit] | None:
        """A shape with constants fitted to the rows to fit, as many of them shared as Schwarz's criterion prefers."""
        fitted = _best_family(node, self.rows, len(self.labels), self.budget)
        if fitted is None:
            return None
        squares = self.held.squares(fitted.node, fitted.values)
        points = Groups(self.box.points, np.empty(0), np.empty(0), self.box_codes).with_values(fitted.values)
        box = replace(self.box, points=points)
        return Candidate.of(fitted.node, fitted, squares, box, self.exact)

    def as_good(self, front: Sequence[Candidate[FamilyFit]], entries: Sequence[FrontEntry]) -> tuple[int, ...]:
        """Places of the laws within one standard error of the best."""
        best = min(range(len(front)), key=lambda k: (max(front[k].held, self.exact), k))
        squares = [each.losses for each in front]
        return tuple(k for k in range(len(front)) if k == best or is_as_good(squares[k], squares[best], self.exact))

    def of_constant(self) -> tuple[float, float]:
        """Variances of the target."""
        y = self.everything.y
        variance = float(np.average((y - y.mean()) ** 2, weights=self.everything.weights))
        return variance, self.problem.held_variance

    def entry(self, candidate: Candidate[FamilyFit]) -> FrontEntry:
        """The law fitted to all rows, with shared numbers in closed form where the rows decide them."""
        rows = self.everything
        budget = self.budget
        names = self.problem.names
        fitted = candidate.fit
        # The law refitted to all rows, then again with the closed forms that they decide.
        final = _fitted(fitted.node, fitted.values, rows, budget) or fitted
        columns = rows.with_values(final.values)
        known = recognise(
            FittedExpression(final.node, final.loss, final.shared_errors),
            columns,
            rows.y,
            weight=rows.weights,
            budget=budget,
        )
        if known.expression != final.node:
            final = _fitted(known.expression, final.values, rows, budget) or final
        # Simplification may leave constants by group without a place in the law.
        node = simplify(final.node)
        values = final.values
        inputs = rows.x.shape[1]
        for constant in reversed(range(values.shape[1])):
            if inputs + constant not in used_variables(node):
                node = _without_variable(node, inputs + constant, Number(0.0))
                values = np.delete(values, constant, axis=1)
        final = _fitted(node, values, rows, budget) or final
        # Names of the constants by group that no input has.
        prefix = "c"
        if any(name.startswith("c_") for name in names):
            prefix = "constant"
        parameters = tuple(f"{prefix}_{k + 1}" for k in range(final.values.shape[1]))
        law = Formula(final.node, (*names, *parameters))
        family = Family(law, parameters, tuple(self.labels), final.values, final.errors)
        return FrontEntry(
            law, final.loss, validation=candidate.held, constant_errors=final.shared_errors, family=family
        )

    def sentences(self, entries: Sequence[FrontEntry], choice: FrontEntry) -> Iterator[str]:
        """Which constants differ by group, and which groups do not keep to the law."""
        labels = self.labels
        family = choice.family
        assert family is not None, "entries of a family have one"
        verb = "differ" + "s" * (len(family.parameters) == 1)
        if family.parameters:
            names = ", ".join(family.parameters)
            yield f"One law for {len(labels)} groups; {names} {verb} by group, see `best.family`."
        else:
            yield f"One law for {len(labels)} groups; no constant differs between them."
        if choice.validation <= self.exact:
            yield "The best formula is exact to rounding."
            return
        # Groups that were searched alone: the shared law against the law of the group, by a test of their squared
        # errors at its rows.
        for group, formula in self.own.items():
            part = self.everything.part(np.flatnonzero(self.everything.codes == group))
            shared = part.squares(family.law.expression, family.values)
            with np.errstate(all="ignore"):
                alone = part.weights * (formula(part.x) - part.y) ** 2
            deviation = max(float(np.std(part.y)), ABOVE_ZERO)
            errors = [math.sqrt(float(squares.mean())) / deviation for squares in (shared, alone)]
            if not is_as_good(shared, alone, self.exact) and errors[0] > SETTINGS.disagreement * errors[1]:
                shown = [percent_text(error) for error in errors]
                yield (
                    f"Group {labels[group]!r} does not keep to the shared law: an error of {shown[0]} of its "
                    f"deviation, with the law {formula} of its own {shown[1]}."
                )


@dataclass(frozen=True)
class FamilySearch:
    """The stage that proposes shapes of a law, from searches of the largest groups and of all rows on one scale."""

    judgement: Judgement[FamilyFit]  # of the whole search
    loss: GroupLoss  # its loss
    search: Callable[[Groups, Budget], Front]  # for formulas of some rows

    def __call__(self, problem: LawProblem, budget: Budget) -> Iterator[Expression]:
        """Shapes of each search, good ones first, until a law is exact."""
        rows = self.loss.rows
        count = len(self.loss.labels)
        sizes = np.bincount(rows.codes, minlength=count)
        largest = [int(k) for k in np.argsort(-sizes, kind="stable")[: SETTINGS.searched_groups]]
        groups = [k for k in largest if sizes[k] >= SETTINGS.least_searched_rows]
        # The largest groups one by one; the time of one that ends early goes to the next.
        for place, group in enumerate(groups):
            share = budget.share(SETTINGS.search_share / (len(groups) + 1 - place))
            budget.report(f"group {place + 1} alone")
            part = rows.part(np.flatnonzero(rows.codes == group))
            front = self.search(part, share)
            self.loss.own[group] = front.best.formula
            yield from self._shapes(front, part, budget)
            if self.judgement.solved is not None or front.stopped == StopReason.INTERRUPTED:
                return
        # All groups together, after a line a y + b by group.
        budget.report("all groups on one scale")
        part = _on_one_scale(rows, count)
        share = budget.share(SETTINGS.search_share)
        yield from self._shapes(self.search(part, share), part, budget)

    def _shapes(self, front: Front, part: Groups, budget: Budget) -> list[Expression]:
        """Shapes of the formulas of a front, those near its choice first."""
        best = front.best_place
        ranked: list[tuple[float, Expression]] = []
        for number, entry in enumerate(front):
            rank = abs(number - best) + 0.5 * (number > best)
            # Numbers other than 1 and -1 are free: what is 2 in one group may be 3 in another. Exponents stay; so do
            # numbers that others make up for.
            shape = exchanged(
                entry.formula.expression,
                lambda n: Number(n.value) if isinstance(n, Number) and abs(n.value) != 1 else None,
            )
            shape = simplify(shape)
            if len(part.y) > 1:
                shape = without_redundant_constants(shape, part.x, part.y, part.weights)
            ranked += [(rank, shape), (rank + 0.2, _with_coefficients(shape, part))]
        budget.report("constants by group")
        return [shape for _, shape in sorted(ranked, key=lambda pair: pair[0])[: SETTINGS.most_shapes]]


def _on_one_scale(rows: Groups, count: int) -> Groups:
    """All rows with (y - b) / a for a target, where y = a h(x) + b with one smooth h, and a and b by group."""
    # A polynomial h, a and b are fitted by turns; Schwarz's criterion chooses the degree. Groups of a few rows each
    # show no law alone, and together they do.
    inputs = rows.x.shape[1]
    n = len(rows.y)
    root = np.sqrt(rows.weights)
    best = rows
    lowest = math.inf
    low = rows.x.min(0)
    high = rows.x.max(0)
    logs = np.zeros(inputs, dtype=bool)
    members = [np.flatnonzero(rows.codes == group) for group in range(count)]
    for degree in SETTINGS.scale_degrees:
        basis = Polynomials(low, high, logs, degree)
        if basis.terms > n / SMOOTH_PARTS.rows_a_term:
            break
        columns = basis.columns(rows.x)[:, 1:]  # the constant belongs to b
        a = np.ones(count)
        b = np.array([rows.y[own].mean() for own in members])
        # Alternating least squares: h with the lines fixed, then the line of each group with h fixed.
        for _ in range(SETTINGS.scale_turns):
            design = columns * (a[rows.codes] * root)[:, None]
            spend(30 * CALL_WORK * count + 4 * design.size * design.shape[1] / PRODUCT_SPEED)
            h = columns @ np.linalg.lstsq(design, (rows.y - b[rows.codes]) * root, rcond=None)[0]
            h /= max(float(np.std(h)), ABOVE_ZERO)
            for group, own in enumerate(members):
                line = np.column_stack([h[own], np.ones(len(own))]) * root[own, None]
                a[group], b[group] = np.linalg.lstsq(line, rows.y[own] * root[own], rcond=None)[0]
        # Schwarz's criterion; groups of almost no slope say nothing about h and are left out.
        left = float(np.mean(rows.weights * (a[rows.codes] * h + b[rows.codes] - rows.y) ** 2))
        criterion = n * math.log(max(left, ABOVE_ZERO)) + math.log(n) * basis.terms
        usable = np.abs(a) > SETTINGS.least_scale * np.abs(a).max()
        if criterion < lowest and usable.any():
            lowest = criterion
            kept = usable[rows.codes]
            scale = np.where(usable, a, 1.0)[rows.codes]
            scaled = Groups(rows.x, (rows.y - b[rows.codes]) / scale, rows.weights * scale**2, rows.codes)
            best = scaled.part(np.flatnonzero(kept))
    return best


def _with_coefficients(node: Expression, rows: Groups) -> Expression:
    """A shape with a free factor of each term and argument: 1 in one group may be 2 in another."""
    one = Number(1.01)  # not 1, which simplification would drop

    def with_factor(part: Expression) -> Expression:
        if isinstance(part, Number):
            return part
        return Multiply((one, part))

    def visit(part: Expression) -> Expression:
        below = [visit(each) for each in part.parts]
        match part:
            case Add() | Call():
                below = [with_factor(each) for each in below]
        return part.with_parts(below)

    whole = visit(simplify(node))
    if len(whole.summands) == 1:
        whole = with_factor(whole)
    node = simplify(whole)
    return without_redundant_constants(node, rows.x, rows.y, rows.weights)


def _best_family(shape: Expression, rows: Groups, count: int, budget: Budget) -> FamilyFit | None:
    """A shape with all constants by group, then with as many shared as Schwarz's criterion prefers.

    None for more constants than the smallest group determines, and for a shape that is not finite in one.
    """
    inputs = rows.x.shape[1]
    free = free_places(shape)
    least = np.bincount(rows.codes, minlength=count).min()
    if len(free) > min(SETTINGS.most_parameters, least - 1):
        return None
    # Least squares of each group alone, from the constants of the shape and from those of the group before
    constants = FreeConstants.of(shape)
    start = constants.start
    values = np.tile(start, (count, 1))
    for group in range(count):
        part = rows.part(np.flatnonzero(rows.codes == group))
        starts = dict.fromkeys([tuple(start), tuple(values[group - 1])])
        fits = []
        for each in starts:
            node = constants.formula(np.array(each))
            fitted = fit_constants(node, part.x, part.y, steps=SETTINGS.steps, weight=part.weights)
            if fitted is not None:
                fits.append(fitted)
        if not fits:
            return None
        best = min(fits, key=lambda fit: fit.loss)
        values[group] = np.array(constant_values(best.expression))[free]
    # The family: a shape whose free numbers are columns, one value for each group.
    new = map(Variable, range(inputs, inputs + len(free)))  # one in place of each free number
    law = exchanged(shape, lambda n: next(new) if isinstance(n, Number) and n.exact is None else None)
    fitted_family = _fitted(law, values, rows, budget)
    floor = EXACT.loss(float(np.var(rows.y)))

    def criterion(fit: FamilyFit) -> float:
        return len(rows.y) * math.log(max(fit.loss, floor, ABOVE_ZERO)) + math.log(len(rows.y)) * fit.constants

    # Backward elimination by Schwarz's criterion: the constant that costs least is shared
    while fitted_family is not None and fitted_family.values.shape[1] and not budget.is_over:
        trials = []
        for k, middle in enumerate(np.median(fitted_family.values, axis=0)):  # one constant shared
            law = _without_variable(fitted_family.node, inputs + k, Number(float(middle)))
            trials.append(_fitted(law, np.delete(fitted_family.values, k, axis=1), rows, budget))
        usable = [trial for trial in trials if trial is not None]
        trial = min(usable, key=criterion, default=None)
        if trial is None or criterion(trial) > criterion(fitted_family):
            break
        fitted_family = trial
    return fitted_family


def _without_variable(node: Expression, index: int, number: Number) -> Expression:
    """A number in place of a variable; the variables behind it move up."""

    def moved(part: Expression) -> Expression | None:
        match part:
            case Variable(place) if place == index:
                return number
            case Variable(place):
                return Variable(place - (place > index))
        return None

    return exchanged(node, moved)


def _fitted(node: Expression, values: np.ndarray, rows: Groups, budget: Budget) -> FamilyFit | None:
    """All shared numbers and all constants by group by Levenberg-Marquardt, with their standard errors."""
    inputs = rows.x.shape[1]
    count, parameters = values.shape
    shared = FreeConstants.of(node)
    by_group = range(inputs, inputs + parameters)
    first = len(shared.places)  # of the constants by group among all that are fitted
    root = np.sqrt(rows.weights)
    everyone = np.arange(len(rows.y))

    # Residuals, and their Jacobian by the shared numbers, dense, and by the constants by group, where each row has
    # entries in the columns of its group alone.
    def residuals_and_jacobian(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = free[first:].reshape(count, parameters)
        predicted, slopes = values_and_derivatives(shared.formula(free[:first]), rows.with_values(own), by_group)
        jacobian = np.zeros((len(rows.y), len(free)))
        jacobian[:, :first] = slopes[:, shared.places]
        for parameter in range(parameters):
            jacobian[everyone, first + rows.codes * parameters + parameter] = slopes[:, parameter - parameters]
        return (predicted - rows.y) * root, jacobian * root[:, None]

    # Levenberg-Marquardt; standard errors from the Jacobian at the optimum and the residual variance.
    start = np.concatenate([shared.start, values.ravel()])
    limits = LeastSquaresLimits(steps=SETTINGS.steps if len(start) else 0, is_over=lambda: budget.is_over)
    fit = least_squares(residuals_and_jacobian, start, rule=CONSTANTS.damping, limits=limits)
    if fit is None:
        return None
    errors = standard_errors(fit.jacobian, fit.loss / max(len(rows.y) - len(start), 1))
    return FamilyFit(
        shared.formula(fit.x[:first]),
        fit.x[first:].reshape(count, parameters),
        errors[first:].reshape(count, parameters),
        shared.spread(errors[:first]),
        fit.loss / len(rows.y),
    )
