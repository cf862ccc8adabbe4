"""Choice of the columns of a design from rows: knots and curves (`design_of`), straight lines, pairs (`with_pairs`).

Wood, Generalized Additive Models (2nd ed.), section 5.4.1: curves of mean zero; section 5.6.3: pairs without what the
main effects explain; section 5.8: a category as a random effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from edgewise.gam.basis import (
    DEGREE,
    MARGIN_KINDS,
    Curves,
    Margin,
    PairPart,
    Size,
    active,
    column_of,
    curve_margin,
    curves_of,
    dense,
    greville,
    margin_of,
    purified,
    spline_gram,
    standardised,
)
from edgewise.gam.constraints import Constraints
from edgewise.gam.design import Design, Pair
from edgewise.gam.policy import AdditivePolicy

Array = NDArray[np.float64]


def design_of(
    x: Array,
    weight: Array,
    policy: AdditivePolicy | None = None,
    groups: Sequence[Sequence[int]] = (),
    constraints: Constraints | None = None,
    *,
    is_bare: bool = False,
) -> Design:
    """Choose knots and functions from finite rows x (N, inputs) and weights (N,); no responses are seen.

    A weight counts as a number of equal rows, and at least one is positive. `groups` are columns that are the
    indicators of one category each, which share one ridge, as a random effect. With `is_bare` all curves are left
    out, see `with_curves`.
    """
    policy = policy or AdditivePolicy()
    x, weight = _counted(x, weight)
    total = float(weight.sum())
    intervals = policy.intervals(total)
    columns = tuple(column_of(x[:, j], weight, intervals, policy) for j in range(x.shape[1]))
    empty = Curves(np.zeros((intervals + DEGREE, 0)), ())
    levels = tuple(tuple(int(j) for j in members) for members in groups)
    bare = Design(policy, columns, (empty,) * len(columns), np.array([-1]), (), total, (), constraints, levels)
    if is_bare:
        return bare
    return with_curves(bare, range(len(columns)), x, weight)


def with_curves(design: Design, inputs: Iterable[int], x: Array, weight: Array) -> Design:
    """Return the design with the curves of these inputs and no others, and without pairs.

    Constant inputs have none. The rows and weights are those of `design_of`.
    """
    x, weight = _counted(x, weight)
    policy = design.policy
    constraints = design.constraints
    chosen = {j for j in inputs if design.inputs[j].distinct > 1}
    most = policy.wiggly(sum(design.inputs[j].distinct > 2 for j in chosen), design.rows)
    levels = {j for members in design.levels for j in members}
    curves = []
    for j, column in enumerate(design.inputs):
        if j not in chosen:
            curves.append(Curves(np.zeros((len(column.knots) - DEGREE - 1, 0)), ()))
            continue
        gram = spline_gram(x[:, j : j + 1], weight, column.knots[None], policy)[0]
        if j in levels and column.distinct == 2:
            # A level's indicator is centred but not scaled, so that levels share one variance.
            indicator = greville(column.knots)
            curves.append(Curves((indicator - gram.sum(0) @ indicator / design.rows)[:, None], ("level",)))
        else:
            own = curves_of(column, gram, design.rows, most, policy)
            if constraints is not None and j in constraints.linear:
                own = Curves(own.change[:, :1], own.kinds[:1])
            curves.append(own)
    numbers, labels = _main_groups(curves, design.levels)
    return replace(design, curves=tuple(curves), groups=numbers, labels=labels, pairs=())


def with_cuts(design: Design, cuts: Mapping[int, Sequence[float]], x: Array, weight: Array) -> Design:
    """Return the design with the same curves, which may have steps at these values of inputs, and without pairs."""
    counted, counts = _counted(x, weight)
    intervals = len(design.inputs[0].knots) - 2 * DEGREE - 1
    columns = list(design.inputs)
    for j, places in cuts.items():
        ends = columns[j].knots[[DEGREE, -DEGREE - 1]]  # of no weight: they may be those of other rows
        values = np.append(counted[:, j], ends)
        columns[j] = column_of(values, np.append(counts, [0.0, 0.0]), intervals, design.policy, places)
    chosen = [j for j, own in enumerate(design.curves) if own.kinds]
    return with_curves(replace(design, inputs=tuple(columns)), chosen, x, weight)


def straight_lines(design: Design, x: Array, weight: Array) -> Design:
    """Return the design of a linear model: straight lines of variance 1 whose slopes share one ridge [1].

    All inputs have one, unless there are more than `AdditivePolicy.most_straight`; then inputs with a curve.
    Indicators of a category keep the ridge that they share. The rows and weights are those of `design_of`.
    """
    # [1] A. Hoerl and R. Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics
    # 12 (1970) 55.
    x, weight = _counted(x, weight)
    has_all = sum(column.distinct > 1 for column in design.inputs) <= design.policy.most_straight
    curves = []
    rows = float(weight.sum())
    for j, (column, own) in enumerate(zip(design.inputs, design.curves, strict=True)):
        if own.kinds == ("level",) or column.distinct < 2 or not (has_all or own.kinds):
            curves.append(own)
            continue
        gram = spline_gram(x[:, j : j + 1], weight, column.knots[None], design.policy)[0]
        mean = gram.sum(0) / rows
        line = standardised(greville(column.knots), mean, gram / rows - np.outer(mean, mean))
        curves.append(Curves(line[:, None], ("straight",)))
    lines = tuple(j for j, own in enumerate(curves) if own.kinds == ("straight",))
    numbers, labels = _main_groups(curves, design.levels, lines)
    return replace(design, curves=tuple(curves), groups=numbers, labels=labels, pairs=())


def with_pairs(
    design: Design, pairs: Sequence[Pair], x: Array, weight: Array, sizes: Mapping[Pair, Size] | None = None
) -> Design:
    """Return the design with these pairs of different inputs and no others; those with a constant are left out.

    The rows and weights are those of `design_of`, `sizes` are the numbers of intervals of the margins, by default that
    of `AdditivePolicy.margin` for this number of rows.
    """
    # The margins of a pair are functions m of the position among the knots, constant beyond the outer quantiles,
    # that become splines by Schoenberg's operator [1]: the coefficient of each B-spline is the value of m at its
    # knot average, so that they lie in the same space as the curves. From their products what the margins alone
    # explain, by least squares over the rows, is subtracted: a pair is orthogonal to every function of one input of
    # that resolution.
    # [1] C. de Boor, "A Practical Guide to Splines" (1978), ch. XI, on Schoenberg's variation diminishing spline
    # approximation.
    x, weight = _counted(x, weight)
    # Pairs that the design has already stay the same objects.
    pairs = [(a, b) for a, b in pairs if design.inputs[a].distinct > 1 and design.inputs[b].distinct > 1]
    usual = design.policy.margin(design.rows)
    wanted = {pair: (sizes or {}).get(pair, design.size_of(pair, usual)) for pair in pairs}
    pair_parts = {part.inputs: part for part in design.pairs if wanted.get(part.inputs) == part.size}
    new = {pair: size for pair, size in wanted.items() if pair not in pair_parts}
    # Margins of new pairs, each once for an input and a number of intervals, and their products.
    margins: dict[tuple[int, int], Margin] = {}
    grams: dict[int, Array] = {}
    for j, intervals in sorted({each for pair, size in new.items() for each in zip(pair, size, strict=True)}):
        if j not in grams:
            grams[j] = spline_gram(x[:, j : j + 1], weight, design.inputs[j].knots[None], design.policy)[0]
        if intervals:
            margins[j, intervals] = margin_of(design.inputs[j], grams[j], design.rows, intervals, design.policy)
        else:
            most = design.policy.varying(design.rows)
            margins[j, intervals] = curve_margin(design.inputs[j], grams[j], design.rows, most, design.policy)
    pair_parts |= {part.inputs: part for part in _purified(design, new, margins, x, weight)}
    parts = tuple(pair_parts[pair] for pair in pairs)
    # Groups of a pair: straight, wiggly or steps in the first, and in the second input.
    numbers = design.groups[: design.mains]
    labels = [label for label in design.labels if " x " not in label[0]]
    for part in parts:
        present, place = np.unique(part.kinds, return_inverse=True)
        numbers = np.concatenate([numbers, len(labels) + place])
        words = [f"{one} x {other}" for one, other in product(MARGIN_KINDS, repeat=2)]
        labels += [(words[kind], part.inputs) for kind in present]
    return replace(design, groups=numbers, labels=tuple(labels), pairs=parts)


def _purified(
    design: Design, sizes: Mapping[Pair, Size], margins: Mapping[tuple[int, int], Margin], x: Array, weight: Array
) -> list[PairPart]:
    """Return the columns of new pairs: least squares of the products on the margins, in one pass over the rows.

    `margins` are by input and number of intervals.
    """
    if not sizes:
        return []
    # Cross products of each pair's margins, which are to be taken out, with its tensor products, which stay.
    inputs = sorted({j for pair in sizes for j in pair})
    of_pairs = [(margins[i, first], margins[j, second]) for (i, j), (first, second) in sizes.items()]
    widths = [(a.change.shape[1], b.change.shape[1]) for a, b in of_pairs]
    grams = [np.zeros((1 + ra + rb, 1 + ra + rb)) for ra, rb in widths]
    crosses = [np.zeros((1 + ra + rb, ra * rb)) for ra, rb in widths]
    squares = [np.zeros(ra * rb) for ra, rb in widths]
    # One pass over the rows: the B-splines of an input are evaluated once for all of its pairs.
    for part in design.chunks(len(x)):
        first, values = active(x[part][:, inputs], design.knots[inputs])
        basis = dense(first, values, design.knots.shape[1] - DEGREE - 1)
        at = dict(zip(inputs, basis, strict=True))
        for number, ((i, j), (first_margin, second_margin)) in enumerate(zip(sizes, of_pairs, strict=True)):
            a = at[i] @ first_margin.change
            b = at[j] @ second_margin.change
            alone = np.concatenate([np.ones((len(a), 1)), a, b], 1)
            weighted = (weight[part, None] * alone).T
            products = (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)
            grams[number] += weighted @ alone
            crosses[number] += weighted @ products
            squares[number] += weight[part] @ products**2
    # Each tensor product minus its least-squares fit by the margins: functional analysis of variance.
    parts = []
    for own, (pair, size), gram, cross, square in zip(of_pairs, sizes.items(), grams, crosses, squares, strict=True):
        parts.append(purified(pair, own, size, gram, cross, square, design.policy.least_left))
    return parts


def _counted(x: Array, weight: Array) -> tuple[Array, Array]:
    """Return the rows of positive weight, and their weights."""
    counted = weight > 0
    if counted.all():
        return x, weight
    return x[counted], weight[counted]


def _main_groups(
    curves: Sequence[Curves], levels: Sequence[Sequence[int]], lines: tuple[int, ...] = ()
) -> tuple[NDArray[np.intp], tuple[tuple[str, tuple[int, ...]], ...]]:
    """Return the group of each column and the label of each group; `lines` are inputs that share one ridge."""
    category = {j: tuple(members) for members in levels for j in members}
    labels: list[tuple[str, tuple[int, ...]]] = []
    numbers = [-1]
    for j, own in enumerate(curves):
        for kind in own.kinds:
            if kind == "level":
                label = ("levels", category[j])
            elif j in lines:
                label = (kind, lines)
            else:
                label = (kind, (j,))
            if label not in labels:
                labels.append(label)
            numbers.append(labels.index(label))
    return np.array(numbers), tuple(labels)
