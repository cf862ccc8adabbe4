"""Curve models of a target: links of sums of spline curves, fitted by least squares.

A curve model is an intermediate step of the search for a formula: it fixes which features the formula depends on and
how their curves are combined, but not yet the functions. Each fit is linear least squares in the spline coefficients,
or a few Gauss-Newton or alternating steps of it, so hundreds of models are compared in seconds. (The
Levenberg-Marquardt solver of `edgewise.ops.gauss_newton` serves problems of few parameters; here each step is a linear
problem of up to hundreds of coefficients that starts close to its solution, and a step that does not lower the error
ends the iteration.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from edgewise.discovery.curves.features import Feature, candidate_features, spline_columns
from edgewise.discovery.least_squares.links import Link
from edgewise.outcomes import spend
from edgewise.settings import ABOVE_ZERO, CALL_WORK, PRODUCT_SPEED


@dataclass(frozen=True)
class CurveModelSettings:
    """Sizes of curve models, and how many of them are compared."""

    # Share of the mean diagonal entry that is added to the diagonal of normal equations, so that columns without
    # samples get a finite coefficient: far below any effect on the curves.
    normal_matrix_ridge: float = 1e-9
    held_out_share: float = 0.25  # Share of the rows on which models are compared: the usual quarter.
    # Relative error that splines make without noise, and coefficients of a curve, over which noise averages: 1 % is the
    # error of a coarse spline of a smooth curve; the curves have about 20 coefficients.
    spline_error: float = 0.01
    curve_coefficients: int = 20
    size_price: float = 0.15  # Price of a unit of size in units of the log error: 16 % of the error.
    smallest_spline_error: float = 1e-4  # Relative errors below it count as equal, as splines make such errors.
    beam: int = 3  # Models that are extended side by side.
    # Inputs, at most, for which all partitions into features are tried: there are a few hundred.
    most_partitioned: int = 6
    many_inputs: int = 12  # From this number of inputs on, one sum of all inputs is fitted instead of a search.
    shared_intervals: int = 20  # Knot intervals of a curve that all inputs share: all rows of all inputs determine it.
    refining_steps: int = 4  # Gauss-Newton steps, at most: later ones change the third digit.


SETTINGS = CurveModelSettings()


@dataclass(frozen=True, eq=False)
class CurveModel:
    """A model y = h(s) with a sum s of curves."""

    link: Link  # the outer function h
    features: tuple[Feature, ...]  # the features of the curves
    curves: tuple[np.ndarray, ...]  # values of the curves
    weight: np.ndarray  # weights that turn squared errors of the inner function into those of y
    error: float  # held-out root mean squared error over the standard deviation of y
    offset: float  # constant of s
    shared_factors: tuple[float, ...] = ()  # if all curves are multiples of one function, their factors; else empty

    @property
    def size(self) -> int:
        """Rough number of symbols: two for each input of each feature, and one for a link."""
        return sum(2 * len(feature.inputs) for feature in self.features) + (self.link.name != "")

    @property
    def curve_error(self) -> float:
        """Error of a curve relative to the standard deviation of y: noise averages over rows, spline errors do not."""
        return min(
            self.error, SETTINGS.spline_error + self.error * math.sqrt(SETTINGS.curve_coefficients / len(self.weight))
        )

    @property
    def criterion(self) -> float:
        """Log error plus a price for size; models with the lowest value are tried first."""
        return math.log(max(self.error, SETTINGS.smallest_spline_error)) + SETTINGS.size_price * self.size

    def values(self) -> np.ndarray:
        """Predictions (N,) of y."""
        with np.errstate(all="ignore"):
            return self.link.forward(self.offset + sum(self.curves, np.zeros_like(self.weight)))


class CurveModelFitter:
    """Least-squares fits of curve models to one target, all from the same spline columns."""

    def __init__(
        self, x: np.ndarray, y: np.ndarray, inputs: Sequence[int], size: int, seed: int = 0, single_inputs: bool = False
    ):
        self.y = y
        self.inputs = list(inputs)
        self.deviation = max(float(np.std(y)), ABOVE_ZERO)
        # Held-out rows for the comparison of models.
        order = np.random.default_rng(seed).permutation(len(y))
        held_out = round(SETTINGS.held_out_share * len(y))
        self.test = order[:held_out]
        self.train = order[held_out:]
        self.features = candidate_features(x, inputs)
        if single_inputs:
            self.features = self.features[: len(self.inputs)]
        self.columns = [spline_columns(feature.values, size) for feature in self.features]

    def target(self, link: Link) -> tuple[np.ndarray, np.ndarray]:
        """Return u and weights of mean 1 that make squared errors of u those of y to first order."""
        u, weight = link.target(self.y)
        return u, weight / weight.mean()

    def _held_out_error(self, values: np.ndarray) -> float:
        """Relative error of values of y at the held-out rows; infinite if one is not finite."""
        residuals = values - self.y[self.test]
        if np.isfinite(residuals).all():
            return float(np.sqrt(np.mean(residuals**2))) / self.deviation
        return math.inf

    def sums(self, link: Link, most: int) -> list[CurveModel]:
        """Fit additive models u = sum of curves."""
        # Models of 1, 2, ... features are grown, the best few of each number into the next. For three to six inputs all
        # sums with every input in exactly one feature are compared as well, since growing one by one fails where
        # several features are right only together. Many inputs are taken all at once.
        u, weight = self.target(link)
        system = _NormalEquations([np.ones((len(u), 1)), *self.columns], u, weight, self.train)
        if len(self.inputs) >= SETTINGS.many_inputs:
            everything = self._sum(link, system, weight, tuple(range(len(self.features))))
            return [everything, self._with_shared_curve(everything)]

        def cost(candidate: tuple[float, tuple[int, ...]]) -> float:
            """Log error plus a small price for inputs, which decides ties."""
            error, chosen = candidate
            return math.log(max(error, 1e-7)) + 0.1 * sum(len(self.features[k].inputs) for k in chosen)

        # Beam search: each model is extended by every further feature, and the best few sums go on.
        beam: list[tuple[float, tuple[int, ...]]] = [(math.inf, ())]
        models: list[CurveModel] = []
        for _ in range(most):
            grown: dict[frozenset[int], tuple[float, tuple[int, ...]]] = {}
            for last, chosen in beam:
                for k in set(range(len(self.features))) - set(chosen):
                    error = self._sum_error(link, system, (*chosen, k))
                    if error < 0.98 * last:  # A feature has to lower the error by two per cent.
                        grown.setdefault(frozenset((*chosen, k)), (error, (*chosen, k)))
            if not grown:
                break
            beam = sorted(grown.values(), key=cost)[: SETTINGS.beam]
            models += [self._sum(link, system, weight, chosen) for _, chosen in beam]
            if beam[0][0] < 1e-7:
                return models
        # Exhaustive search among the partitions of the inputs into features of one or two inputs.
        if 3 <= len(self.inputs) <= SETTINGS.most_partitioned:
            partitions = [tuple(sorted(c)) for c in _partitions(self.features, frozenset(self.inputs)) if len(c) > 1]
            scored = sorted(((self._sum_error(link, system, chosen), chosen) for chosen in partitions), key=cost)
            best = [chosen for error, chosen in scored[: SETTINGS.beam] if math.isfinite(error)]
            models += [self._sum(link, system, weight, chosen) for chosen in best]
        return models

    def _sum_error(self, link: Link, system: _NormalEquations, chosen: Iterable[int]) -> float:
        """Error of a sum, computed on the held-out rows alone."""
        columns, coefficients = system.solve([0, *(k + 1 for k in chosen)])
        with np.errstate(all="ignore"):
            return self._held_out_error(link.forward(system.matrix[np.ix_(self.test, columns)] @ coefficients))

    def _sum(self, link: Link, system: _NormalEquations, weight: np.ndarray, chosen: tuple[int, ...]) -> CurveModel:
        _, coefficients = system.solve([0, *(k + 1 for k in chosen)])
        curves = tuple(_curves(coefficients[1:], [self.columns[k] for k in chosen]))
        used = tuple(self.features[k] for k in chosen)
        offset = float(coefficients[0])
        return self._with_error(CurveModel(link, used, curves, weight, 0.0, offset))

    def _with_error(self, model: CurveModel) -> CurveModel:
        return replace(model, error=self._held_out_error(model.values()[self.test]))

    def _with_shared_curve(self, everything: CurveModel) -> CurveModel:
        """A sum of one curve at all inputs, each with a factor of its own, which has far fewer coefficients."""
        values = np.stack([feature.values for feature in everything.features], 1)
        # Spline columns of the common curve at all inputs, (N, inputs, columns).
        own = spline_columns(values.ravel(), SETTINGS.shared_intervals).reshape(*values.shape, -1)
        link = everything.link
        u, weight = self.target(link)
        factors = np.ones(values.shape[1])
        best = everything
        ones = np.ones((len(u), 1))
        # Alternating least squares: the curve with the factors fixed, then the factors with the curve fixed.
        for _ in range(2 * SETTINGS.refining_steps):
            shared = np.einsum("bin,i->bn", own, factors)
            curve = own @ _NormalEquations([ones, shared], u, weight, self.train).solve((0, 1))[1][1:]
            coefficients = _NormalEquations([ones, curve], u, weight, self.train).solve((0, 1))[1]
            offset = float(coefficients[0])
            factors = coefficients[1:]
            curves = tuple((curve * factors).T)
            trial = replace(everything, curves=curves, offset=offset, weight=weight, shared_factors=tuple(factors))
            trial = self._with_error(trial)
            if trial.error >= 0.999 * best.error:
                break
            best = trial
            # The link is linearised at the new sum, as in a Gauss-Newton step.
            u, weight = link.linearised(offset + np.asarray(sum(curves)), self.y)
            weight = weight / weight.mean()
        return best

    def refined(self, model: CurveModel) -> CurveModel:
        """Fit the curves of a model to y itself by Gauss-Newton steps."""
        # The fit of u = inverse(y) weighs noise in y wrongly; this removes the bias.
        if model.link.name == "":
            return model

        def training_error(model: CurveModel) -> float:
            residuals = (model.values() - self.y)[self.train]
            if np.isfinite(residuals).all():
                return float(np.mean(residuals**2))
            return math.inf

        columns = [self.columns[self.features.index(feature)] for feature in model.features]
        best = model
        for _ in range(SETTINGS.refining_steps):
            step = self._gauss_newton_step(best, columns)
            if step is None or training_error(step) >= 0.999 * training_error(best):
                break
            best = step
        if best is not model:
            return self._with_error(best)
        return model

    def _gauss_newton_step(self, model: CurveModel, columns: list[np.ndarray]) -> CurveModel | None:
        """One step from a model; None if its linearisation is not finite."""
        parts = [np.ones((len(self.y), 1)), *columns]
        inner = model.offset + sum(model.curves, np.zeros_like(self.y))
        target, weight = model.link.linearised(inner, self.y)
        if not all(np.isfinite(part).all() for part in (*parts, target, weight)):
            return None
        # Weighted least squares for the coefficients of all curves at once.
        weight = weight / weight.mean()
        _, coefficients = _NormalEquations(parts, target, weight, self.train).solve(range(len(parts)))
        curves = tuple(_curves(coefficients[1:], columns))
        return replace(model, curves=curves, offset=float(coefficients[0]), weight=weight)


def _partitions(features: Sequence[Feature], inputs: frozenset[int]) -> Iterator[tuple[int, ...]]:
    """The ways to have every input in exactly one feature of one or two inputs, as places in the list."""
    if not inputs:
        yield ()
        return
    first = min(inputs)
    for place, feature in enumerate(features):
        if first in feature.inputs and feature.inputs <= inputs and len(feature.inputs) < 3:
            for others in _partitions(features, inputs - feature.inputs):
                yield (place, *others)


class _NormalEquations:
    """Weighted normal equations of all blocks of columns at once; some blocks at a time are solved for."""

    def __init__(self, blocks: Sequence[np.ndarray], target: np.ndarray, weight: np.ndarray, train: np.ndarray):
        self.matrix = np.concatenate(blocks, 1)
        ends = np.cumsum([0, *(block.shape[1] for block in blocks)])
        self._places = [np.arange(a, b) for a, b in pairwise(ends)]
        rows = self.matrix[train] * np.sqrt(weight[train])[:, None]
        spend(8 * self.matrix.size + rows.size * rows.shape[1] / PRODUCT_SPEED)
        self._gram = rows.T @ rows
        self._right = rows.T @ (target[train] * np.sqrt(weight[train]))

    def solve(self, blocks: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """The places of the columns of some blocks, and their coefficients."""
        places = np.concatenate([self._places[k] for k in blocks])
        gram = self._gram[np.ix_(places, places)]
        spend(30 * CALL_WORK + 2 * len(gram) ** 3 / PRODUCT_SPEED + 2 * len(self.matrix) * len(gram))
        gram[np.diag_indices_from(gram)] += SETTINGS.normal_matrix_ridge * np.trace(gram) / len(gram)
        return places, np.linalg.solve(gram, self._right[places])


def _curves(coefficients: np.ndarray, columns: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Values of the curve of each block of columns; the coefficients stand one block after another."""
    start = 0
    for block in columns:
        yield block @ coefficients[start : start + block.shape[1]]
        start += block.shape[1]
