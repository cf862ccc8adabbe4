"""Fewer inputs before any search: reductions of a law that a smooth model of the data suggests and the data confirm.

A reduction writes y = m(x) F(p_1(x), ..., p_k(x)) with a known monomial m and fewer inputs p than x. Proposals come
from the gradients of a Gaussian process (`symmetries`); each is tested by a model of the smaller problem, which must
predict left-out rows as well. After a reduction the model is more accurate, so the search is repeated until nothing is
left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.discovery.problem import LawProblem, Reduction, Separation
from edgewise.discovery.reduction.curve_sums import proposed_curve_sums
from edgewise.discovery.reduction.dimensions import dimensional_symmetries
from edgewise.discovery.reduction.separations import proposed_separations
from edgewise.discovery.reduction.steps import (
    Change,
    Step,
    applied,
    first_step,
    is_confirmed,
    rebuilding,
    sentence_of,
)
from edgewise.discovery.reduction.symmetries import Symmetry, simple_symmetries, symmetries_of_gradients
from edgewise.formulas.expression import (
    Expression,
    Multiply,
    Variable,
    exact_number,
    exponents_of,
    monomial,
    sum_of,
    walk,
)
from edgewise.formulas.rewriting import ONE, simplify
from edgewise.outcomes import Budget


@dataclass(frozen=True)
class ChainSettings:
    """How many reductions are tested."""

    # Relative error above which gradients say nothing: half of the deviation of y is unexplained.
    hopeless_error: float = 0.5
    # Proposals of symmetries and of sums of curves that are tested at each step, each a tenth to a third of a second.
    most_tests: int = 8
    most_curve_tests: int = 4
    gradient_rows: int = 400  # Rows at which gradients are compared.


SETTINGS = ChainSettings()


def reductions(problem: LawProblem, budget: Budget) -> Iterator[float | Reduction | Separation]:
    """The noise by the model of the smallest problem, that problem, its separations, and the problems on the way."""
    # Units come first and are not tested: InputError for a target that is inconsistent with them.
    steps = _chain(problem, budget)
    if steps and steps[-1].noise:
        yield steps[-1].noise
    # The smallest problem first, then the larger ones on the way to it.
    for count in range(len(steps) - 1, 0, -1):
        step = steps[count]
        rebuild = rebuilding(step.changes)
        sentence = sentence_of(problem.names, step.changes, problem.target)
        yield Reduction(step.problem, rebuild, sentence, step.error, is_final=True)
        if count == len(steps) - 1:
            yield from _separations_of(step, problem, budget)
    if len(steps) == 1:
        yield from _separations_of(steps[0], problem, budget)


def _separations_of(step: Step, problem: LawProblem, budget: Budget) -> Iterator[Separation]:
    """Separations of a reduced problem, rebuilt in the columns of the first one."""
    whole = rebuilding(step.changes)
    for found in proposed_separations(step, budget):
        sentence = found.sentence
        if step.changes:
            sentence = f"{sentence_of(problem.names, step.changes, problem.target)}; then {sentence}"

        def rebuild(parts: Sequence[Expression], found: Separation = found) -> Expression:
            return whole(found.rebuild(parts))

        yield Separation(found.problems, rebuild, sentence, found.error)


def _chain(problem: LawProblem, budget: Budget) -> list[Step]:
    """The problem and ever smaller ones, each tested against the one before it."""
    if budget.is_over:
        return []
    # Greedy descent: Buckingham's theorem where units are given, then one reduction after the other.
    steps = _dimensionless(problem)
    step = steps.pop() if steps else first_step(problem)
    while step is not None:
        steps.append(step)
        if budget.is_over or not step.problem.names or step.error > SETTINGS.hopeless_error:
            break
        step = _reduced_once(step, budget)
        if step is not None:
            budget.report(sentence_of(problem.names, step.changes, problem.target))
    return steps


def _dimensionless(problem: LawProblem) -> list[Step]:
    """The problem, without a model, and one whose inputs have no units; nothing without units."""
    for symmetry in dimensional_symmetries(problem.names, problem.options.units):
        whole = first_step(replace(problem, x=problem.x[:, :0], held_x=problem.held_x[:, :0]))
        if whole is None:
            return []
        whole = replace(whole, problem=problem)
        smaller = applied(whole, change_of(symmetry, len(problem.names)))
        if smaller is not None:
            return [whole, smaller]
    return []


def _reduced_once(step: Step, budget: Budget) -> Step | None:
    """A smaller problem that is modelled as well."""
    # Without noise a false reduction fails clearly, and the first that does not is taken. With noise all proposals are
    # tested, and of those within one standard error of the most accurate the simplest is taken.
    tested = set()
    confirmed = []
    for change in _proposals(step):
        if change in tested:
            continue
        tested.add(change)
        if budget.is_over:
            break
        smaller = applied(step, change, fast=not step.is_clean)
        if smaller is not None and is_confirmed(step, smaller):
            if step.is_clean:
                return smaller
            confirmed.append(smaller)
    if not confirmed:
        return None
    # The rule of one standard error: the simplest change among the ones as accurate as the best.
    leading = min(confirmed, key=lambda smaller: smaller.error)
    best = min((smaller for smaller in confirmed if is_confirmed(leading, smaller)), key=_simplicity)
    # The full model in place of the fast one, where it is more accurate.
    whole = applied(step, best.changes[-1])
    return whole if whole is not None and whole.error < best.error else best


def _simplicity(step: Step) -> tuple[int, int, int]:
    """Broken exponents, inputs and symbols of the last change."""
    change = step.changes[-1]
    nodes = [node for part in (*change.inputs, change.factor) for node in walk(part)]
    broken = sum(exponent % 1 != 0 for part in (*change.inputs, change.factor) for exponent in exponents_of(part))
    return broken, len(change.inputs), len(nodes)


def _proposals(step: Step) -> Iterator[Change]:
    """Changes that symmetries of the model suggest."""
    problem = step.problem
    x = step.problem.x[: SETTINGS.gradient_rows]
    # A constant model depends on no input.
    if not step.model.groups:
        yield Change((), ONE)
        return
    # Translations and scalings, from null spaces of the gradients.
    value = None
    if not step.model.scales.log_target:
        value = step.model.predict(x)
    found = symmetries_of_gradients(step.model.gradient(x), value, x)
    if not step.is_clean:
        found = sorted([*found, *simple_symmetries(step.model, x)], key=lambda symmetry: symmetry.doubt)
    for symmetry in found[: SETTINGS.most_tests]:
        yield change_of(symmetry, len(problem.names))
    # Sums of curves of two inputs.
    for proposal in proposed_curve_sums(step.model, x, algebraic=not step.is_clean)[: SETTINGS.most_curve_tests]:
        others = [k for k in range(len(problem.names)) if k not in proposal.inputs]
        yield Change((proposal.combination, *map(Variable, others)), ONE)


def change_of(symmetry: Symmetry, inputs_before: int) -> Change:
    """The combinations that do not change under a symmetry, and the monomial that takes up its factors."""
    kept = [j for j in range(inputs_before) if j not in symmetry.pivots]
    rows = list(zip(symmetry.pivots, symmetry.basis, strict=True))
    inputs = []
    for j in kept:
        # Invariants of the symmetry: differences x_j - sum w x_p of a translation, monomials x_j / prod x_p^w of a
        # scaling.
        if symmetry.kind == "translation":
            terms = sorted([(j, 1.0), *((p, -row[j]) for p, row in rows if row[j])])
            sign = np.sign(terms[0][1])
            signed = [Multiply((exact_number(sign * number), Variable(i))) for i, number in terms]
            inputs.append(simplify(sum_of(signed)))
        else:
            inputs.append(monomial(sorted([(j, 1.0), *((p, -row[j]) for p, row in rows)])))
    factor = monomial(sorted(zip(symmetry.pivots, symmetry.degrees, strict=True)))
    return Change(tuple(inputs), factor)
