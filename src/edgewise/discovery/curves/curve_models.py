"""Curve models of a target: links of sums, ratios and products of spline curves, fitted by least squares.

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
from itertools import combinations, pairwise

import numpy as np

from edgewise.discovery.curves.features import Feature, candidate_features, spline_columns
from edgewise.discovery.least_squares.links import Link, possible_links
from edgewise.settings import ABOVE_ZERO

# Share of the mean diagonal entry that is added to the diagonal of normal equations, so that columns without samples
# get a finite coefficient. A choice: far below any effect on the curves.
NORMAL_MATRIX_RIDGE = 1e-9
HELD_OUT_SHARE = 0.25  # Share of the rows on which models are compared. A choice: the usual quarter.
# Relative error that splines make without noise, and coefficients of a curve, over which noise averages. Choices: 1 %
# is the error of a coarse spline of a smooth curve; the curves have about 20 coefficients.
SPLINE_ERROR, CURVE_COEFFICIENTS = 0.01, 20
SIZE_PRICE = 0.15  # Price of a unit of size in units of the log error: 16 % of the error. A choice.
SMALLEST_SPLINE_ERROR = 1e-4  # Relative errors below it count as equal, as splines make such errors. A choice.
BEAM = 3  # Models that are extended side by side. A choice between time and completeness.
MOST_PARTITIONED = 6  # Inputs, at most, for which all partitions into features are tried: there are a few hundred.
MANY_INPUTS = 12  # From so many inputs on, one sum of all inputs is fitted instead of a search. A choice.
SHARED_INTERVALS = 20  # Knot intervals of a curve that all inputs share. A choice: all rows of all inputs determine it.
REFINING_STEPS = 4  # Gauss-Newton steps, at most. A choice: later ones change the third digit.
# Knot intervals of the tensor of two coarse curves, and of the curves of a product afterwards (both are tried). A
# choice: a tensor of 5 x 5 intervals has 49 coefficients, which a few hundred rows determine.
TENSOR_INTERVALS, PRODUCT_INTERVALS = 5, (8, 20)
ALTERNATIONS = 8  # Rounds in which both curves of a product are fitted. A choice: enough to converge to 1e-3.
KEPT_PRODUCTS = 4  # Product models of each link. A choice between time and completeness.
MOST_COLUMN_SHARE = 0.6  # Columns of a fit, at most, as a share of the rows. A choice: more would overfit.


@dataclass(frozen=True, eq=False)
class CurveModel:
    """A model y = factor * h(s / t) with sums s, t of curves, or y = factor * h(s + p q) with a product of two curves.

    Parameters
    ----------
    link : Link
        The outer function h.
    numerator, denominator : tuple of Feature
        The features of the curves in s and in t - 1.
    product : tuple of Feature, optional
        The features of p and q.
    curves : tuple of ndarray, shape (N,)
        Values of the curves of numerator, denominator and product, in this order.
    weight : ndarray, shape (N,)
        Weights that turn squared errors of the inner function into those of y.
    error : float
        Held-out root mean squared error over the standard deviation of y.
    offset : float
        Constant of s.
    factor : Feature, optional
        A feature that the whole model is multiplied with.
    shared_factors : tuple of float
        If all curves are multiples of one function, their factors; else empty.

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(0.5, 1.5, (300, 2))
    >>> y = np.exp(x[:, 0] + x[:, 1] ** 2)
    >>> link = next(link for link in possible_links(y) if link.name == "exp")
    >>> model = min(CurveModelFitter(x, y, [0, 1], 8).sums(link, 2), key=lambda model: model.criterion)
    >>> len(model.curves), model.error < 1e-3
    (2, True)
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
    shared_factors: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Rough number of symbols: two for each input of each feature, two for a ratio and one for a link."""
        used = (*self.numerator, *self.denominator, *(self.product or ()), *((self.factor,) if self.factor else ()))
        return sum(2 * len(feature.inputs) for feature in used) + 2 * bool(self.denominator) + (self.link.name != "")

    @property
    def curve_error(self) -> float:
        """Error of a curve relative to the standard deviation of y: noise averages over rows, spline errors do not."""
        return min(self.error, SPLINE_ERROR + self.error * math.sqrt(CURVE_COEFFICIENTS / len(self.weight)))

    @property
    def criterion(self) -> float:
        """Log error plus a price for size; models with the lowest value are tried first."""
        return math.log(max(self.error, SMALLEST_SPLINE_ERROR)) + SIZE_PRICE * self.size

    def values(self) -> np.ndarray:
        """Predictions (N,) of y over the factor."""
        tops = len(self.numerator)
        if self.product is not None:
            total = self.offset + sum(self.curves[:-2]) + self.curves[-2] * self.curves[-1]
        else:
            total = self.offset + sum(self.curves[:tops], np.zeros_like(self.weight))
            if self.denominator:
                with np.errstate(all="ignore"):
                    return total / (1 + sum(self.curves[tops:]))
        with np.errstate(all="ignore"):
            return self.link.forward(total)


class CurveModelFitter:
    """Least-squares fits of curve models to one target, all from the same spline columns.

    Parameters
    ----------
    x : ndarray, shape (N, columns)
        The rows.
    y : ndarray, shape (N,)
        The target.
    inputs : sequence of int
        The columns to use.
    size : int
        Knot intervals of the curves.
    seed : int
        Seed of the split into training and held-out rows.
    factor : Feature, optional
        A feature by which y is divided first; errors remain those of y.
    single_inputs : bool
        Use only single inputs as features.

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(0.5, 1.5, (300, 2))
    >>> y = (1 + x[:, 0] ** 2) / (1 + x[:, 1] ** 3)
    >>> best = min(CurveModelFitter(x, y, [0, 1], 8).ratios(3), key=lambda model: model.criterion)
    >>> [sorted(feature.inputs) for feature in (*best.numerator, *best.denominator)]
    [[0], [1]]
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        inputs: Sequence[int],
        size: int,
        seed: int = 0,
        factor: Feature | None = None,
        single_inputs: bool = False,
    ):
        self.factor, self.inputs = factor, list(inputs)
        self.scale = np.ones_like(y) if factor is None else factor.values
        self.y = y / self.scale
        self.deviation = max(float(np.std(y)), ABOVE_ZERO)
        order = np.random.default_rng(seed).permutation(len(y))
        held_out = round(HELD_OUT_SHARE * len(y))
        self.test, self.train = order[:held_out], order[held_out:]
        self.features = candidate_features(x, inputs, most_paired=0) if single_inputs else candidate_features(x, inputs)
        self.columns = [spline_columns(feature.values, size) for feature in self.features]

    def target(self, link: Link) -> tuple[np.ndarray, np.ndarray]:
        """Return u and weights of mean 1 that make squared errors of u those of y to first order."""
        u, weight = link.target(self.y)
        weight = weight * self.scale**2
        return u, weight / weight.mean()

    def error(self, values: np.ndarray) -> float:
        """Relative error of values (N,) of y over the factor on the held-out rows; infinite if one is not finite."""
        return self._held_out_error(values[self.test])

    def _held_out_error(self, values: np.ndarray) -> float:
        """`error` of the values of the held-out rows alone."""
        residuals = (values - self.y[self.test]) * self.scale[self.test]
        return float(np.sqrt(np.mean(residuals**2))) / self.deviation if np.isfinite(residuals).all() else math.inf

    def sums(self, link: Link, most: int) -> list[CurveModel]:
        """Fit additive models u = sum of curves.

        Models of 1, 2, ... features are grown, the best few of each number into the next. For three to six inputs all
        sums with every input in exactly one feature are compared as well, since growing one by one fails where several
        features are right only together. Many inputs are taken all at once.

        Parameters
        ----------
        link : Link
            The outer function.
        most : int
            Number of features, at most.

        Returns
        -------
        list of CurveModel
            The best models of each number of features.
        """
        u, weight = self.target(link)
        system = _NormalEquations([np.ones((len(u), 1)), *self.columns], u, weight, self.train)
        if len(self.inputs) >= MANY_INPUTS:
            everything = self._sum(link, system, weight, tuple(range(len(self.features))))
            return [everything, self._with_shared_curve(everything)]

        def cost(candidate: tuple[float, tuple[int, ...]]) -> float:
            """Log error plus a small price for inputs, which decides ties."""
            error, chosen = candidate
            return math.log(max(error, 1e-7)) + 0.1 * sum(len(self.features[k].inputs) for k in chosen)

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
            beam = sorted(grown.values(), key=cost)[:BEAM]
            models += [self._sum(link, system, weight, chosen) for _, chosen in beam]
            if beam[0][0] < 1e-7:
                return models
        if 3 <= len(self.inputs) <= MOST_PARTITIONED:
            partitions = [tuple(sorted(c)) for c in _partitions(self.features, frozenset(self.inputs)) if len(c) > 1]
            scored = sorted(((self._sum_error(link, system, chosen), chosen) for chosen in partitions), key=cost)
            best = [chosen for error, chosen in scored[:BEAM] if math.isfinite(error)]
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
        used, offset = tuple(self.features[k] for k in chosen), float(coefficients[0])
        return self._with_error(CurveModel(link, used, (), None, curves, weight, 0.0, offset, self.factor))

    def _with_error(self, model: CurveModel) -> CurveModel:
        return replace(model, error=self.error(model.values()))

    def _with_shared_curve(self, everything: CurveModel) -> CurveModel:
        """A sum of one curve at all inputs, each with a factor of its own: far fewer coefficients than separate curves.

        Curve and factors are fitted in turn.
        """
        values = np.stack([feature.values for feature in everything.numerator], 1)
        own = spline_columns(values.ravel(), SHARED_INTERVALS).reshape(*values.shape, -1)  # (N, inputs, columns)
        link, (u, weight) = everything.link, self.target(everything.link)
        factors, best = np.ones(values.shape[1]), everything
        ones = np.ones((len(u), 1))
        for _ in range(2 * REFINING_STEPS):
            shared = np.einsum("bin,i->bn", own, factors)
            curve = own @ _NormalEquations([ones, shared], u, weight, self.train).solve((0, 1))[1][1:]
            coefficients = _NormalEquations([ones, curve], u, weight, self.train).solve((0, 1))[1]
            offset, factors = float(coefficients[0]), coefficients[1:]
            curves = tuple((curve * factors).T)
            trial = replace(everything, curves=curves, offset=offset, weight=weight, shared_factors=tuple(factors))
            trial = self._with_error(trial)
            if trial.error >= 0.999 * best.error:
                break
            best = trial
            u, weight = link.linearised(offset + np.asarray(sum(curves)), self.y)
            weight = weight * self.scale**2 / np.mean(weight * self.scale**2)
        return best

    def ratios(self, most: int) -> list[CurveModel]:
        """Fit rational models y = s / (1 + t) with sums s, t of curves.

        The equation y (1 + t) = s is linear in the coefficients. Curves are added one after another by the error of
        s / (1 + t), from the best pairs of one curve in s and one in t.

        Parameters
        ----------
        most : int
            Number of curves, at most.

        Returns
        -------
        list of CurveModel
            The models met on the way.
        """
        count = len(self.features)
        blocks = [np.ones((len(self.y), 1)), *self.columns, *(-self.y[:, None] * columns for columns in self.columns)]
        system = _NormalEquations(blocks, self.y, self.scale**2 / np.mean(self.scale**2), self.train)
        most_inputs = 4 if len(self.inputs) <= 3 else 3
        starts = [
            (n, count + d)
            for n, top in enumerate(self.features)
            for d, bottom in enumerate(self.features)
            if len(top.inputs) + len(bottom.inputs) <= most_inputs and n != d
        ]
        models: list[CurveModel] = []
        for start in sorted(starts, key=lambda pair: self._ratio_error(system, pair))[:BEAM]:
            chosen: tuple[int, ...] = start
            last = math.inf
            for step in range(most - 1):
                grown = [(*chosen, k) for k in range(2 * count) if k not in chosen] if step else [chosen]
                error, best = min((self._ratio_error(system, blocks), blocks) for blocks in grown)
                if not error < 0.9 * last:  # A curve has to lower the error by ten per cent.
                    break
                chosen, last = best, error
                models.append(self._ratio(system, tuple(sorted(chosen))))
                if last < 1e-6:
                    break
        return models

    def _ratio_error(self, system: _NormalEquations, chosen: Sequence[int]) -> float:
        """Error of a ratio, computed on the held-out rows alone."""
        count = len(self.features)
        _, coefficients = system.solve([0, *(k + 1 for k in chosen)])
        curves = _curves(coefficients[1:], [self.columns[k % count][self.test] for k in chosen])
        top, bottom = np.asarray(coefficients[0]), np.ones(())
        for k, curve in zip(chosen, curves, strict=True):
            top, bottom = (top + curve, bottom) if k < count else (top, bottom + curve)
        with np.errstate(all="ignore"):
            return self._held_out_error(top / bottom)

    def _ratio(self, system: _NormalEquations, chosen: tuple[int, ...]) -> CurveModel:
        """The model of some blocks in order, so those of the numerator come first."""
        count = len(self.features)
        _, coefficients = system.solve([0, *(k + 1 for k in chosen)])
        return self._with_error(
            CurveModel(
                link=next(possible_links(self.y)),
                numerator=tuple(self.features[k] for k in chosen if k < count),
                denominator=tuple(self.features[k - count] for k in chosen if k >= count),
                product=None,
                curves=tuple(_curves(coefficients[1:], [self.columns[k % count] for k in chosen])),
                weight=np.ones_like(self.y),
                error=0.0,
                offset=float(coefficients[0]),
                factor=self.factor,
            )
        )

    def refined(self, model: CurveModel) -> CurveModel:
        """Fit the curves of a model to y itself by Gauss-Newton steps.

        The fit of u = inverse(y), or of y (1 + t) = s, weighs noise in y wrongly; this removes the bias.

        Parameters
        ----------
        model : CurveModel
            A model of `sums` or `ratios`.

        Returns
        -------
        CurveModel
            The refined model; the given one if no step lowers its training error.
        """
        if model.product is not None or (model.link.name == "" and not model.denominator):
            return model

        def training_error(model: CurveModel) -> float:
            residuals = ((model.values() - self.y) * self.scale)[self.train]
            return float(np.mean(residuals**2)) if np.isfinite(residuals).all() else math.inf

        used = (*model.numerator, *model.denominator)
        columns = [self.columns[self.features.index(feature)] for feature in used]
        best = model
        for _ in range(REFINING_STEPS):
            step = self._gauss_newton_step(best, columns)
            if step is None or training_error(step) >= 0.999 * training_error(best):
                break
            best = step
        return self._with_error(best) if best is not model else model

    def _gauss_newton_step(self, model: CurveModel, columns: list[np.ndarray]) -> CurveModel | None:
        """One step from a model; None if its linearisation is not finite."""
        tops = len(model.numerator)
        ones = np.ones((len(self.y), 1))
        numerator = model.offset + sum(model.curves[:tops], np.zeros_like(self.y))
        if model.denominator:
            values, bottom = model.values(), 1 + sum(model.curves[tops:], np.zeros_like(self.y))
            parts = [ones, *columns[:tops], *(-values[:, None] * part for part in columns[tops:])]
            parts = [part / bottom[:, None] for part in parts]
            inner = (numerator - values * (bottom - 1)) / bottom
            target, weight = self.y - values + inner, np.ones_like(self.y)
        else:
            parts = [ones, *columns]
            target, weight = model.link.linearised(numerator, self.y)
        weight = weight * self.scale**2
        if not all(np.isfinite(part).all() for part in (*parts, target, weight)):
            return None
        weight = weight / weight.mean()
        _, coefficients = _NormalEquations(parts, target, weight, self.train).solve(range(len(parts)))
        curves = tuple(_curves(coefficients[1:], columns))
        kept = model.weight if model.denominator else weight
        return replace(model, curves=curves, offset=float(coefficients[0]), weight=kept)


def product_models(fitter: CurveModelFitter, link: Link, coarse: int = TENSOR_INTERVALS) -> list[CurveModel]:
    """Fit models u = s(f) + t(g) + p(f) q(g) + curves of the other inputs, for pairs of features f, g.

    The best rank-one part of a tensor of coarse splines gives the start; alternating least squares makes the curves
    accurate. The two features may share an input only where they explain everything together.

    Parameters
    ----------
    fitter : CurveModelFitter
        The features, the target and the split into training and held-out rows.
    link : Link
        The outer function.
    coarse : int
        Knot intervals of the tensor.

    Returns
    -------
    list of CurveModel
        The best few models.

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(0.5, 1.5, (300, 2))
    >>> y = x[:, 0] ** 3 * np.sin(3 * x[:, 1])
    >>> fitter = CurveModelFitter(x, y, [0, 1], 8)
    >>> best = product_models(fitter, next(possible_links(y)))[0]
    >>> [sorted(feature.inputs) for feature in best.product], best.error < 1e-2
    ([[0], [1]], True)
    """
    u, weight = fitter.target(link)
    root = np.sqrt(weight[fitter.train])
    small = [spline_columns(feature.values, coarse) for feature in fitter.features]
    everything = frozenset(fitter.inputs)
    starts = []
    for f, g in combinations(range(len(fitter.features)), 2):
        first, second = fitter.features[f].inputs, fitter.features[g].inputs
        complete = first | second == everything and first != second and len(everything) <= 3
        if first & second and not complete:
            continue
        start = _product_start(fitter, u, root, (f, g), small)
        if start is not None:
            error, p, q = start
            size = 2 * (len(first) + len(second) + len(fitter.inputs))
            starts.append((math.log(max(error, SMALLEST_SPLINE_ERROR)) + SIZE_PRICE * size, f, g, p, q))
    starts.sort(key=lambda start: start[0])
    models = []
    for _, f, g, p, q in starts[: 2 * KEPT_PRODUCTS]:
        pair = fitter.features[f], fitter.features[g]
        fits = (_alternated(fitter, link, pair, (p, q), size) for size in PRODUCT_INTERVALS)
        models.append(min(fits, key=lambda model: model.criterion))
    return sorted(models, key=lambda model: model.criterion)[:KEPT_PRODUCTS]


def _other_inputs(fitter: CurveModelFitter, pair: tuple[Feature, Feature]) -> list[Feature]:
    """Single inputs with a curve of their own beside a product; none whose linear part is in the pair's curves."""
    if pair[0].inputs & pair[1].inputs:
        return []
    linear = [feature.inputs for feature in pair if feature.is_linear]
    return [
        feature
        for feature in fitter.features
        if len(feature.inputs) == 1 and not any(feature.inputs <= inputs for inputs in linear)
    ]


def _product_start(
    fitter: CurveModelFitter, u: np.ndarray, root: np.ndarray, pair: tuple[int, int], small: list[np.ndarray]
) -> tuple[float, np.ndarray, np.ndarray] | None:
    """Error of u, and the curves p and q, of the best product of two coarse curves; None with too few rows."""
    left, right = small[pair[0]], small[pair[1]]
    features = fitter.features[pair[0]], fitter.features[pair[1]]
    tensor = (left[:, :, None] * right[:, None, :]).reshape(len(u), -1)
    others = [small[fitter.features.index(feature)] for feature in _other_inputs(fitter, features)]
    matrix = np.concatenate([np.ones((len(u), 1)), left, right, tensor, *others], 1)
    if matrix.shape[1] > MOST_COLUMN_SHARE * len(fitter.train):
        return None
    coefficients = _ridge_solution(matrix[fitter.train], u[fitter.train], root)
    a, b = left.shape[1], right.shape[1]
    mixed = coefficients[1 + a + b : 1 + a + b + a * b].reshape(a, b)
    # Singular values of the function, not of its coefficients: both bases are made orthonormal on the data first.
    left_q, left_r = np.linalg.qr(left)
    right_q, right_r = np.linalg.qr(right)
    rows, values, cols = np.linalg.svd(left_r @ mixed @ right_r.T)
    p, q = left_q @ rows[:, 0] * math.sqrt(values[0]), right_q @ cols[0] * math.sqrt(values[0])
    residuals = (matrix @ coefficients - tensor @ mixed.ravel() + p * q - u)[fitter.test]
    return float(np.sqrt(np.mean(residuals**2)) / max(float(np.std(u[fitter.test])), ABOVE_ZERO)), p, q


def _ridge_solution(matrix: np.ndarray, target: np.ndarray, root: np.ndarray) -> np.ndarray:
    rows = matrix * root[:, None]
    gram = rows.T @ rows
    gram[np.diag_indices_from(gram)] += NORMAL_MATRIX_RIDGE * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, rows.T @ (target * root))


def _alternated(
    fitter: CurveModelFitter,
    link: Link,
    pair: tuple[Feature, Feature],
    start: tuple[np.ndarray, np.ndarray],
    size: int,
) -> CurveModel:
    """The model after fitting p and q in turn, each with all other curves, by linear least squares."""
    train, features = fitter.train, (*pair, *_other_inputs(fitter, pair))
    columns = [spline_columns(feature.values, size) for feature in features]
    u, weight = fitter.target(link)
    p, q = start
    zero = np.zeros_like(u)
    blank = (*(zero for _ in features), zero, zero)
    best = CurveModel(link, features, (), pair, blank, weight, math.inf, 0.0, fitter.factor)
    for number in range(2 * ALTERNATIONS):
        turn = number % 2
        fixed, moving = (q, p)[turn], columns[turn]
        matrix = np.concatenate([np.ones((len(u), 1)), *columns, moving * fixed[:, None]], 1)
        if matrix.shape[1] > MOST_COLUMN_SHARE * len(train) or not np.isfinite(matrix).all():
            break
        coefficients = _ridge_solution(matrix[train], u[train], np.sqrt(weight[train]))
        *curves, new = _curves(coefficients[1:], [*columns, moving])
        p, q = (new, q) if turn == 0 else (p, new)
        balance = math.sqrt(max(float(np.std(q)), ABOVE_ZERO) / max(float(np.std(p)), ABOVE_ZERO))
        p, q = p * balance, q / balance
        offset = float(coefficients[0])
        model = CurveModel(link, features, (), pair, (*curves, p, q), weight, 0.0, offset, fitter.factor)
        error = fitter.error(model.values())
        if error < best.error or number == 0:
            best = replace(model, error=error)
        if link.name and turn:
            u, weight = link.linearised(offset + np.asarray(sum(curves)) + p * q, fitter.y)
            weight = weight * fitter.scale**2
            weight = weight / max(float(weight.mean()), ABOVE_ZERO)
    return best


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
        self._gram = rows.T @ rows
        self._right = rows.T @ (target[train] * np.sqrt(weight[train]))

    def solve(self, blocks: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """The places of the columns of some blocks, and their coefficients."""
        places = np.concatenate([self._places[k] for k in blocks])
        gram = self._gram[np.ix_(places, places)]
        gram[np.diag_indices_from(gram)] += NORMAL_MATRIX_RIDGE * np.trace(gram) / len(gram)
        return places, np.linalg.solve(gram, self._right[places])


def _curves(coefficients: np.ndarray, columns: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Values of the curve of each block of columns; the coefficients stand one block after another."""
    start = 0
    for block in columns:
        yield block @ coefficients[start : start + block.shape[1]]
        start += block.shape[1]
