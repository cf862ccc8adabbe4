"""Laws that are a sum or a product of functions of separate inputs, or a function of a function of some of them.

 - y = g(x_S) + h(x_T) exactly if all mixed second derivatives between S and T vanish.
 - y = g(x_S) h(x_T) exactly if those of log|y| vanish.
 - y = F(g(x_S), x_T) exactly if the gradient by x_S keeps its direction along x_T: f_i f_jk = f_j f_ik, i and j in S,
   k in T.

The derivatives are those of a smooth model and only order the proposals; each is tested by a model that has the form.

References
----------
S.-M. Udrescu et al., AI Feynman 2.0, NeurIPS 2020, sections 2.2 and 2.3 (arXiv 2006.10782).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from edgewise.discovery.problem import LawProblem, Separation
from edgewise.discovery.reduction.smooth_models import fit_smooth_model
from edgewise.discovery.reduction.steps import Step, is_as_accurate, is_confirmed, substituted
from edgewise.formulas.expression import Add, Expression, Multiply, Variable
from edgewise.outcomes import Budget
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class SeparationSettings:
    """Which separations are recognised, and by how many rows."""

    # Interactions that a proposal neglects, as a share of the largest interaction; each is tested later.
    largest_neglected: float = 0.3
    # Share of the products of derivatives by which a direction may turn; each is tested later.
    largest_turn: float = 0.1
    product_rows: int = 50  # Rows and columns of the table of a product, of rank one.
    interaction_rows: int = 200  # Rows at which second derivatives are compared.
    slices: int = 12  # Rows of the outer inputs among which that of the inner function is chosen.
    most_inner_tests: int = 3  # Inner functions that are tested, at most, each half a second.
    least_interaction: float = 1e-6  # Interactions below this share of the slopes are zero (the accuracy of a model).


SETTINGS = SeparationSettings()

Partition = tuple[tuple[int, ...], ...]


def proposed_separations(step: Step, budget: Budget) -> Iterator[Separation]:
    """Yield the forms of a problem of two or more inputs as several smaller ones, in the columns of its step."""
    if len(step.problem.names) < 2 or not step.model.groups:
        return
    x = step.problem.x[: SETTINGS.interaction_rows]
    scales = step.model.scales
    # Derivatives by the scaled inputs, of y; divided by y where the model is of log|y|.
    first = step.model.gradient(x) / scales.slopes(x)
    second = scales.target_width * step.model.scaled_hessian(x)
    products = first[:, :, None] * first[:, None, :]
    if scales.log_target:
        second = second + products
    factor = 1.0 if scales.log_target else step.model.predict(x)[:, None, None]
    by_sum = second
    by_product = second * factor - products
    for is_product, interaction in ((False, by_sum), (True, by_product)):
        size = np.sqrt(np.mean(interaction**2, axis=0))
        for partition in _partitions(size, float(np.sqrt(np.mean(first**2))) * SETTINGS.least_interaction):
            if budget.is_over:
                return
            found = _separated(step, partition, is_product)
            if found is not None:
                yield found
                return
    if len(step.problem.names) > 2:
        yield from _inner_functions(step, first, second, budget)


def _partitions(size: np.ndarray, least: float) -> list[Partition]:
    """Groups of inputs with small interactions between them, the finest first; size is (inputs, inputs)."""
    from scipy.sparse.csgraph import connected_components  # imported late: `import edgewise` stays light

    inputs = len(size)
    pairs = list(combinations(range(inputs), 2))
    largest = max(size[i, j] for i, j in pairs)
    found: list[Partition] = []
    for limit in sorted({float(size[i, j]) for i, j in pairs}, reverse=True):
        if limit > max(SETTINGS.largest_neglected * largest, least) and inputs > 2:
            continue
        count, group = connected_components(np.triu(size, 1) > limit, directed=False)
        partition = tuple(tuple(np.flatnonzero(group == k).tolist()) for k in range(count))
        if len(partition) > 1 and partition not in found:
            found.append(partition)
    return found


def _separated(step: Step, partition: Partition, is_product: bool) -> Separation | None:
    """The parts of a sum or product of functions of these groups, if a model of that form is as accurate."""
    problem = step.problem
    y = step.problem.y
    if is_product and not ((y > 0).all() or (y < 0).all()):
        return _signed_product(step, min(partition, key=len))
    model = fit_smooth_model(
        problem.x, y, weights=problem.weights, groups=partition, log_target=is_product, seed=problem.seed
    )
    if model is None:
        return None
    tested = replace(step, model=model)
    if not is_confirmed(step, tested):
        return None
    groups = sorted(partition, key=len)
    problems = []
    for group in groups:
        # The constant, or the sign and the factor, of the whole belongs to the first part.
        if group is not groups[0]:
            constant = model.scales.target_centre
        else:
            constant = 0.0
        if group is not groups[0]:
            sign = model.scales.log_target
        else:
            sign = 1
        parts = [g for g, other in enumerate(partition) if other != group]
        others = constant + sum(model.part(problem.x, g) for g in parts)
        held_others = constant + sum(model.part(problem.held_x, g) for g in parts)
        if is_product:
            factor = sign * np.exp(others)
            held_factor = sign * np.exp(held_others)
            target = y / factor
            held = problem.held_y / held_factor
            gain = factor**2
        else:
            target = y - others
            held = problem.held_y - held_others
            gain = np.ones(len(y))
        error = model.error * float(np.mean(1 / np.sqrt(gain)))
        problems.append(_part(problem, group, (target, held), gain * problem.weights, error))
    return _joined(step, groups, problems, is_product, tested.error)


def _signed_product(step: Step, group: tuple[int, ...]) -> Separation | None:
    """A product of a function of these inputs and one of the others, where y changes its sign.

    The values of the model at all pairs of some x_S and some x_T are a matrix of rank one, and its first singular
    vectors weigh the rows of which each factor is a mean.
    """
    problem = step.problem
    model = step.model
    rest = tuple(k for k in range(len(problem.names)) if k not in group)
    groups = (group, rest)
    some = problem.x[: SETTINGS.product_rows]

    def table(x: np.ndarray, columns: tuple[int, ...]) -> np.ndarray:
        """The model at every row x in these columns, with the others from each of some rows, (N, some)."""
        rows = np.repeat(some[None], len(x), axis=0)
        rows[:, :, list(columns)] = x[:, None, list(columns)]
        return model.predict(rows.reshape(-1, x.shape[1])).reshape(len(x), -1)

    left, singular, right = np.linalg.svd(table(some, group))
    if not singular[0]:
        return None
    parts = [
        (table(x, group) @ right[0] / singular[0], table(x, rest) @ left[:, 0]) for x in (problem.x, problem.held_x)
    ]
    squares = ((problem.held_y - parts[1][0] * parts[1][1]) * step.held_scale) ** 2
    if not is_as_accurate(step, squares):
        return None
    share = model.error / max(float(np.std(problem.y)), ABOVE_ZERO)
    problems = [
        _part(problem, columns, (y, held), np.empty(0), share * float(np.std(y)))
        for columns, y, held in zip(groups, *parts, strict=True)
    ]
    error = float(np.sqrt(np.mean(squares) / max(step.variance, ABOVE_ZERO)))
    return _joined(step, groups, problems, True, error)


def _joined(
    step: Step, groups: Sequence[tuple[int, ...]], problems: Sequence[LawProblem], is_product: bool, error: float
) -> Separation:
    """The sum or the product of parts that are functions of these groups."""

    def rebuild(parts: Sequence[Expression]) -> Expression:
        placed = tuple(
            substituted(part, [Variable(i) for i in group]) for part, group in zip(parts, groups, strict=True)
        )
        return Multiply(placed) if is_product else Add(placed)

    what = " and ".join(f"({', '.join(step.problem.names[i] for i in group)})" for group in groups)
    sentence = f"{step.problem.target} is a {'product' if is_product else 'sum'} of functions of {what}"
    return Separation(tuple(problems), rebuild, sentence, error)


def _part(
    problem: LawProblem,
    columns: Sequence[int],
    targets: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    error: float,
) -> LawProblem:
    """A part with its own columns, targets to fit and held out, and the noise that the model of the others leaves."""
    names = tuple(problem.names[i] for i in columns)
    return replace(
        problem,
        x=problem.x[:, list(columns)],
        held_x=problem.held_x[:, list(columns)],
        y=targets[0],
        held_y=targets[1],
        weights=weights,
        names=names,
        target=f"f({', '.join(names)})",
        noise=max(problem.noise, error / max(float(np.std(targets[0])), ABOVE_ZERO)),
        options=problem.options.of_smaller_problem(),
    )


def _inner_functions(step: Step, first: np.ndarray, second: np.ndarray, budget: Budget) -> Iterator[Separation]:
    """Forms F(g(x_S), x_T), the most credible first, each with the values of g from the model at one x_T."""
    inputs = len(step.problem.names)
    proposals = []
    for count in range(2, inputs):
        for inner in combinations(range(inputs), count):
            turns = [
                _turn(first[:, i] * second[:, j, k], first[:, j] * second[:, i, k])
                for i, j in combinations(inner, 2)
                for k in range(inputs)
                if k not in inner
            ]
            proposals.append((max(turns), inner))
    for turn, inner in sorted(proposals)[: SETTINGS.most_inner_tests]:
        if turn > SETTINGS.largest_turn or budget.is_over:
            return
        found = _with_inner_function(step, inner)
        if found is not None:
            yield found


def _turn(left: np.ndarray, right: np.ndarray) -> float:
    """0 if the two are equal everywhere, at most 1."""
    size = math.sqrt(float(np.mean((np.abs(left) + np.abs(right)) ** 2)))
    if size > 0:
        return math.sqrt(float(np.mean((left - right) ** 2))) / size
    return 0.0


def _with_inner_function(step: Step, inner: tuple[int, ...]) -> Separation | None:
    """The inner function as a problem, and the outer one with the inner one's values, if that is as accurate."""
    problem = step.problem
    model = step.model
    outer = [k for k in range(len(problem.names)) if k not in inner]

    def values(x: np.ndarray, at: np.ndarray) -> np.ndarray:
        moved = x.copy()
        moved[:, outer] = at
        return model.predict(moved)

    # The row of x_T at which the inner function shows most.
    rows = problem.x[: SETTINGS.slices][:, outer]
    at = max(rows, key=lambda row: float(np.std(values(problem.x[: SETTINGS.interaction_rows], row))))
    g = values(problem.x, at)
    held_g = values(problem.held_x, at)
    x, held_x = np.column_stack([g, problem.x[:, outer]]), np.column_stack([held_g, problem.held_x[:, outer]])
    outer_model = fit_smooth_model(x, problem.y, weights=problem.weights, seed=problem.seed)
    if outer_model is None:
        return None
    shown = ", ".join(problem.names[i] for i in inner)
    outer_problem = replace(problem, x=x, held_x=held_x, names=(f"g({shown})", *(problem.names[k] for k in outer)))
    tested = replace(step, problem=outer_problem, model=outer_model)
    if not is_confirmed(step, tested):
        return None

    def rebuild(parts: Sequence[Expression]) -> Expression:
        inside = substituted(parts[0], [Variable(i) for i in inner])
        return substituted(parts[1], [inside, *(Variable(k) for k in outer)])

    rest = ", ".join(problem.names[k] for k in outer)
    problems = (
        _part(problem, inner, (g, held_g), np.empty(0), model.error),
        _part(outer_problem, range(len(outer) + 1), (problem.y, problem.held_y), problem.weights, model.error),
    )
    return Separation(problems, rebuild, f"{problem.target} is a function of g({shown}) and {rest}", tested.error)
