"""The expressions of a pool, and curves with inner constants, that come nearest to a target, with and without noise.

Nothing has to be exact here. For all expressions, for pairs f, g of the shorter and better ones, and for products f g
the squared multiple correlation with the target follows from inner products, so that millions are compared by a few
products of matrices. The best of each size are fitted: their factors by least squares, and their inner constants by
Levenberg-Marquardt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgewise.discovery.enumeration.families import family_members
from edgewise.discovery.enumeration.matches import LEAST_DIFFERENCE, spanned_share, unit_outside
from edgewise.discovery.enumeration.pool import Pool
from edgewise.discovery.enumeration.targets import Target, link_targets
from edgewise.discovery.least_squares.sparse import fitted_sum
from edgewise.discovery.obedience import obeys
from edgewise.discovery.problem import LawProblem
from edgewise.formulas.constants import fit_constants, free_places
from edgewise.formulas.expression import (
    Expression,
    Variable,
    complexity,
    evaluate,
    product_of,
)
from edgewise.formulas.front import pareto
from edgewise.formulas.rewriting import simplify
from edgewise.outcomes import Budget, spend
from edgewise.settings import ABOVE_ZERO, PRODUCT_SPEED


@dataclass(frozen=True)
class RankingSettings:
    """How many expressions are compared, fitted and returned."""

    ranked_rows: int = 200  # at which correlations are computed: their standard error is 1/14 or less
    ranked: int = 20_000  # expressions whose correlation is computed
    # Expressions among which all pairs are looked at: the shortest, and those with the largest correlation; and those
    # whose products are; 6 million pairs take half a second.
    shortest: int = 1500
    best: int = 1000
    multiplied: int = 1200
    # Expressions h of curves f(a h + b): the shortest, and products of inputs, as a phase is in most laws of waves.
    family_inputs: int = 40
    family_monomials: int = 40
    family_partners: int = 400  # expressions g of a f(a h + b) + b g + c
    family_factors: int = 60  # expressions g of a g f(a h + b) + c
    of_each_size: int = 5  # candidates without curves that are fitted
    of_a_form: int = 60  # the same, of one form
    # Candidates of a form with curves that are fitted: of each size, and for the target and its links. Before the fit
    # their shares say little, so that more of each size are needed.
    curves_of_each_size: int = 8
    with_curves: tuple[int, int] = (40, 10)
    kept_of_a_size: int = 5  # expressions that are returned
    kept: int = 100
    fitted_rows: int = 400  # of these fits, at most: what is kept is fitted to all rows later
    fit_steps: int = 40  # Levenberg-Marquardt steps of a fit, at most; one that has converged ends sooner
    share_rounding: float = 1e-6  # a share larger than 1 by more has lost its digits
    pairs_at_once: int = 1_000_000  # whose shares are computed
    looked_at: int = 4000  # pairs of these with the largest share
    links: int = 6  # of the target, the usual ones
    difference: float = 1e-6  # share of a deviation by which the slope of a link is measured


SETTINGS = RankingSettings()


class Candidate(NamedTuple):
    """A sum of products of columns, by their places, that may be near a target."""

    share: float  # squared multiple correlation with the target
    size: int  # symbols of its expressions
    terms: tuple[tuple[int, ...], ...]  # places of the factors of each term


class Columns:
    """Values and expressions of a pool followed by curves with inner constants."""

    def __init__(self, pool: Pool, problem: LawProblem):
        self.pool = pool
        # Arguments h of the curves: the shortest expressions, and products and quotients of inputs.
        shortest = np.arange(pool.constants, min(pool.count, pool.constants + SETTINGS.family_inputs))
        self.inputs = np.union1d(shortest, pool.monomials(SETTINGS.family_monomials))
        self.members, values = family_members(pool.values[self.inputs], problem.options.operators)
        self.values = np.concatenate([pool.values, values])
        # Sizes: those of h, the function, and its constants.
        added = [int(pool.sizes[self.inputs[m.place]]) + (3 if m.name == "exp" else 4) for m in self.members]
        self.sizes = np.concatenate([pool.sizes, np.array(added, dtype=np.int32)])
        # Curves that differ by their constants only have one group: a fit leads from each of them to the same curve.
        kinds: dict[tuple[int, str], int] = {}
        groups = [kinds.setdefault((m.place, m.name), pool.count + len(kinds)) for m in self.members]
        self.groups = np.concatenate([np.arange(pool.count), np.array(groups, dtype=np.int64)])
        of_input = [m.place < pool.inputs for m in self.members]
        self.curves_of_inputs = pool.count + np.flatnonzero(np.array(of_input, dtype=bool))

    def expression(self, place: int) -> Expression:
        """The expression of a column."""
        if place < self.pool.count:
            return self.pool.expression(place)
        member = self.members[place - self.pool.count]
        return member.expression(self.pool.expression(int(self.inputs[member.place])))


def ranked(
    problem: LawProblem, x: np.ndarray, y: np.ndarray, weights: np.ndarray, budget: Budget
) -> Iterator[list[Expression]]:
    """Yield, for y and each of its links, the nearest expressions: at most five of each size and a hundred in all."""
    # Rows x (N, inputs), y (N,) and weights (N,) are in random order. When the budget is over, what has been found is
    # yielded.
    pool = Pool(x[: SETTINGS.ranked_rows], problem.options, SETTINGS.ranked, problem.seed)
    pool.grow(SETTINGS.ranked, budget)
    columns = Columns(pool, problem)
    some = slice(0, SETTINGS.fitted_rows)
    for target in link_targets(y, problem.options)[: SETTINGS.links]:
        losses: dict[Expression, float] = {}
        budget.report("expressions nearest to the target")
        # Delta method: an error of z becomes one of y by dy/dz, from central differences
        step = SETTINGS.difference * float(np.std(target.z))
        law_of = target.build(Variable(0))
        rise = evaluate(law_of, (target.z + step)[:, None]) - evaluate(law_of, (target.z - step)[:, None])
        slopes = rise / (2 * step)
        importance = weights * np.where(np.isfinite(slopes), slopes, 0.0) ** 2
        candidates = _candidates(columns, target, importance[pool.rows], budget)
        for candidate in candidates:
            if budget.is_over:
                break
            # Factors of the terms and a constant by weighted least squares
            terms = [product_of([columns.expression(k) for k in term]) for term in candidate.terms]
            law = fitted_sum(terms, target.z, importance, x)
            if law is None:
                continue
            expression = target.build(law)
            # A candidate with a curve: Levenberg-Marquardt from the constants of the grid.
            if free_places(expression) and any(k >= pool.count for term in candidate.terms for k in term):
                fitted = fit_constants(
                    expression, x[some], y[some], steps=SETTINGS.fit_steps, weight=weights[some], budget=budget
                )
                if fitted is not None:
                    expression = fitted.expression
            # The loss of the simplified formula at all rows.
            expression = simplify(expression)
            if obeys(expression, problem.options, problem.names):
                errors = evaluate(expression, x) - y
                if np.isfinite(errors).all():
                    losses[expression] = float(np.mean(weights * errors**2))
        yield best_of_each_size(losses)
        if budget.is_over:
            return


def best_of_each_size(losses: dict[Expression, float]) -> list[Expression]:
    """The best expressions of each size: first the Pareto front of size and loss, then the others by their loss."""
    sizes = {expression: complexity(expression) for expression in losses}
    counts: dict[int, int] = {}
    kept = []
    for expression in sorted(losses, key=lambda e: (losses[e], sizes[e])):
        size = sizes[expression]
        if counts.get(size, 0) < SETTINGS.kept_of_a_size:
            counts[size] = counts.get(size, 0) + 1
            kept.append(expression)
    # At most `kept`, of which the expressions of the front are never dropped for others.
    front = pareto(kept, size=sizes.__getitem__, loss=losses.__getitem__)
    return list(dict.fromkeys([*reversed(front), *kept]))[: SETTINGS.kept]


def _candidates(columns: Columns, target: Target, importance: np.ndarray, budget: Budget) -> list[Candidate]:
    """The best expressions, pairs and products for a target at the rows of the pool."""
    count = columns.pool.count
    curves_fitted = SETTINGS.with_curves[0 if target.size == 0 else 1]
    # Weighted least squares: rows are multiplied by the roots of the weights, and the constant is projected out
    root = np.sqrt(importance / max(float(importance.max()), ABOVE_ZERO))
    if np.count_nonzero(root) < 3:
        return []
    basis = (root / np.linalg.norm(root))[:, None]
    goal = unit_outside((target.z[columns.pool.rows] * root)[None], basis)[0]
    if not np.isfinite(goal[0]):
        return []
    weighted = columns.values * root
    spend(10 * weighted.size)
    units = unit_outside(weighted, basis)
    usable = np.isfinite(units[:, 0])
    along = np.where(usable, units @ goal, 0.0)
    # Expressions and curves in the order of their correlation with the target
    in_pool = np.flatnonzero(usable[:count])
    curves = np.flatnonzero(usable[count:]) + count
    best = in_pool[np.argsort(-(along[in_pool] ** 2), kind="stable")[: SETTINGS.best]]
    paired = np.unique(np.concatenate([in_pool[: SETTINGS.shortest], best]))
    partners = np.unique(
        np.concatenate([in_pool[: SETTINGS.family_partners // 2], best[: SETTINGS.family_partners // 2]])
    )
    of_inputs = columns.curves_of_inputs[usable[columns.curves_of_inputs]]
    lengths = np.linalg.norm(weighted, axis=1)

    def of_sums(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Coefficients of determination of a f + b g + c for all pairs."""
        both = units[first] @ units[second].T
        share = spanned_share(along[first][:, None], along[second][None], both)
        return np.where(1 - both**2 > LEAST_DIFFERENCE, share, 0.0)

    def of_products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Squared correlations of f g with the target for all pairs."""
        f = columns.values[first] / lengths[first, None]
        g = weighted[second] / lengths[second, None]
        variation = (f * f) @ (g * g).T - ((f * basis[:, 0]) @ g.T) ** 2
        return ((f * goal) @ g.T) ** 2 / np.where(variation > LEAST_DIFFERENCE * variation.max(), variation, np.inf)

    def best_pairs(
        shares: Callable[[np.ndarray, np.ndarray], np.ndarray], first: np.ndarray, second: np.ndarray, is_curve: bool
    ) -> list[Candidate]:
        """The best pairs by size, from blocks of the matrix of all pairs."""
        of_each_size = SETTINGS.curves_of_each_size if is_curve else SETTINGS.of_each_size
        most = curves_fitted if is_curve else SETTINGS.of_a_form
        best = np.empty(0)
        i = np.empty(0, dtype=np.int64)
        j = np.empty(0, dtype=np.int64)
        # Blocks of rows of the matrix, so that memory stays bounded.
        for part in np.array_split(first, max(1, math.ceil(len(first) * len(second) / SETTINGS.pairs_at_once))):
            if budget.is_over or not len(part) or not len(second):
                break
            matrix = shares(part, second)
            spend(matrix.size * (2 * columns.values.shape[1] / PRODUCT_SPEED + 30))
            # The largest entries of the block; a share above 1 is rounding
            flat = np.where(matrix > 1 + SETTINGS.share_rounding, 0.0, matrix).ravel()
            if len(flat) <= SETTINGS.looked_at:
                places = np.arange(len(flat))
            else:
                places = np.argpartition(-flat, SETTINGS.looked_at)[: SETTINGS.looked_at]
            f = part[places // len(second)]
            g = second[places % len(second)]
            differ = f != g
            places = places[differ]
            f = f[differ]
            g = g[differ]
            # Of curves of the same functions, which differ in a constant inside, the best alone
            if is_curve:
                groups = columns.groups[f] * len(columns.groups) + columns.groups[g]
                distinct = _best_of_each(groups, flat[places])
                places = places[distinct]
                f = f[distinct]
                g = g[distinct]
            # The shortlist so far, with those of the block
            best = np.r_[best, flat[places]]
            i = np.r_[i, f]
            j = np.r_[j, g]
            kept = _shortlist(best, columns.sizes[i] + columns.sizes[j], of_each_size, most)
            best = best[kept]
            i = i[kept]
            j = j[kept]
        return [
            Candidate(share, int(columns.sizes[f] + columns.sizes[g]), ((f,), (g,)))
            for share, f, g in zip(best.tolist(), i.tolist(), j.tolist(), strict=True)
        ]

    # Single expressions and curves
    found = []
    for single, of_each_size, most in (
        (in_pool, SETTINGS.of_each_size, SETTINGS.of_a_form),
        (curves, SETTINGS.curves_of_each_size, curves_fitted),
    ):
        shares = along[single] ** 2
        distinct = _best_of_each(columns.groups[single], shares)
        places = distinct[_shortlist(shares[distinct], columns.sizes[single[distinct]], of_each_size, most)]
        found += [Candidate(float(shares[k]), int(columns.sizes[single[k]]), ((single[k],),)) for k in places]
    # Sums and products of two
    found += best_pairs(of_sums, paired, paired, False)
    multiplied = [
        *best_pairs(of_products, in_pool[: SETTINGS.multiplied], in_pool[: SETTINGS.multiplied], False),
        *best_pairs(of_products, in_pool[: SETTINGS.family_factors], curves, True),
        *best_pairs(of_products, of_inputs, of_inputs, True),
    ]
    found += [one._replace(terms=(one.terms[0] + one.terms[1],)) for one in multiplied]
    found += best_pairs(of_sums, partners, curves, True) + best_pairs(of_sums, of_inputs, of_inputs, True)
    return sorted(found, key=lambda one: (-one.share, one.size))


def _best_of_each(groups: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Places of the largest share of each group."""
    order = np.argsort(-shares, kind="stable")
    return order[np.unique(groups[order], return_index=True)[1]]


def _shortlist(shares: np.ndarray, sizes: np.ndarray, of_each_size: int, most: int) -> np.ndarray:
    """Places of the largest shares of each size, at most `most`: the best of every size, then the second best."""
    order = np.lexsort((sizes, -np.round(shares, 9)))
    # The rank of each within its size; equal shares go to the shorter.
    by_size = order[np.argsort(sizes[order], kind="stable")]
    if len(by_size):
        starts = np.flatnonzero(np.r_[True, np.diff(sizes[by_size]) > 0])
    else:
        starts = by_size
    rank = np.empty(len(order), dtype=np.int64)
    rank[by_size] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    # By rank, then by share.
    order = order[np.argsort(rank[order], kind="stable")]
    return order[rank[order] < of_each_size][:most]
