"""Sparse sums for one equation by its integral form, which needs no derivative of noisy samples.

x(t) = x(0) + sum_j c_j times the integral of term j along the smoothed trajectory: least squares with the starts as
further unknowns (Schaeffer and McCalla, Phys. Rev. E 96 (2017) 023302). A second order equation is integrated twice, a
map not at all. Subsets of terms are priced by Schwarz's criterion with the prior of `terms`, and looked for in four
ways: backward elimination by tiers of terms, all pairs and triples, a beam forward, and elimination of the best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from edgewise.dynamics.settings import DynamicsSettings
from edgewise.dynamics.smoothing import quadrature
from edgewise.dynamics.terms import Term
from edgewise.dynamics.trajectories import Observations
from edgewise.formulas.expression import Call, Power, Variable, walk
from edgewise.outcomes import check_time, spend
from edgewise.settings import ABOVE_ZERO

Equation = tuple[tuple[Term, float], ...]


@dataclass(frozen=True)
class SparseSettings:
    """Widths of the search for subsets."""

    refined: int = 12  # saturations whose inner constants are fitted
    beam: int = 12  # subsets that are kept at each length
    branches: int = 8  # terms by which each of them grows
    forward: int = 5  # terms by which the beam grows
    small_sets: int = 60  # pairs and triples that are fitted
    dependent: float = 1e-8  # share of a column of length one below which it depends on those before
    rounding: float = 1e-13  # share of a sum of squares that products of columns leave uncertain
    kept: int = 6  # equations by score; with the cheapest adequate ones and the best of each length about 15


SPARSE = SparseSettings()


@dataclass(frozen=True)
class Candidate:
    """An equation for one coordinate."""

    score: float
    equation: Equation
    square: float  # mean squared residual of the integral form, in units of the noise


class IntegralForm:
    """Terms integrated along the smoothed trajectories."""

    def __init__(self, data: Observations, curves: Sequence[Callable[[np.ndarray], np.ndarray]]):
        # `curves` give the states (N, states) of each trajectory at times (N,)
        self.data = data
        self.weights = []
        self.points = []
        self.inner = []
        for run, curve in zip(data.runs, curves, strict=True):
            points, weights = quadrature(run.t)
            self.points.append(points)
            self.weights.append(weights)
            flat = points.ravel()
            self.inner.append(np.column_stack([curve(flat), run.known(flat).T]))
        at_samples = [run.columns(data.kind) for run in data.runs]
        self.weigh()
        self.everywhere = np.concatenate(at_samples if data.kind.is_map else [*self.inner, *at_samples])

    def weigh(self) -> None:
        """Read the noise of the trajectories, at the beginning and where it has changed."""
        self.starts = [self._starts(k) for k in range(self.data.kind.measured)]

    def integrated(self, term: Term) -> list[np.ndarray]:
        """What a coefficient of 1 adds to the coordinate at the samples (n,) of each trajectory."""
        if self.data.kind.is_map:
            return [np.concatenate([[0.0], term.values(run.columns(self.data.kind)[:-1])]) for run in self.data.runs]
        out = []
        for run, x, points, weights in zip(self.data.runs, self.inner, self.points, self.weights, strict=True):
            f = term.values(x).reshape(weights.shape)
            total = np.concatenate([[0.0], np.cumsum((f * weights).sum(axis=1))])
            if self.data.kind.order == 2:  # the integral of (t - s) f(s), Cauchy's formula
                moment = np.concatenate([[0.0], np.cumsum((f * points * weights).sum(axis=1))])
                total = run.t * total - moment
            out.append(total)
        return out

    def _starts(self, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights (n,) of coordinate k, and an orthonormal basis of what its starts can change, of each trajectory."""
        out = []
        for run in self.data.runs:
            weight = run.weight[:, k]
            if self.data.kind.is_map:
                out.append((weight * (np.arange(len(weight)) > 0), np.zeros((len(weight), 0))))
            else:
                powers = np.vander(run.t - run.t[0], self.data.kind.order)
                out.append((weight, np.linalg.qr(powers * weight[:, None])[0]))
        return out

    def columns(self, k: int, integrals: Sequence[list[np.ndarray]]) -> np.ndarray:
        """Weighted columns (N, terms) for coordinate k without the starts, which are free."""
        blocks = []
        for r, (weight, q) in enumerate(self.starts[k]):
            block = np.column_stack([column[r] for column in integrals]) * weight[:, None]
            blocks.append(block - q @ (q.T @ block))
        return np.concatenate(blocks)

    def target(self, k: int) -> np.ndarray:
        """The weighted samples (N,) of coordinate k without the starts."""
        targets = []
        for run, (weight, q) in zip(self.data.runs, self.starts[k], strict=True):
            target = run.y[:, k] * weight
            targets.append(target - q @ (q.T @ target))
        return np.concatenate(targets)


class SparseSums:
    """The search for subsets of terms for one coordinate."""

    def __init__(
        self,
        form: IntegralForm,
        terms: Sequence[Term],
        integrals: Sequence[list[np.ndarray]],
        k: int,
        curve_error: float,
        settings: DynamicsSettings,
    ):
        self.form = form
        self.k = k
        self.settings = settings
        self.terms = list(terms)
        self.target = form.target(k)
        self.lengths, self.matrix = _normed(form.columns(k, integrals))
        self.rows = int(form.data.counts[k])
        sigma = np.mean(np.concatenate([run.sigma[:, k] for run in form.data.runs]))
        # Errors of the curves themselves, in units of the noise: no sum can follow the samples better.
        self.floor = self.rows * (curve_error / sigma) ** 2
        self.costs = self._costs(self.terms)
        self.squares: dict[frozenset[int], float] = {frozenset(): float(self.target @ self.target)}

    def _costs(self, terms: Iterable[Term]) -> np.ndarray:
        """Price of each term: twice its log prior, and Schwarz's for its constants."""
        return np.array([term.cost + math.log(self.rows) * term.constants for term in terms])

    def score(self, chosen: frozenset[int]) -> float:
        """Schwarz's criterion of a subset with its prior."""
        square = (self.squares[chosen] + self.floor) / self.rows
        return self.rows * math.log(square + ABOVE_ZERO) + float(self.costs[list(chosen)].sum())

    def candidates(self) -> list[Candidate]:
        """The equations that are worth a fit to whole trajectories, best first."""
        library = len(self.terms)
        self._eliminate_tiers()
        self._refine_saturations()
        # Pairs and triples of terms without inner constants, or with fitted ones.
        places = [p for p, term in enumerate(self.terms) if term.kind != "saturation" or p >= library]
        spend(20.0 * len(places) ** 3)
        for chosen in small_sets(self.matrix[:, places], self.target, self.costs[places], self.rows, self.floor):
            self._solve(frozenset(places[p] for p in chosen))
        self._grow()
        for chosen in sorted(self.squares, key=self.score)[:6]:
            self._eliminate(chosen)
        return self._ranked()

    def linear(self) -> Equation:
        """A constant and all variables by least squares, or those of them that units allow."""
        places = [p for p, term in enumerate(self.terms) if term.kind == "polynomial" and term.degree <= 1]
        self._solve(frozenset(places))
        return self._candidate(places).equation

    def _solve(self, chosen: frozenset[int]) -> None:
        """Least squares of a subset."""
        if chosen in self.squares:
            return
        part = self.matrix[:, sorted(chosen)]
        residual = self.target - part @ np.linalg.lstsq(part, self.target, rcond=1e-11)[0]
        self.squares[chosen] = float(residual @ residual)

    def _eliminate(self, start: frozenset[int]) -> None:
        """Backward elimination of the term with the smallest t value for its price, every subset on the way kept."""
        check_time()
        places = sorted(start)
        most = 2 * self.settings.most_terms
        # One factorisation of all rows, and a pseudoinverse of a triangle for each term that goes
        spend(2.0 * len(self.target) * len(places) ** 2 + 10.0 * len(places) ** 4)
        # One factorisation, from which rows are dropped: the triangle of a subset of columns has all that is needed.
        joint = np.column_stack([self.matrix[:, places], self.target])
        whole = np.asarray(np.linalg.qr(joint, mode="r"))
        triangle = whole[:, :-1]
        right = whole[:, -1]
        while places:
            q, r = np.linalg.qr(triangle)
            below = q.T @ right
            if len(places) < self.rows // 3 and len(places) <= most:
                self._solve(frozenset(places))
            if len(places) == 1:
                return
            inverse = np.linalg.pinv(r, rcond=1e-13)
            coefficients = inverse @ below
            spread = np.maximum((inverse**2).sum(axis=1), ABOVE_ZERO)
            worst = int(np.argmin(coefficients**2 / spread / np.sqrt(self.costs[places])))
            del places[worst]
            triangle = np.delete(triangle, worst, axis=1)

    def _eliminate_tiers(self) -> None:
        """Eliminate within polynomials of each degree, and within low ones with one kind of functions."""
        polynomials = [p for p, term in enumerate(self.terms) if term.kind == "polynomial"]
        for degree in sorted({self.terms[p].degree for p in polynomials} - {0}):
            tier = [p for p in polynomials if self.terms[p].degree <= degree]
            if len(tier) < self.rows // 3:
                self._eliminate(frozenset(tier))
        low = [frozenset(p for p in polynomials if self.terms[p].degree <= degree) for degree in (2, 1)]
        for family in (("sin", "cos"), ("exp",), ("log", "sqrt"), ("1/x",), ("abs",)):
            members = [
                p
                for p, term in enumerate(self.terms)
                if term.kind == "function" and any(name in family for name in _functions_of(term))
            ]
            for base in low:
                if members:
                    self._eliminate(base | frozenset(members[: max(self.rows // 3 - len(base), 0)]))
        self.bases = low

    def _refine_saturations(self) -> None:
        """Add saturations with fitted inner constants, beside linear and quadratic sums."""
        for base in self.bases[::-1]:
            fresh = self._refined(sorted(base))
            if not fresh:
                continue
            matrix = self.form.columns(self.k, [self.form.integrated(term) for term in fresh])
            lengths, matrix = _normed(matrix)
            first = len(self.terms)
            self.terms += fresh
            self.lengths = np.append(self.lengths, lengths)
            self.matrix = np.column_stack([self.matrix, matrix])
            self.costs = np.append(self.costs, self._costs(fresh))
            for place in range(first, len(self.terms)):
                self._eliminate(base | {place})

    def _refined(self, base: list[int]) -> list[Term]:
        """The saturations that help a sum most, their inner constants fitted by variable projection."""
        q = np.linalg.qr(self.matrix[:, base])[0]
        residual = self.target - q @ (q.T @ self.target)
        gain = self._gains(q, residual)
        best: dict[object, list[int]] = {}
        for place in np.argsort(-gain):
            term = self.terms[place]
            if term.kind == "saturation":
                starts = best.setdefault(term.shape, [])
                if len(starts) < len(term.inner):
                    starts.append(int(place))
        chosen = sorted((p for starts in best.values() for p in starts), key=lambda p: -gain[p])[: SPARSE.refined]
        fresh = []
        for place in chosen:
            check_time()
            term = self.terms[place]
            inner = np.array(term.inner)

            def unexplained(scaled: np.ndarray, term: Term = term, inner: np.ndarray = inner) -> np.ndarray:
                with np.errstate(all="ignore"):
                    integrals = self.form.integrated(term.with_inner(inner * scaled))
                    column = self.form.columns(self.k, [integrals])[:, 0]
                    column = column - q @ (q.T @ column)
                    left = residual - column * ((column @ residual) / max(column @ column, ABOVE_ZERO))
                return np.where(np.isfinite(left), left, 1e6)

            scaled = least_squares(unexplained, np.ones(len(inner)), method="lm", max_nfev=40 * len(inner)).x
            fresh.append(term.with_inner(inner * scaled))
        return [term for term in fresh if np.isfinite(term.values(self.form.everywhere)).all()]

    def _gains(self, q: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """Fall of the sum of squares by each term beside an orthonormal basis q (N, terms)."""
        rest = self.matrix - q @ (q.T @ self.matrix)
        norms = (rest**2).sum(axis=0)
        return np.where(norms > 1e-9, (residual @ rest) ** 2 / np.maximum(norms, ABOVE_ZERO), 0.0)

    def _grow(self) -> None:
        """A beam forward from the best subsets so far."""
        beam = [frozenset(), *sorted(self.squares, key=self.score)[:6]]
        for _ in range(SPARSE.forward):
            new: set[frozenset[int]] = set()
            for chosen in beam:
                if len(chosen) >= self.settings.most_terms:
                    continue
                q = np.linalg.qr(self.matrix[:, sorted(chosen)])[0]
                residual = self.target - q @ (q.T @ self.target)
                left = np.maximum(residual @ residual - self._gains(q, residual), 0.0)
                value = self.rows * np.log((left + self.floor) / self.rows + ABOVE_ZERO) + self.costs
                value[list(chosen)] = np.inf
                for place in np.argsort(value, kind="stable")[: SPARSE.branches]:
                    bigger = chosen | {int(place)}
                    self.squares.setdefault(bigger, float(left[place]))
                    new.add(bigger)
            beam = sorted(new, key=lambda one: (self.score(one), sorted(one)))[: SPARSE.beam]

    def _ranked(self) -> list[Candidate]:
        """The best by score, the cheapest that reach the noise, and the best of each length, each shape once."""
        ranked = sorted(self.squares, key=lambda one: (self.score(one), sorted(one)))
        adequate = [one for one in ranked[:600] if self.squares[one] < 3 * (self.rows + self.floor)]
        cheapest = sorted(adequate, key=lambda one: float(self.costs[list(one)].sum()))[:5]
        best_of_length: dict[int, frozenset[int]] = {}
        for one in ranked:
            best_of_length.setdefault(len(one), one)
        each_length = [best_of_length[size] for size in sorted(best_of_length) if 0 < size <= 5]
        found: dict[frozenset, Candidate] = {}
        for chosen in (*cheapest, *ranked[: SPARSE.kept], *each_length):
            shape = frozenset(self.terms[p].shape for p in chosen)
            if shape not in found:
                found[shape] = self._candidate(sorted(chosen))
        return list(found.values())

    def _candidate(self, places: list[int]) -> Candidate:
        coefficients = np.zeros(0)
        if places:
            coefficients = np.linalg.lstsq(self.matrix[:, places], self.target, rcond=1e-11)[0] / self.lengths[places]
        equation = tuple((self.terms[p], float(c)) for p, c in zip(places, coefficients, strict=True))
        chosen = frozenset(places)
        return Candidate(self.score(chosen), equation, self.squares[chosen] / self.rows)


def _normed(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of the columns, and columns of length 1; one that outgrows all numbers becomes zero, so of no use."""
    with np.errstate(over="ignore"):
        lengths = np.sqrt((matrix**2).sum(axis=0)) + ABOVE_ZERO
    is_usable = np.isfinite(lengths)
    return lengths, np.where(is_usable, matrix, 0.0) / np.where(is_usable, lengths, 1.0)


def _functions_of(term: Term) -> set[str]:
    """Names of the functions of a term; reciprocals and roots have names too."""
    names = set()
    for node in walk(term.form):
        match node:
            case Call(name=name):
                names.add(name)
            case Power(base=Variable(), exponent=-1.0):
                names.add("1/x")
            case Power(exponent=0.5):
                names.add("sqrt")
    return names


def small_sets(
    columns: np.ndarray, target: np.ndarray, costs: np.ndarray, rows: int, floor: float
) -> list[frozenset[int]]:
    """The best pairs and triples of columns (N, k): all, by sweeps (Furnival and Wilson, Technometrics 16 (1974))."""
    gram = columns.T @ columns
    product = columns.T @ target
    total = float(target @ target)
    floor += SPARSE.rounding * total
    found = _best_pairs(gram, product, total, costs, rows, floor)
    for first in range(len(costs)):
        if gram[first, first] <= 0:
            continue
        # Sweep one column out of the others and of the target.
        pivot = gram[first] / math.sqrt(gram[first, first])
        share = product[first] / math.sqrt(gram[first, first])
        rest = gram - np.outer(pivot, pivot)
        pairs = _best_pairs(rest, product - pivot * share, total - share**2, costs, rows, floor)
        found += [(value + float(costs[first]), pair | {first}) for value, pair in pairs]
    # The same triple comes from each of its members.
    ranked = sorted(found, key=lambda one: (one[0], sorted(one[1])))
    return list(dict.fromkeys(chosen for _, chosen in ranked))[: SPARSE.small_sets]


def _best_pairs(
    gram: np.ndarray, product: np.ndarray, square: float, costs: np.ndarray, rows: int, floor: float
) -> list[tuple[float, frozenset[int]]]:
    """Score and members of the best pairs of columns, from their products (k, k), (k,) and the target's square."""
    # Columns that a sweep has removed, or nearly, explain nothing.
    size = np.diagonal(gram).copy()
    size[size < SPARSE.dependent] = np.inf
    sizes = size[:, None] * size
    # What two columns explain together, by the inverse of their two by two Gram matrix.
    determinant = sizes - gram**2
    both = np.outer(product, product)
    with np.errstate(all="ignore"):
        gain = product[:, None] ** 2 * size + product**2 * size[:, None] - 2 * both * gram
        gain = gain / determinant
    gain[~(determinant > SPARSE.dependent * sizes) | ~np.isfinite(gain)] = 0.0
    # Schwarz's criterion with the prior of both terms; each pair once.
    left = np.maximum(square - gain, 0.0) + floor
    value = rows * np.log(left / rows + ABOVE_ZERO) + costs[:, None] + costs
    value[np.tril_indices(len(costs))] = np.inf
    count = min(SPARSE.branches, value.size)
    best = np.argpartition(value, count - 1, axis=None)[:count]
    pairs = (np.unravel_index(place, value.shape) for place in best)
    return [(float(value[pair]), frozenset(int(p) for p in pair)) for pair in pairs if np.isfinite(value[pair])]
