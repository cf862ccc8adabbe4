"""The columns of an additive model with pairs, all made of one space of cubic B-splines per input (`Design`).

Wood, Generalized Additive Models (2nd ed.), section 4.3: the additive model as a penalised linear one, X b with the
penalty b'Sb. Here the columns of X are evaluated; `building` chooses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.gam.basis import (
    DEGREE,
    Column,
    Curves,
    PairPart,
    Size,
    active,
    dense,
)
from edgewise.gam.constraints import Constraints
from edgewise.gam.policy import AdditivePolicy
from edgewise.ops.contract import spline_sum
from edgewise.outcomes import check_time
from edgewise.settings import ROW_NUMBERS, chunks

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
    pairs: tuple[PairPart, ...]
    constraints: Constraints | None = None  # what the model must obey
    levels: tuple[tuple[int, ...], ...] = ()  # inputs that are the indicators of one category each

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
        mains = sum(min(column.distinct - 1, 3) + bool(column.cuts) for column in self.inputs)
        return mains + sum(" x " in kind for kind, _ in self.labels)

    def followers(self, used: NDArray[np.bool_]) -> int:
        """Number of the used columns (p,) that follow from others: one of each category whose levels add up to 1."""
        ends = np.stack([self.knots[:, DEGREE], self.knots[:, -DEGREE - 1]])
        low, high = self.columns(ends)
        count = 0
        for number, (kind, _) in enumerate(self.labels):
            own = np.flatnonzero(self.groups == number)
            if kind != "levels" or not used[own].all():
                continue
            # An indicator less its mean: the share of the rows that have the level, which add up to 1 unless cells are
            # missing.
            shares = -low[own] / (high[own] - low[own])
            count += bool(np.isclose(shares.sum(), 1.0, rtol=0.0, atol=1e-9))
        return count

    def size_of(self, pair: Pair, intervals: int) -> Size:
        """Return the first intervals of the margins of a pair: 0, for those of curves, beside two values."""
        if min(self.inputs[j].distinct for j in pair) == 2:
            return 0, 0
        return intervals, intervals

    @property
    def sizes(self) -> dict[Pair, Size]:
        """The intervals of the margins of each pair."""
        return {part.inputs: part.size for part in self.pairs}

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

    def chunks(self, rows: int, numbers: int = ROW_NUMBERS) -> Iterator[slice]:
        """Yield the runs of rows that are worked on at a time, each row with its columns or more numbers."""
        for part in chunks(rows, max(numbers, len(self.groups))):
            check_time()
            yield part

    def columns(self, x: Array) -> Array:
        """Compute the columns at some rows: (N, inputs) -> (N, p). For many rows call it chunk by chunk."""
        out = np.empty((len(x), len(self.groups)))
        out[:, 0] = 1
        place = 1
        size = self.knots.shape[1] - DEGREE - 1
        paired = {j for pair in self.pairs for j in pair.inputs}
        used = [j for j, curves in enumerate(self.curves) if curves.change.shape[1] or j in paired]
        splines: dict[int, Array] = {}
        if used:
            first, values = active(x[:, used], self.knots[used])
        # Curves of each input from its B-splines.
        for number, j in enumerate(used):
            basis = dense(first[:, number : number + 1], values[:, number : number + 1], size)[0]
            change = self.curves[j].change
            out[:, place : place + change.shape[1]] = basis @ change  # BLAS does not write into strides
            place += change.shape[1]
            if j in paired:
                splines[j] = basis
        # Products of margins less what the margins alone explain.
        for pair in self.pairs:
            a, b = (splines[j] @ own.change for j, own in zip(pair.inputs, pair.margins, strict=True))
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
        # The curves: a sum of splines for each output.
        out = np.empty((len(x), coef.shape[1]))
        inputs = sorted({j for pair in self.pairs for j in pair.inputs})
        for part in self.chunks(len(x)):
            with torch.no_grad():
                out[part] = spline_sum(torch.from_numpy(np.ascontiguousarray(x[part])), spline, knots, DEGREE).numpy()
            # The pairs: u'Tv with the margins u, v of the two inputs and the tensor T of coefficients.
            if not inputs:
                continue
            basis = dense(*active(x[part][:, inputs], self.knots[inputs]), curves.shape[1])
            at = dict(zip(inputs, basis, strict=True))
            for number, pair in enumerate(self.pairs):
                a, b = (at[j] @ own.change for j, own in zip(pair.inputs, pair.margins, strict=True))
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
            first, second = (margin.change for margin in pair.margins)
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
