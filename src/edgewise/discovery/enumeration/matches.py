"""Finds which expressions of a pool combine to a target, among all pairs of them, without looking at each pair.

The target z lies in the span of f, g and known functions (1, or a polynomial) exactly if f and g, each without its
parts along the known functions and along z, are parallel. Two parallel unit vectors have the same projection on any
fixed vector up to sign, so one sorted list of projections shows all pairs: of 100,000 expressions, 5 * 10^9 pairs, in
the time of a sort. Ratios are found by the same list of other vectors:

    z = a f + b                    f and z without their means are parallel
    z = a f + b g + c              as above, with known functions 1 or all monomials of a low degree
    z = (a f + b) / (g + d)        z g and f, both without their parts along 1 and z, are parallel

All tests are made at a few rows; a match is a proposal, which all rows have to confirm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgewise.discovery.enumeration.pool import Pool
from edgewise.outcomes import Budget, spend
from edgewise.settings import ABOVE_ZERO, CALL_WORK, PRODUCT_SPEED


@dataclass(frozen=True)
class MatchSettings:
    """When two vectors are parallel, and how many pairs are compared."""

    # Sine of the angle up to which two vectors count as parallel, squared: values of a few operations in float64 have
    # errors of 1e-15 to 1e-12, and two unrelated vectors of 30 components never are as close.
    parallel: float = 1e-11
    # Difference of projections up to which two unit vectors are compared: the square root of `parallel` would compare
    # too many; projections of unit vectors have errors of 1e-15 over the share of length that is left.
    projection_reach: float = 1e-9
    # Share of the squared length of the target that two expressions may leave unexplained: the angle of `parallel`
    # divided by that of two expressions of which 0.1 % is different.
    least_unspanned: float = 1e-6
    # Share of its length that a vector must keep outside the known functions; below it rounding decides the direction.
    least_length: float = 1e-5
    neighbours: int = 4  # Vectors with nearly equal projections that are compared with each.
    most_of_a_form: int = 40  # Matches of one form and target that are kept; the shortest ones.
    sorting: float = 500.0  # Work of sorting a number among a hundred thousand others, and of comparing it.
    chunk: int = 20_000  # Rows of vectors that are made at once, 5 MB.


SETTINGS = MatchSettings()
# 1 - squared correlation of two curves, below which they are equal to rounding, and their span a line.
LEAST_DIFFERENCE = 1e-8


class Match(NamedTuple):
    """A proposal: the target is (sum of `above` with factors + constant) / (`below` + constant)."""

    size: int  # symbols of the expressions together
    above: tuple[int, ...]  # terms, given by the places of their expressions in the pool
    below: tuple[int, ...] = ()  # the term of the denominator; empty without one
    with_known: bool = False  # whether the known functions are terms as well, and not only a constant


class Directions:
    """Values of a pool's expressions without their parts along known functions, as unit vectors, each direction once.

    Shapes: known (P, k).
    """

    def __init__(self, pool: Pool, known: np.ndarray, budget: Budget | None = None):
        self.basis = np.linalg.qr(known)[0]
        projections = np.random.default_rng(2).normal(size=(len(known), 2))
        spend(pool.count * SETTINGS.sorting)
        # Each direction, up to sign, is known by two random projections, rounded.
        places = []
        keys = []
        for start in range(0, pool.count, SETTINGS.chunk):
            if start and budget is not None and budget.is_over:
                break
            unit = self.outside(pool.values[start : start + SETTINGS.chunk])
            good = np.flatnonzero(np.isfinite(unit[:, 0]))
            first = unit[good] @ projections[:, 0]
            second = unit[good] @ projections[:, 1]
            second = np.where(first < 0, -second, second)
            places.append(good + start)
            keys.append(rounded_to_reach(np.abs(first)) * 1_000_003 + rounded_to_reach(second))
        # The vectors of the distinct directions are made a second time, so that there is never a copy of all.
        self.places = np.concatenate(places)[np.sort(np.unique(np.concatenate(keys), return_index=True)[1])]
        self.unit = np.empty((len(self.places), len(known)))
        for start in range(0, len(self.places), SETTINGS.chunk):
            self.unit[start : start + SETTINGS.chunk] = self.outside(
                pool.values[self.places[start : start + SETTINGS.chunk]]
            )
        self.sizes = pool.sizes[self.places]
        self.projection = projections[:, 0]
        self.projected = self.unit @ self.projection

    def outside(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors of the parts of rows outside the span of the known functions; nan where rounding decides."""
        return unit_outside(rows, self.basis)

    def pairs_that_span(self, goal: np.ndarray) -> Iterator[tuple[int, int]]:
        """Pairs of indices of directions that span a unit vector outside the known functions."""
        # Parts of the directions outside the goal: f and g span the goal together with the known functions if these
        # parts are parallel.
        along = self.unit @ goal
        left = 1 - along**2
        spend(20 * CALL_WORK + len(along) * (SETTINGS.sorting + len(goal)))
        usable = np.flatnonzero(left > SETTINGS.least_length**2)
        along = along[usable]
        left = np.sqrt(left[usable])
        # Parallel vectors have equal projections on any vector, so that sorting by a random projection makes them
        # neighbours: n log n comparisons in place of n^2.
        projected = np.abs(self.projected[usable] - along * (goal @ self.projection)) / left
        order = np.argsort(projected)
        ordered = projected[order]
        for step in range(1, SETTINGS.neighbours + 1):
            near = np.flatnonzero(ordered[step:] - ordered[:-step] < SETTINGS.projection_reach)
            if not len(near):
                return
            i = order[near]
            j = order[near + step]
            # The neighbours are compared in full (Cauchy-Schwarz with equality).
            first = self.unit[usable[i]] - along[i, None] * goal
            second = self.unit[usable[j]] - along[j, None] * goal
            good = np.sum(first * second, axis=1) ** 2 > (1 - SETTINGS.parallel) * (left[i] * left[j]) ** 2
            # Nearly equal f and g are as parallel whatever z is, so the share of z that they span is computed as well.
            both = np.sum(self.unit[usable[i]] * self.unit[usable[j]], axis=1)
            good &= spanned_share(along[i], along[j], both) > 1 - SETTINGS.least_unspanned
            yield from zip(usable[i[good]].tolist(), usable[j[good]].tolist(), strict=True)


def spanned_share(first: np.ndarray, second: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Share of a unit vector's squared length in the span of two others, from the three inner products."""
    # The two are unit vectors with inner product `both`, and have the inner products `first` and `second` with the
    # vector. This is the squared multiple correlation of two regressors.
    return np.asarray((first**2 + second**2 - 2 * first * second * both) / np.maximum(1 - both**2, ABOVE_ZERO))


def unit_outside(rows: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Unit vectors of the parts of rows outside the span of orthonormal columns; nan where rounding decides."""
    spend(10 * CALL_WORK + rows.size * (20 + 10 * basis.shape[1] / PRODUCT_SPEED))
    # Gram-Schmidt, twice: after one pass rounding leaves a part of long projections.
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rest = rows - (rows @ basis) @ basis.T
    rest -= (rest @ basis) @ basis.T
    left = np.sqrt(np.einsum("ij,ij->i", rest, rest))
    is_some = left > SETTINGS.least_length * length
    return np.asarray(rest / np.where(is_some, left, np.nan)[:, None])


def rounded_to_reach(numbers: np.ndarray) -> np.ndarray:
    """Integers that are equal for numbers of absolute size below 1000 that differ by rounding errors only."""
    return np.rint(numbers * 1e8).astype(np.int64)


def equal_rows(rows: np.ndarray, directions: Directions) -> Iterator[tuple[int, int]]:
    """Pairs (row, index of a direction) such that a unit row has that direction up to sign; nan rows have none."""
    spend((len(rows) + len(directions.projected)) * SETTINGS.sorting)
    # The sorted list of projections of the directions, in which each row finds its place by bisection.
    order = np.argsort(np.abs(directions.projected))
    ordered = np.abs(directions.projected)[order]
    projected = np.abs(rows @ directions.projection)
    usable = np.flatnonzero(np.isfinite(projected))
    start = np.searchsorted(ordered, projected[usable] - SETTINGS.projection_reach)
    for step in range(SETTINGS.neighbours):
        within = np.flatnonzero(start + step < len(ordered))
        within = within[ordered[start[within] + step] < projected[usable[within]] + SETTINGS.projection_reach]
        if not len(within):
            return
        # The next few directions above that place are compared in full.
        row = usable[within]
        other = order[start[within] + step]
        good = np.sum(rows[row] * directions.unit[other], axis=1) ** 2 > 1 - SETTINGS.parallel
        yield from zip(row[good].tolist(), other[good].tolist(), strict=True)


def singles(directions: Directions, z: np.ndarray, with_known: bool) -> Iterator[Match]:
    """Matches z = a f + known functions."""
    goal = directions.outside(z[None])[0]
    if np.isfinite(goal[0]):
        parallel = np.flatnonzero((directions.unit @ goal) ** 2 > 1 - SETTINGS.parallel)
        for k in parallel[: SETTINGS.most_of_a_form]:
            yield Match(int(directions.sizes[k]), (int(directions.places[k]),), with_known=with_known)


def sums(directions: Directions, z: np.ndarray, with_known: bool) -> Iterator[Match]:
    """Matches z = a f + b g + known functions."""
    goal = directions.outside(z[None])[0]
    if np.isfinite(goal[0]):
        found = [
            (int(directions.sizes[i] + directions.sizes[j]), (int(directions.places[i]), int(directions.places[j])))
            for i, j in directions.pairs_that_span(goal)
        ]
        for size, places in sorted(found)[: SETTINGS.most_of_a_form]:
            yield Match(size, places, with_known=with_known)


def ratios(pool: Pool, z: np.ndarray, budget: Budget) -> Iterator[Match]:
    """Matches z = (a f + b) / (g + d): z g lies in the span of f, 1 and z."""
    # z (g + d) = a f + b is linear: z g = a f + b - d z.
    known = np.column_stack([np.ones(len(z)), z])
    if np.linalg.matrix_rank(known) < 2:
        return
    directions = Directions(pool, known)
    found = []
    for start in range(0, pool.count, SETTINGS.chunk):
        if budget.is_over:
            break
        # Products z g that have the direction of some f outside the span of 1 and z.
        rows = z * pool.values[start : start + SETTINGS.chunk]
        rows[~np.isfinite(rows).all(axis=1)] = np.nan
        for row, k in equal_rows(directions.outside(rows), directions):
            below = row + start
            above = int(directions.places[k])
            found.append(Match(int(pool.sizes[below] + pool.sizes[above]), (above,), (below,)))
    yield from sorted(found, key=lambda match: match.size)[: SETTINGS.most_of_a_form]
