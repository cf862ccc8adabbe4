"""Structures with a product of two curves: found by a tensor of coarse splines, made exact by alternating fits.

How a target may be built from curves: links, derived features, sums and ratios by least squares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np

from edgewise.discovery.features import Feature, Link, candidate_features, possible_links, spline_columns

COARSE, FINE = 5, (8, 20)  # knot intervals of the tensor, and of the curves afterwards
ROUNDS = 8
KEPT = 4  # products of each link


def product_models(decomposer: CurveModelFitter, link: Link, coarse: int = COARSE) -> list[CurveModel]:
    """u = s(f) + t(g) + p(f) q(g) + curves of the other inputs, for pairs of features; the best few.

    Features may share an input only where the two alone are to explain everything. coarse: knot intervals of the
    tensor.
    """
    u, weight = decomposer.target(link)
    root = np.sqrt(weight[decomposer.train])
    small = [spline_columns(feature.values, coarse) for feature in decomposer.features]
    found = []
    for f, g in _pairs(decomposer):
        start = _tensor(decomposer, u, root, (f, g), small)
        if start is not None:
            error, p, q = start
            first, second = decomposer.features[f], decomposer.features[g]
            size = 2 * (len(first.inputs) + len(second.inputs) + len(decomposer.inputs))
            with np.errstate(all="ignore"):
                found.append((math.log(max(error, 1e-4)) + 0.15 * size, f, g, p, q))
    found.sort(key=lambda each: each[0])
    structures = []
    for _, f, g, p, q in found[: 2 * KEPT]:
        pair = decomposer.features[f], decomposer.features[g]
        structures.append(min((_alternated(decomposer, link, pair, (p, q), size) for size in FINE), key=_rank))
    return sorted(structures, key=_rank)[:KEPT]


def _rank(structure: CurveModel) -> float:
    return structure.rank


def _pairs(decomposer: CurveModelFitter) -> Iterator[tuple[int, int]]:
    listed, everything = decomposer.features, frozenset(decomposer.inputs)
    for f, g in combinations(range(len(listed)), 2):
        first, second = listed[f].inputs, listed[g].inputs
        shared = first & second
        if not shared or (first | second == everything and first != second and len(everything) <= 3):
            yield f, g


def _others(decomposer: CurveModelFitter, pair: tuple[Feature, Feature]) -> list[Feature]:
    """Single inputs that may add a curve of their own; none whose straight line is in the pair's curves already."""
    if pair[0].inputs & pair[1].inputs:
        return []
    straight = [feature.inputs for feature in pair if feature.straight]
    return [
        feature
        for feature in decomposer.features
        if len(feature.inputs) == 1 and not any(feature.inputs <= inputs for inputs in straight)
    ]


def _tensor(decomposer, u, root, pair: tuple[int, int], small) -> tuple[float, np.ndarray, np.ndarray] | None:
    """(error of the target, p, q) of the best product of two coarse curves."""
    left, right = small[pair[0]], small[pair[1]]
    features = decomposer.features[pair[0]], decomposer.features[pair[1]]
    tensor = (left[:, :, None] * right[:, None, :]).reshape(len(u), -1)
    others = [small[decomposer.features.index(feature)] for feature in _others(decomposer, features)]
    matrix = np.concatenate([np.ones((len(u), 1)), left, right, tensor, *others], 1)
    if matrix.shape[1] > 0.6 * len(decomposer.train):
        return None
    coefficients = _solve(matrix[decomposer.train], u[decomposer.train], root)
    a, b = left.shape[1], right.shape[1]
    mixed = coefficients[1 + a + b : 1 + a + b + a * b].reshape(a, b)
    # The singular values of the function, not of its coefficients: both bases made orthonormal on the data.
    ql, rl = np.linalg.qr(left)
    qr, rr = np.linalg.qr(right)
    rows, values, cols = np.linalg.svd(rl @ mixed @ rr.T)
    p, q = ql @ rows[:, 0] * math.sqrt(values[0]), qr @ cols[0] * math.sqrt(values[0])
    rest = matrix @ coefficients - tensor @ mixed.ravel() + p * q - u
    test = decomposer.test
    return float(np.sqrt(np.mean(rest[test] ** 2)) / max(float(np.std(u[test])), 1e-300)), p, q


def _solve(matrix: np.ndarray, target: np.ndarray, root: np.ndarray) -> np.ndarray:
    rows = matrix * root[:, None]
    gram = rows.T @ rows
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, rows.T @ (target * root))


def _alternated(decomposer, link: Link, pair, start, size: int) -> CurveModel:
    """p and q in turn, each with everything else, by weighted least squares of the link's linearisation."""
    train, features = decomposer.train, (*pair, *_others(decomposer, pair))
    columns = [spline_columns(feature.values, size) for feature in features]
    u, weight = decomposer.target(link)
    curves = [np.zeros_like(u) for _ in features]
    p, q = start
    offset, best = 0.0, None
    for number in range(2 * ROUNDS):
        turn = number % 2
        fixed = q if turn == 0 else p
        moving = columns[turn]
        matrix = np.concatenate([np.ones((len(u), 1)), *columns, moving * fixed[:, None]], 1)
        if matrix.shape[1] > 0.6 * len(train) or not np.isfinite(matrix).all():
            break
        coefficients = _solve(matrix[train], u[train], np.sqrt(weight[train]))
        offset, place = float(coefficients[0]), 1
        for k, block in enumerate(columns):
            curves[k] = block @ coefficients[place : place + block.shape[1]]
            place += block.shape[1]
        new = moving @ coefficients[place:]
        p, q = (new, q) if turn == 0 else (p, new)
        size_p, size_q = float(np.std(p)), float(np.std(q))
        balance = math.sqrt(max(size_q, 1e-300) / max(size_p, 1e-300))
        p, q = p * balance, q / balance
        now = offset + sum(curves) + p * q
        with np.errstate(all="ignore"):
            error = decomposer.error(link.forward(now))
        if best is None or error < best.error:
            best = CurveModel(link, features, (), pair, (*curves, p, q), weight, error, offset, decomposer.factor)
        if link.name and turn:
            u, weight = link.linearised(now, decomposer.y)
            weight = weight * decomposer.scale**2
            weight = weight / max(float(weight.mean()), 1e-300)
    zero = np.zeros_like(u)
    return best or CurveModel(link, features, (), pair, (*curves, zero, zero), weight, math.inf, 0.0, decomposer.factor)


RIDGE = 1e-9  # of the mean diagonal, so that columns no sample reaches decide nothing
HELD_OUT = 0.25
SPLINES, COLUMNS = 0.01, 20  # error that splines alone may make; numbers of a curve, over which noise is averaged
BEAM = 3  # sums of features that are grown side by side
PARTITIONED = 6  # inputs up to which all ways to share them out among features are tried
MANY = 12  # inputs, from which on all of them are taken at once
FINE_DECOMPOSE = 20  # knot intervals of a curve that all inputs share
POLISHED = 4  # steps of Gauss and Newton


@dataclass(frozen=True, eq=False)
class CurveModel:
    """A way to write y: link(sum of curves / (1 + sum of curves)), or with one product of two curves in the sum.

    numerator, denominator, product: features; curves: (values, weight) of each, in that order; error: held out,
    relative to the deviation of y. factor: a feature that all of it is multiplied with. alike: where the
    curves are multiples of one function, their factors.
    """

    link: Link
    numerator: tuple[Feature, ...]
    denominator: tuple[Feature, ...]
    product: tuple[Feature, Feature] | None
    curves: tuple[np.ndarray, ...]
    weight: np.ndarray
    error: float
    offset: float = 0.0
    factor: Feature | None = None
    alike: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """A rough complexity."""
        used = (*self.numerator, *self.denominator, *(self.product or ()), *((self.factor,) if self.factor else ()))
        return sum(2 * len(feature.inputs) for feature in used) + 2 * bool(self.denominator) + (self.link.name != "")

    @property
    def blur(self) -> float:
        """How well a curve is known, relative to y's deviation: small errors may be the splines', large are noise."""
        return min(self.error, SPLINES + self.error * math.sqrt(COLUMNS / len(self.weight)))

    @property
    def rank(self) -> float:
        """What structures are ordered by: log error and a price for size."""
        return math.log(max(self.error, 1e-4)) + 0.15 * self.size


class CurveModelFitter:
    """Least-squares fits of structures to one target, all from the same columns.

    factor: a feature that y is divided by first; errors stay those of y.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        inputs: Sequence[int],
        size: int,
        seed: int = 0,
        factor: Feature | None = None,
    ):
        self.factor, self.inputs = factor, list(inputs)
        self.scale = np.ones_like(y) if factor is None else factor.values
        self.y = y / self.scale
        self.deviation = max(float(np.std(y)), 1e-300)
        order = np.random.default_rng(seed).permutation(len(y))
        held = round(HELD_OUT * len(y))
        self.test, self.train = order[:held], order[held:]
        self.features = candidate_features(x, inputs)
        self.columns = [spline_columns(feature.values, size) for feature in self.features]

    def sums(self, link: Link, most: int) -> list[CurveModel]:
        """Additive structures of 1, 2, ... features, the best few of each number grown into the next."""
        u, weight = self.target(link)
        system = _System([np.ones((len(u), 1)), *self.columns], u, weight, self.train)
        if len(self.inputs) >= MANY:
            everything = self._sum(link, system, weight, tuple(range(len(self.features))))
            return [everything, self._alike(everything)]
        beam: list[tuple[float, tuple[int, ...]]] = [(math.inf, ())]
        found: list[CurveModel] = []
        for _ in range(most):
            grown: dict[frozenset[int], tuple[float, tuple[int, ...]]] = {}
            for last, chosen in beam:
                for k in set(range(len(self.features))) - set(chosen):
                    error = self._sum_error(link, system, (*chosen, k))
                    if error < 0.98 * last:
                        grown.setdefault(frozenset((*chosen, k)), (error, (*chosen, k)))
            if not grown:
                break
            beam = sorted(grown.values(), key=self._cost)[:BEAM]
            found += [self._sum(link, system, weight, chosen) for _, chosen in beam]
            if beam[0][0] < 1e-7:
                return found
        return found + [self._sum(link, system, weight, chosen) for chosen in self._best_partitions(link, system)]

    def _best_partitions(self, link: Link, system: _System) -> list[tuple[int, ...]]:
        """The best few sums in which every input is in one feature; all of them are tried.

        Growing sums one by one fails where several features are right only together.
        """
        if not 3 <= len(self.inputs) <= PARTITIONED:
            return []
        whole = frozenset(self.inputs)
        parts = [tuple(sorted(chosen)) for chosen in _partitions(self.features, whole) if len(chosen) > 1]
        scored = sorted(((self._sum_error(link, system, chosen), chosen) for chosen in parts), key=self._cost)
        return [chosen for error, chosen in scored[:BEAM] if math.isfinite(error)]

    def _cost(self, grown: tuple[float, tuple[int, ...]]) -> float:
        """Ties go to features of fewer inputs."""
        return math.log(max(grown[0], 1e-7)) + 0.1 * sum(len(self.features[k].inputs) for k in grown[1])

    def target(self, link: Link) -> tuple[np.ndarray, np.ndarray]:
        """u and weights that make its squared errors those of y, to first order."""
        u, weight = link.target(self.y)
        weight = weight * self.scale**2
        return u, weight / weight.mean()

    def error(self, predicted: np.ndarray) -> float:
        """Held out, relative to the deviation of the target; infinite where a value isn't finite."""
        rest = ((predicted - self.y) * self.scale)[self.test]
        return float(np.sqrt(np.mean(rest**2))) / self.deviation if np.isfinite(rest).all() else math.inf

    def _sum_error(self, link: Link, system: _System, chosen: Iterable[int]) -> float:
        """As `error`, computed on the held-out rows alone."""
        picked, coefficients = system.solve([0, *(k + 1 for k in chosen)])
        with np.errstate(all="ignore"):
            rest = link.forward(system.matrix[np.ix_(self.test, picked)] @ coefficients) - self.y[self.test]
        rest = rest * self.scale[self.test]
        return float(np.sqrt(np.mean(rest**2))) / self.deviation if np.isfinite(rest).all() else math.inf

    def _sum(self, link: Link, system: _System, weight: np.ndarray, chosen: tuple[int, ...]) -> CurveModel:
        _, coefficients = system.solve([0, *(k + 1 for k in chosen)])
        curves = tuple(_curves(coefficients[1:], [self.columns[k] for k in chosen]))
        error = self.error(_forward(link, coefficients[0] + sum(curves)))
        used = tuple(self.features[k] for k in chosen)
        return CurveModel(link, used, (), None, curves, weight, error, float(coefficients[0]), self.factor)

    def _alike(self, everything: CurveModel) -> CurveModel:
        """All inputs through one curve, each with a factor of its own: far fewer numbers than a curve for each."""
        values = np.stack([feature.values for feature in everything.numerator], 1)
        own = spline_columns(values.ravel(), FINE_DECOMPOSE).reshape(*values.shape, -1)  # (N, inputs, columns)
        (u, weight), link = self.target(everything.link), everything.link
        factors, best = np.ones(values.shape[1]), everything
        for _ in range(2 * POLISHED):
            ones = np.ones((len(u), 1))
            shared = np.einsum("bin,i->bn", own, factors)
            curve = own @ _System([ones, shared], u, weight, self.train).solve((0, 1))[1][1:]
            found = _System([ones, curve], u, weight, self.train).solve((0, 1))[1]
            offset, factors = float(found[0]), found[1:]
            curves = tuple((curve * factors).T)
            trial = replace(everything, curves=curves, offset=offset, weight=weight, alike=tuple(factors))
            trial = replace(trial, error=self.error(_value(trial)))
            if trial.error >= 0.999 * best.error:
                break
            best = trial
            u, weight = link.linearised(offset + sum(curves), self.y)
            weight = weight * self.scale**2 / np.mean(weight * self.scale**2)
        return best

    def ratios(self, most: int) -> list[CurveModel]:
        """y (1 + D) = N with D and N sums of curves, blocks chosen one after another by the error of N / (1 + D)."""
        count = len(self.features)
        blocks = [np.ones((len(self.y), 1)), *self.columns, *(-self.y[:, None] * columns for columns in self.columns)]
        system = _System(blocks, self.y, self.scale**2 / np.mean(self.scale**2), self.train)
        starts = [
            (n, count + d)
            for n, top in enumerate(self.features)
            for d, bottom in enumerate(self.features)
            if len(top.inputs) + len(bottom.inputs) <= (4 if len(self.inputs) <= 3 else 3) and n != d
        ]
        found: list[CurveModel] = []
        for start in sorted(starts, key=lambda pair: self._ratio_error(system, pair))[:BEAM]:
            chosen, last = start, math.inf
            for step in range(most - 1):
                grown = [(*chosen, k) for k in range(2 * count) if k not in chosen] if step else [chosen]
                error, best = min((self._ratio_error(system, blocks), blocks) for blocks in grown)
                if not error < 0.9 * last:
                    break
                chosen, last = best, error
                found.append(self._ratio(system, tuple(sorted(chosen))))
                if last < 1e-6:
                    break
        return found

    def _ratio_error(self, system: _System, chosen: Sequence[int]) -> float:
        """As `error`, computed on the held-out rows alone."""
        count = len(self.features)
        _, coefficients = system.solve([0, *(k + 1 for k in chosen)])
        top, bottom, start = coefficients[0], 1.0, 1
        for k in chosen:
            columns = self.columns[k % count]
            curve = columns[self.test] @ coefficients[start : start + columns.shape[1]]
            top, bottom = (top + curve, bottom) if k < count else (top, bottom + curve)
            start += columns.shape[1]
        with np.errstate(all="ignore"):
            rest = (top / bottom - self.y[self.test]) * self.scale[self.test]
        return float(np.sqrt(np.mean(rest**2))) / self.deviation if np.isfinite(rest).all() else math.inf

    def _ratio(self, system: _System, chosen: tuple[int, ...]) -> CurveModel:
        """`chosen`: blocks in order, so those of the numerator come first."""
        count = len(self.features)
        _, coefficients = system.solve([0, *(k + 1 for k in chosen)])
        curves = _curves(coefficients[1:], [self.columns[k % count] for k in chosen])
        top = tuple(self.features[k] for k in chosen if k < count)
        bottom = tuple(self.features[k - count] for k in chosen if k >= count)
        link = next(possible_links(self.y))
        plain = CurveModel(
            link, top, bottom, None, tuple(curves), np.ones_like(self.y), 0.0, float(coefficients[0]), self.factor
        )
        return replace(plain, error=self.error(_value(plain)))

    def polished(self, structure: CurveModel) -> CurveModel:
        """The same structure, its curves fitted to y itself by Gauss and Newton; the given one where that fails.

        Undoing a link, or multiplying with a denominator, makes of noise in y what least squares must not see.
        """
        if structure.product is not None or (structure.link.name == "" and not structure.denominator):
            return structure
        used = (*structure.numerator, *structure.denominator)
        columns = [self.columns[self.features.index(feature)] for feature in used]
        best = structure
        for _ in range(POLISHED):
            step = self._step(best, columns)
            if step is None or self._train_error(step) >= 0.999 * self._train_error(best):
                break
            best = step
        return replace(best, error=self.error(_value(best))) if best is not structure else structure

    def _train_error(self, structure: CurveModel) -> float:
        rest = ((_value(structure) - self.y) * self.scale)[self.train]
        return float(np.mean(rest**2)) if np.isfinite(rest).all() else math.inf

    def _step(self, structure: CurveModel, columns: list[np.ndarray]) -> CurveModel | None:
        tops = len(structure.numerator)
        ones = np.ones((len(self.y), 1))
        if structure.denominator:
            value, bottom = _value(structure), 1 + sum(structure.curves[tops:])
            parts = [ones, *columns[:tops], *(-value[:, None] * part for part in columns[tops:])]
            parts = [part / bottom[:, None] for part in parts]
            inner = (structure.offset + sum(structure.curves[:tops]) - value * (bottom - 1)) / bottom
            target, weight = self.y - value + inner, np.ones_like(self.y)
        else:
            parts = [ones, *columns]
            target, weight = structure.link.linearised(structure.offset + sum(structure.curves), self.y)
        weight = weight * self.scale**2
        if not all(np.isfinite(part).all() for part in (*parts, target, weight)):
            return None
        weight = weight / weight.mean()
        _, coefficients = _System(parts, target, weight, self.train).solve(range(len(parts)))
        curves = tuple(_curves(coefficients[1:], columns))
        kept = structure.weight if structure.denominator else weight
        return replace(structure, curves=curves, offset=float(coefficients[0]), weight=kept)


def _partitions(features: Sequence[Feature], left: frozenset[int]) -> Iterator[tuple[int, ...]]:
    """The ways to have every input in exactly one feature of one or two inputs, as places in the list."""
    if not left:
        yield ()
        return
    first = min(left)
    for place, feature in enumerate(features):
        if first in feature.inputs and feature.inputs <= left and len(feature.inputs) < 3:
            for others in _partitions(features, left - feature.inputs):
                yield (place, *others)


class _System:
    """Normal equations of all columns at once; parts of them are solved one after another."""

    def __init__(self, blocks: Sequence[np.ndarray], target: np.ndarray, weight: np.ndarray, train: np.ndarray):
        self.matrix = np.concatenate(blocks, 1)
        ends = np.cumsum([0, *(block.shape[1] for block in blocks)])
        self._places = [np.arange(a, b) for a, b in pairwise(ends)]
        rows = self.matrix[train] * np.sqrt(weight[train])[:, None]
        self.gram = rows.T @ rows
        self.right = rows.T @ (target[train] * np.sqrt(weight[train]))

    def places(self, blocks: Iterable[int]) -> list[np.ndarray]:
        return [self._places[k] for k in blocks]

    def solve(self, blocks: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """The columns of some blocks, and their coefficients."""
        picked = np.concatenate(self.places(blocks))
        gram = self.gram[np.ix_(picked, picked)]
        gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram)
        return picked, np.linalg.solve(gram, self.right[picked])


def _curves(coefficients: np.ndarray, columns: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    start = 0
    for block in columns:
        yield block @ coefficients[start : start + block.shape[1]]
        start += block.shape[1]


def _forward(link: Link, u: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return link.forward(u)


def _value(structure: CurveModel) -> np.ndarray:
    """What the structure says y is, over its factor."""
    tops = len(structure.numerator)
    total = structure.offset + sum(structure.curves[:tops], np.zeros_like(structure.weight))
    if structure.denominator:
        with np.errstate(all="ignore"):
            return total / (1 + sum(structure.curves[tops:]))
    if structure.product is not None:
        total = structure.offset + sum(structure.curves[:-2]) + structure.curves[-2] * structure.curves[-1]
    return _forward(structure.link, total)
