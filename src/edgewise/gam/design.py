"""The columns of an additive model with pairs, all made of one space of cubic B-splines per input (`Design`).

Wood, Generalized Additive Models (2nd ed.), section 4.3: the additive model as a penalised linear one; section 5.4.1:
curves of mean zero; section 5.8: a category as a random effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.gam.basis import (
    DEGREE,
    Column,
    Curves,
    Margin,
    PairPart,
    active,
    column_of,
    curves_of,
    dense,
    greville,
    margin_of,
    purified,
    spline_gram,
    standardised,
)
from edgewise.gam.constraints import Constraints
from edgewise.gam.policy import AdditivePolicy
from edgewise.ops.contract import spline_sum

Array = NDArray[np.float64]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Design:
    """Columns of an additive model: the constant 1, the curves of every input, then the pairs."""

    policy: AdditivePolicy
    inputs: tuple[Column, ...]  # what is known of every input
    curves: tuple[Curves, ...]  # the functions of every input
    # group of each column, (p,), numbered from 0; -1 for the constant, which has no penalty
    groups: NDArray[np.intp]
    # kind and inputs of each group: ("straight", (0,)), ("warped", (0,)), ("bent", (0,)), ("wiggly", (0,)), ("levels",
    # (2, 3, 4)) for the columns of a category, and for pairs ("straight x wiggly", (0, 1)) and so on
    labels: tuple[tuple[str, tuple[int, ...]], ...]
    rows: float  # sum of the weights of all rows
    margins: dict[int, Margin]  # margins of the inputs that occur in pairs
    pairs: tuple[PairPart, ...]
    size: int | None = None  # intervals of the margins, None without pairs
    constraints: Constraints | None = None  # what the model must obey
    levels: tuple[tuple[int, ...], ...] = ()  # inputs that are the indicators of one category each
    # called before every run of rows and every step of REML; it may raise to end the work
    watch: Callable[[], None] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_rows(
        cls,
        x: Array,
        weight: Array,
        policy: AdditivePolicy | None = None,
        groups: Sequence[Sequence[int]] = (),
        constraints: Constraints | None = None,
        *,
        is_bare: bool = False,
    ) -> Design:
        """Choose knots and functions from finite rows x (N, inputs) and weights (N,); no responses are seen.

        A weight counts as so many equal rows, and at least one is positive. `groups` are columns that are the
        indicators of one category each, which share one ridge, as a random effect. With `is_bare` all curves are left
        out, see `with_curves`.
        """
        policy = AdditivePolicy() if policy is None else policy
        x, weight = _counted(x, weight)
        total = float(weight.sum())
        intervals = policy.intervals(total)
        columns = tuple(column_of(x[:, j], weight, intervals, policy) for j in range(x.shape[1]))
        empty = Curves(np.zeros((intervals + DEGREE, 0)), ())
        levels = tuple(tuple(int(j) for j in members) for members in groups)
        bare = cls(
            policy, columns, (empty,) * len(columns), np.array([-1]), (), total, {}, (), True, constraints, levels
        )
        if is_bare:
            return bare
        return bare.with_curves(range(len(columns)), x, weight)

    def with_curves(self, inputs: Iterable[int], x: Array, weight: Array) -> Design:
        """Return the design with the curves of these inputs and no others, and without pairs.

        Constant inputs have none. The rows and weights are those of `from_rows`.
        """
        x, weight = _counted(x, weight)
        policy = self.policy
        constraints = self.constraints
        chosen = {j for j in inputs if self.inputs[j].distinct > 1}
        most = policy.wiggly(sum(self.inputs[j].distinct > 2 for j in chosen))
        levels = {j for members in self.levels for j in members}
        curves = []
        for j, column in enumerate(self.inputs):
            if j not in chosen:
                curves.append(Curves(np.zeros((len(column.knots) - DEGREE - 1, 0)), ()))
                continue
            gram = spline_gram(x[:, j : j + 1], weight, column.knots[None], policy)[0]
            if j in levels and column.distinct == 2:
                # A level's indicator is centred but not scaled, so that levels share one variance.
                indicator = greville(column.knots)
                curves.append(Curves((indicator - gram.sum(0) @ indicator / self.rows)[:, None], ("level",)))
            else:
                own = curves_of(column, gram, self.rows, most, policy)
                is_line = constraints is not None and j in constraints.linear
                curves.append(Curves(own.change[:, :1], own.kinds[:1]) if is_line else own)
        numbers, labels = _main_groups(curves, self.levels)
        return replace(self, curves=tuple(curves), groups=numbers, labels=labels, margins={}, pairs=())

    def straight(self, x: Array, weight: Array) -> Design:
        """Return the design of a linear model: straight lines of variance 1 whose slopes share one ridge [1].

        All inputs have one, unless there are more than `AdditivePolicy.most_straight`; then those that have a curve.
        Indicators of a category keep the ridge that they share. The rows and weights are those of `from_rows`.
        """
        # [1] A. Hoerl and R. Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics
        # 12 (1970) 55.
        x, weight = _counted(x, weight)
        has_all = sum(column.distinct > 1 for column in self.inputs) <= self.policy.most_straight
        curves = []
        rows = float(weight.sum())
        for j, (column, own) in enumerate(zip(self.inputs, self.curves, strict=True)):
            if own.kinds == ("level",) or column.distinct < 2 or not (has_all or own.kinds):
                curves.append(own)
                continue
            gram = spline_gram(x[:, j : j + 1], weight, column.knots[None], self.policy)[0]
            mean = gram.sum(0) / rows
            line = standardised(greville(column.knots), mean, gram / rows - np.outer(mean, mean))
            curves.append(Curves(line[:, None], ("straight",)))
        lines = tuple(j for j, own in enumerate(curves) if own.kinds == ("straight",))
        numbers, labels = _main_groups(curves, self.levels, lines)
        return replace(self, curves=tuple(curves), groups=numbers, labels=labels, margins={}, pairs=())

    @property
    def knots(self) -> Array:
        """Knots of every input, (inputs, intervals + 7), as a `KANLayer` takes them."""
        return np.stack([column.knots for column in self.inputs])

    @property
    def limits(self) -> Array:
        """The points at which straight continuations end, (inputs, 2)."""
        return np.array([column.limits for column in self.inputs])

    @property
    def mains(self) -> int:
        """Number of columns of the constant and the curves."""
        return self._starts[-1]

    @cached_property
    def _starts(self) -> list[int]:
        """First column of each input, and the first one after all."""
        return list(accumulate((curves.change.shape[1] for curves in self.curves), initial=1))

    @property
    def rivals(self) -> int:
        """Number of groups that the design would have with the curves of all inputs."""
        if any(kind == "straight" and len(members) > 1 for kind, members in self.labels):
            return len(self.labels)  # a linear model: one ridge, that no response chose
        mains = sum(min(column.distinct - 1, 3) for column in self.inputs)
        return mains + sum(" x " in kind for kind, _ in self.labels)

    @property
    def bent(self) -> dict[int, int]:
        """The group of each input's parabola, by the group of its wiggly columns."""
        place = {label: number for number, label in enumerate(self.labels)}
        return {place["wiggly", own]: number for number, (kind, own) in enumerate(self.labels) if kind == "bent"}

    @property
    def ranks(self) -> NDArray[np.intp]:
        """Place of each wiggly column among those of its input, from 0, in falling order of variance; 0 for others."""
        ranks = np.zeros(len(self.groups), int)
        for j, curves in enumerate(self.curves):
            wiggly = np.array([kind == "wiggly" for kind in curves.kinds], int)
            ranks[self.columns_of(j)] = (np.cumsum(wiggly) - 1) * wiggly
        return ranks

    def chunks(self, rows: int) -> Iterator[slice]:
        """Yield the runs of rows that are worked on at a time."""
        for start in range(0, rows, self.policy.rows_per_chunk):
            if self.watch is not None:
                self.watch()
            yield slice(start, min(start + self.policy.rows_per_chunk, rows))

    def columns(self, x: Array) -> Array:
        """Compute the columns at some rows: (N, inputs) -> (N, p). For many rows call it chunk by chunk."""
        out = np.empty((len(x), len(self.groups)))
        out[:, 0] = 1
        place = 1
        size = self.knots.shape[1] - DEGREE - 1
        used = [j for j, curves in enumerate(self.curves) if curves.change.shape[1] or j in self.margins]
        margins: dict[int, Array] = {}
        if used:
            first, values = active(x[:, used], self.knots[used])
        # Curves of each input, and margins of those in pairs, from its B-splines.
        for number, j in enumerate(used):
            basis = dense(first[:, number : number + 1], values[:, number : number + 1], size)[0]
            change = self.curves[j].change
            out[:, place : place + change.shape[1]] = basis @ change  # BLAS does not write into strides
            place += change.shape[1]
            if j in self.margins:
                margins[j] = basis @ self.margins[j].change
        # Products of margins less what the margins alone explain.
        for pair in self.pairs:
            a, b = (margins[j] for j in pair.inputs)
            width = len(pair.kinds)
            products = (a[:, :, None] * b[:, None, :]).reshape(len(x), width)
            products -= np.concatenate([np.ones((len(x), 1)), a, b], 1) @ pair.purifier
            np.multiply(products, pair.seen, out=out[:, place : place + width])
            place += width
        return out

    def link(self, coef: Array, x: Array) -> Array:
        """Compute `columns(x) @ coef` for coefficients (p, m) without the columns of the curves: (N, m)."""
        curves, constant = self.spline_coef(coef)
        knots = torch.from_numpy(self.knots)
        spline = torch.from_numpy(curves)
        out = np.empty((len(x), coef.shape[1]))
        inputs = sorted(self.margins)
        for part in self.chunks(len(x)):
            with torch.no_grad():
                out[part] = spline_sum(torch.from_numpy(np.ascontiguousarray(x[part])), spline, knots, DEGREE).numpy()
            if not inputs:
                continue
            basis = dense(*active(x[part][:, inputs], self.knots[inputs]), curves.shape[1])
            at = {j: basis[number] @ self.margins[j].change for number, j in enumerate(inputs)}
            for number, pair in enumerate(self.pairs):
                a, b = (at[j] for j in pair.inputs)
                tensor = coef[self.columns_of_pair(number)].reshape(a.shape[1], b.shape[1], -1)
                for output in range(coef.shape[1]):
                    out[part, output] += ((a @ tensor[:, :, output]) * b).sum(1)
        return out + constant

    def spline_coef(self, coef: Array) -> tuple[Array, Array]:
        """Return the B-spline coefficients of every input (inputs, n, m) and the constants (m,) of coefficients (p, m).

        They hold what is subtracted from the products of pairs, and not the products.
        """
        curves = np.stack([own.change @ coef[self.columns_of(j)] for j, own in enumerate(self.curves)])
        constant = coef[0].copy()
        for number, pair in enumerate(self.pairs):
            taken = pair.purifier @ coef[self.columns_of_pair(number)]
            first, second = (self.margins[j].change for j in pair.inputs)
            constant -= taken[0]
            curves[pair.inputs[0]] -= first @ taken[1 : 1 + first.shape[1]]
            curves[pair.inputs[1]] -= second @ taken[1 + first.shape[1] :]
        return curves, constant

    def columns_of(self, j: int) -> slice:
        """Return the columns of the curve of input j."""
        return slice(self._starts[j], self._starts[j + 1])

    def columns_of_pair(self, number: int) -> slice:
        """Return the columns of pair `number`."""
        start = self.mains + sum(len(pair.kinds) for pair in self.pairs[:number])
        return slice(start, start + len(self.pairs[number].kinds))

    def groups_of(self, inputs: Sequence[int]) -> list[int]:
        """Return the numbers of the groups of an input, (j,), or of a pair."""
        return [number for number, (_, members) in enumerate(self.labels) if members == tuple(inputs)]

    def with_pairs(self, pairs: Sequence[Pair], x: Array, weight: Array, size: int | None = None) -> Design:
        """Return the design with these pairs of different inputs and no others; those with a constant are left out.

        The rows and weights are those of `from_rows`, `size` is the number of intervals of the margins, by default that
        of `AdditivePolicy.margin` for so many rows.
        """
        # The margins of a pair are functions m of the position among the knots, constant beyond the outer quantiles,
        # that become splines by Schoenberg's operator [1]: the coefficient of each B-spline is the value of m at its
        # knot average, so that they lie in the same space as the curves. From their products what the margins alone
        # explain, by least squares over the rows, is subtracted: a pair is orthogonal to every function of one input of
        # that resolution.
        # [1] C. de Boor, "A Practical Guide to Splines" (1978), ch. XI, on Schoenberg's variation diminishing spline
        # approximation.
        x, weight = _counted(x, weight)
        # Margins of the inputs that have none of this size yet.
        pairs = [(a, b) for a, b in pairs if self.inputs[a].distinct > 1 and self.inputs[b].distinct > 1]
        if size is None:
            size = self.policy.margin(self.rows)
        margins = dict(self.margins) if size == self.size else {}
        for j in sorted({j for pair in pairs for j in pair} - set(margins)):
            gram = spline_gram(x[:, j : j + 1], weight, self.inputs[j].knots[None], self.policy)[0]
            margins[j] = margin_of(self.inputs[j], gram, self.rows, size, self.policy)
        # Products of the margins; pairs that the design has already stay the same objects.
        pair_parts = {part.inputs: part for part in self.pairs if size == self.size}
        margins = {j: margin for j, margin in margins.items() if any(j in pair for pair in pairs)}
        new = [pair for pair in pairs if pair not in pair_parts]
        pair_parts |= dict(zip(new, self._purified(new, margins, x, weight), strict=True))
        parts = tuple(pair_parts[pair] for pair in pairs)
        # Four groups of a pair: straight or wiggly in the first, straight or wiggly in the second input.
        numbers = self.groups[: self.mains]
        labels = [label for label in self.labels if " x " not in label[0]]
        for part in parts:
            present, place = np.unique(part.kinds, return_inverse=True)
            numbers = np.concatenate([numbers, len(labels) + place])
            words = ("straight x straight", "straight x wiggly", "wiggly x straight", "wiggly x wiggly")
            labels += [(words[kind], part.inputs) for kind in present]
        return replace(self, groups=numbers, labels=tuple(labels), margins=margins, pairs=parts, size=size)

    def _purified(self, pairs: Sequence[Pair], margins: dict[int, Margin], x: Array, weight: Array) -> list[PairPart]:
        """Return the columns of new pairs: least squares of the products on the margins, in one pass over the rows."""
        inputs = sorted({j for pair in pairs for j in pair})
        widths = [(margins[i].change.shape[1], margins[j].change.shape[1]) for i, j in pairs]
        grams = [np.zeros((1 + ra + rb, 1 + ra + rb)) for ra, rb in widths]
        crosses = [np.zeros((1 + ra + rb, ra * rb)) for ra, rb in widths]
        squares = [np.zeros(ra * rb) for ra, rb in widths]
        for part in self.chunks(len(x)) if inputs else ():
            first, values = active(x[part][:, inputs], self.knots[inputs])
            basis = dense(first, values, self.knots.shape[1] - DEGREE - 1)
            at = {j: basis[number] @ margins[j].change for number, j in enumerate(inputs)}
            for number, (i, j) in enumerate(pairs):
                a = at[i]
                b = at[j]
                alone = np.concatenate([np.ones((len(a), 1)), a, b], 1)
                weighted = (weight[part, None] * alone).T
                products = (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)
                grams[number] += weighted @ alone
                crosses[number] += weighted @ products
                squares[number] += weight[part] @ products**2
        parts = []
        for pair, gram, cross, square in zip(pairs, grams, crosses, squares, strict=True):
            of_pair = (margins[pair[0]], margins[pair[1]])
            parts.append(purified(pair, of_pair, gram, cross, square, self.policy.least_left))
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
            else:
                label = (kind, lines if j in lines else (j,))
            if label not in labels:
                labels.append(label)
            numbers.append(labels.index(label))
    return np.array(numbers), tuple(labels)
