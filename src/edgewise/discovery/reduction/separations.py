"""Laws that are a sum or a product of functions of separate inputs.

 - y = g(x_S) + h(x_T) exactly if all mixed second derivatives between S and T vanish.
 - y = g(x_S) h(x_T), of one sign, exactly if those of log|y| vanish.

The derivatives are those of a smooth model and only order the proposals; each is tested by a model that has the form.
Compositions F(g(x_S), x_T) and products that change their sign are not looked for: of 306 laws the first helped to find
none and the second occurred in none.

References
----------
S.-M. Udrescu et al., AI Feynman 2.0, NeurIPS 2020, section 2.2 (arXiv 2006.10782).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from edgewise.discovery.problem import LawProblem, Separation
from edgewise.discovery.reduction.smooth_models import fit_smooth_model
from edgewise.discovery.reduction.steps import Step, is_confirmed
from edgewise.formulas.expression import Add, Expression, Multiply, Variable, substituted
from edgewise.outcomes import Budget
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class SeparationSettings:
    """Which separations are recognised, and by how many rows."""

    # Interactions that a proposal neglects, as a share of the largest interaction; each is tested later.
    largest_neglected: float = 0.3
    interaction_rows: int = 200  # Rows at which second derivatives are compared.
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
    # Mixed derivatives vanish between the terms of a sum; those of log y, y f_ij - f_i f_j, between the factors of a
    # product.
    by_sum = second
    by_product = second * factor - products
    for is_product, interaction in ((False, by_sum), (True, by_product)):
        # The first partition whose model predicts left-out rows as well.
        size = np.sqrt(np.mean(interaction**2, axis=0))
        for partition in _partitions(size, float(np.sqrt(np.mean(first**2))) * SETTINGS.least_interaction):
            if budget.is_over:
                return
            found = _separated(step, partition, is_product)
            if found is not None:
                yield found
                return


def _partitions(size: np.ndarray, least: float) -> list[Partition]:
    """Groups of inputs with small interactions between them, the finest first; size is (inputs, inputs)."""
    from scipy.sparse.csgraph import connected_components  # imported late: `import edgewise` stays light

    inputs = len(size)
    pairs = list(combinations(range(inputs), 2))
    largest = max(size[i, j] for i, j in pairs)
    found: list[Partition] = []
    # Single-linkage clustering: connected components of the interactions above each limit.
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
        return None
    # An additive Gaussian process with one kernel for each group, of log|y| for a product.
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
        constant = 0.0
        sign = 1
        if group is not groups[0]:
            constant = model.scales.target_centre
            sign = model.scales.log_target
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


def _joined(
    step: Step, groups: Sequence[tuple[int, ...]], problems: Sequence[LawProblem], is_product: bool, error: float
) -> Separation:
    """The sum or the product of parts that are functions of these groups."""

    def rebuild(parts: Sequence[Expression]) -> Expression:
        placed = tuple(
            substituted(part, [Variable(i) for i in group]) for part, group in zip(parts, groups, strict=True)
        )
        if is_product:
            return Multiply(placed)
        return Add(placed)

    what = " and ".join(f"({', '.join(step.problem.names[i] for i in group)})" for group in groups)
    sentence = f"{step.problem.target} is a {('sum', 'product')[is_product]} of functions of {what}"
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
