"""The unknown functions of a structure as smooth curves and surfaces, all fitted at once.

Each unknown function is a sum of products of Legendre polynomials of its arguments up to a total degree, and all
coefficients and constants are fitted together by Levenberg-Marquardt. The degree is the smallest whose squared errors
on held-out rows are within one standard error of the best one's. A function whose law is known already is that law
times a factor plus a constant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
from numpy.polynomial import legendre

from edgewise.discovery.knowledge.templates import Template
from edgewise.discovery.losses import is_as_good
from edgewise.discovery.problem import LawProblem
from edgewise.formulas.constants import FreeConstants, free_places, root_weights
from edgewise.formulas.expression import Expression, evaluate, values_and_derivatives
from edgewise.formulas.printing import as_text
from edgewise.ops.gauss_newton import DampingRule, LeastSquaresLimits, least_squares
from edgewise.outcomes import Budget
from edgewise.settings import ABOVE_ZERO


@dataclass(frozen=True)
class SmoothPartSettings:
    """Degrees, sizes and starts of smooth functions."""

    polynomial_degrees: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 22, 26, 30)
    # Coefficients of all functions, at most: a step then takes a few hundredths of a second.
    most_coefficients: int = 300
    # Starts at the lowest degrees, since products and constants inside functions have local minima.
    starts: int = 6
    start_degree: int = 3  # The degree at which starts are compared: lower ones show too little of a curve.
    wide_range: float = 4.0  # Ratio of the ends of a positive argument from which on its logarithm is tried too.
    rows_a_term: int = 3  # Rows for each coefficient, at least: fewer leave nothing to judge the fit by.
    steps: int = 25  # Steps of a fit, at most; a structure that is linear in its functions needs two or three.
    degree_patience: int = 2  # Degrees without improvement after which no higher one is tried.
    # Sizes of derivatives, as shares of their root mean square, below which a residual does not depend on a function.
    least_part_slope: float = 1e-3


SETTINGS = SmoothPartSettings()


@dataclass(frozen=True)
class Polynomials:
    """Products of Legendre polynomials of arguments up to a total degree."""

    low: np.ndarray  # (arguments,), ends of the range of the arguments, or of their logarithms
    high: np.ndarray
    logs: np.ndarray  # (arguments,), arguments that are replaced by their logarithms
    degree: int  # the total degree

    @property
    def exponents(self) -> list[tuple[int, ...]]:
        """Degrees of each term, of lower total degree first, so that those of a smaller basis come first."""
        every = product(range(self.degree + 1), repeat=len(self.low))
        return sorted((e for e in every if sum(e) <= self.degree), key=lambda e: (sum(e), e))

    @property
    def terms(self) -> int:
        """Number of terms."""
        return math.comb(self.degree + len(self.low), len(self.low))

    def columns(self, z: np.ndarray) -> np.ndarray:
        """The terms at arguments z (N, arguments), (N, terms)."""
        with np.errstate(all="ignore"):
            u = np.where(self.logs, np.log(np.where(self.logs, z, 1.0)), z)
        u = 2 * (u - self.low) / np.maximum(self.high - self.low, ABOVE_ZERO) - 1
        powers = [legendre.legvander(column, self.degree) for column in u.T]
        return np.stack([math.prod(powers[k][:, n] for k, n in enumerate(e)) for e in self.exponents], axis=1)

    def start(self, deviation: np.ndarray) -> np.ndarray:
        """Coefficients of a start: the function 1 and a deviation, (terms,)."""
        deviation[0] += 1.0
        return deviation


@dataclass(frozen=True)
class KnownLaw:
    """A law of the arguments, times a factor and plus a constant."""

    expression: Expression  # of the arguments
    terms: int = 2
    degree: int = 0  # no degree has to rise

    def columns(self, z: np.ndarray) -> np.ndarray:
        """The constant 1 and the law at arguments z (N, arguments), (N, 2)."""
        return np.column_stack([np.ones(len(z)), evaluate(self.expression, z)])

    def start(self, deviation: np.ndarray) -> np.ndarray:
        """Coefficients of a start: the law itself, whatever the deviation."""
        return np.array([0.0, 1.0])


Basis = Polynomials | KnownLaw


@dataclass(frozen=True)
class PartsFit:
    """A structure with fitted functions."""

    template: Template  # with its fitted constants
    bases: tuple[Basis, ...]  # one for each function
    coefficients: tuple[np.ndarray, ...]  # those of each basis
    squares: np.ndarray  # (M,), weighted squared errors on the held-out rows
    loss: float  # weighted mean squared error on the rows to fit

    def occurrences(self, x: np.ndarray) -> np.ndarray:
        """The functions at all their places, (N, occurrences), at rows x (N, inputs)."""
        return np.column_stack(
            [
                self.bases[each.function].columns(self.template.arguments(place, x)) @ self.coefficients[each.function]
                for place, each in enumerate(self.template.occurrences)
            ]
        )

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The whole structure at rows x (N, inputs), (N,)."""
        return evaluate(self.template.outer, np.column_stack([x, self.occurrences(x)]))


def fitted_parts(
    template: Template, problem: LawProblem, known: Mapping[int, Expression], budget: Budget
) -> PartsFit | None:
    """Fit all functions of a structure, of which some laws are known; None if no start is finite at all rows."""
    best: PartsFit | None = None
    for with_logs in (False, True):
        # Rising degrees, until the held-out error has not fallen for some degrees.
        fits: list[PartsFit] = []
        for bases in _growing_bases(template, problem.x, known, with_logs, len(problem.y)):
            if fits and budget.is_over:
                break
            smallest = min(range(len(fits)), key=lambda k: float(fits[k].squares.mean()), default=0)
            if len(fits) - smallest > SETTINGS.degree_patience:
                break
            fitted = _best_start(template, problem, bases, fits[-1] if fits else None, budget)
            if fitted is not None:
                fits.append(fitted)
        # The lowest degree within one standard error of the best one.
        if fits:
            leading = min(fits, key=lambda fit: float(fit.squares.mean()))
            chosen = next(fit for fit in fits if fit is leading or is_as_good(fit.squares, leading.squares))
            if best is None or chosen.squares.mean() < best.squares.mean():
                best = chosen
    return best


def _growing_bases(
    template: Template, x: np.ndarray, known: Mapping[int, Expression], with_logs: bool, rows: int
) -> Iterator[tuple[Basis, ...]]:
    """Bases of rising degree for all functions, in logarithms of the arguments of a wide range with `with_logs`."""
    # The range of the arguments of each function over all its places, in logarithms where it is wide.
    ranges = []
    for function in range(len(template.functions)):
        z = np.concatenate([template.arguments(place, x) for place in template.places(function)])
        low = z.min(0)
        high = z.max(0)
        logs = (low > 0) & (high > SETTINGS.wide_range * low) & with_logs
        with np.errstate(all="ignore"):
            ranges.append((np.where(logs, np.log(low), low), np.where(logs, np.log(high), high), logs))
    if with_logs and not any(logs.any() for _, _, logs in ranges):
        return
    # No more coefficients than the rows determine; with all laws known there is one basis.
    degrees = SETTINGS.polynomial_degrees
    if len(known) == len(ranges):
        degrees = degrees[:1]
    for degree in degrees:
        bases = tuple(KnownLaw(known[k]) if k in known else Polynomials(*each, degree) for k, each in enumerate(ranges))
        if degree > 1 and sum(basis.terms for basis in bases) > min(
            SETTINGS.most_coefficients, rows / SETTINGS.rows_a_term
        ):
            return
        yield bases


def _best_start(
    template: Template, problem: LawProblem, bases: tuple[Basis, ...], before: PartsFit | None, budget: Budget
) -> PartsFit | None:
    """The fit from the one of a lower degree, or from random starts; None if it is finite from no start."""
    random = np.random.default_rng([5, problem.seed])
    starts: list[tuple[list[np.ndarray], np.ndarray]] = []
    # Continuation in the degree: the coefficients of the lower degree, with zeros for the new terms.
    if before is not None:
        longer = [
            np.concatenate([old, np.zeros(basis.terms - len(old))])
            for old, basis in zip(before.coefficients, bases, strict=True)
        ]
        numbers = FreeConstants.of(before.template.outer).start
        starts.append((longer, numbers))
    # Multistart at low degrees: first every function 1, or the known law itself, then random coefficients about it.
    is_early = all(basis.degree <= SETTINGS.start_degree for basis in bases)
    for number in range(SETTINGS.starts if is_early or before is None else 0):
        coefficients = [basis.start(random.normal(size=basis.terms) * (number > 0)) for basis in bases]
        spread = 1.0 if number == 0 else 1.5
        starts.append((coefficients, spread ** random.normal(size=len(free_places(template.outer)))))
    fits: list[PartsFit] = []
    for coefficients, numbers in starts:
        if fits and budget.is_over:
            break
        fitted = _fitted(template, problem, bases, coefficients, numbers, budget)
        if fitted is not None:
            fits.append(fitted)
    return min(fits, key=lambda fit: fit.loss, default=None)


def _fitted(
    template: Template,
    problem: LawProblem,
    bases: tuple[Basis, ...],
    coefficients: Sequence[np.ndarray],
    numbers: np.ndarray,
    budget: Budget,
) -> PartsFit | None:
    """All coefficients and constants by Levenberg-Marquardt from a start; None if that is not finite at all rows."""
    # Columns of each smooth function at its arguments, and where its coefficients lie in the vector of all
    x = problem.x
    y = problem.y
    columns = [bases[each.function].columns(template.arguments(k, x)) for k, each in enumerate(template.occurrences)]
    ends = np.cumsum([0, *(basis.terms for basis in bases)])
    constants = FreeConstants.of(template.outer)
    by_occurrence = range(template.inputs, template.inputs + len(template.occurrences))
    root = root_weights(problem.weights, len(y))

    # Residuals and, by the chain rule, their Jacobian by coefficients and constants
    def residuals_and_jacobian(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [
            block @ free[ends[each.function] : ends[each.function + 1]]
            for block, each in zip(columns, template.occurrences, strict=True)
        ]
        node = constants.formula(free[ends[-1] :])
        predicted, slopes = values_and_derivatives(node, np.column_stack([x, *parts]), by_occurrence)
        jacobian = np.zeros((len(y), len(free)))
        for block, each, slope in zip(columns, template.occurrences, slopes[:, -len(columns) :].T, strict=True):
            jacobian[:, ends[each.function] : ends[each.function + 1]] += slope[:, None] * block
        jacobian[:, ends[-1] :] = slopes[:, constants.places]
        return (predicted - y) * root, jacobian * root[:, None]

    # Levenberg-Marquardt, then the errors on the held-out rows
    start = np.concatenate([*coefficients, numbers])
    limits = LeastSquaresLimits(steps=SETTINGS.steps, is_over=lambda: budget.is_over)
    # Small damping at the start: most structures are nearly linear in their functions.
    rule = DampingRule(first=1e-6, lowest=1e-14, highest=1e12)
    fit = least_squares(residuals_and_jacobian, start, rule=rule, limits=limits, minimum_norm=True)
    if fit is None:
        return None
    found = [fit.x[a:b] for a, b in pairwise(ends)]
    done = PartsFit(template.with_constants(fit.x[ends[-1] :].tolist()), bases, tuple(found), np.empty(0), fit.loss)
    with np.errstate(all="ignore"):
        squares = (done.predict(problem.held_x) - problem.held_y) ** 2 * problem.held_share
    if np.isfinite(squares).all():
        return replace(done, squares=squares)
    return None


def part_problem(fit: PartsFit, problem: LawProblem, function: int) -> LawProblem | None:
    """The problem of one function, with the residuals of the whole as its noise; None if that does not depend on it."""
    # Where the function stands at one place, its target is its smooth curve plus the residual over the derivative of
    # the whole by the function: what the data say of it, given all else. Where it stands at several, the curve itself
    # at all arguments. The weights are the squares of the derivatives, so that its squared errors are those of the
    # whole.
    places = fit.template.places(function)
    rows = [
        _part_rows(fit, x, y, weights, places)
        for x, y, weights in (
            (problem.x, problem.y, problem.weights),
            (problem.held_x, problem.held_y, problem.held_weights),
        )
    ]
    # Arguments, targets and weights of the training and of the held-out rows.
    (z, target, weights, _), (held_z, held_target, held_weights, slope) = rows
    if not (np.isfinite(target).all() and np.isfinite(held_target).all() and slope > 0):
        return None
    error = math.sqrt(float(fit.squares.mean())) / slope
    shown = [as_text(argument, problem.names) for argument in fit.template.occurrences[places[0]].arguments]
    options = problem.options.of_smaller_problem()
    return replace(
        problem,
        x=z,
        y=target,
        weights=weights,
        held_x=held_z,
        held_y=held_target,
        held_weights=held_weights,
        names=tuple(shown),
        noise=max(problem.noise, error / max(float(np.std(target)), ABOVE_ZERO)),
        options=options,
        target=f"f({', '.join(shown)})",
    )


def _part_rows(
    fit: PartsFit, x: np.ndarray, y: np.ndarray, given: np.ndarray, places: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Arguments, targets and weights of a function at its places, and the size of the derivative by it."""
    template = fit.template
    # Values of the functions, and the derivatives of the whole by them.
    parts = fit.occurrences(x)
    columns = [template.inputs + place for place in places]
    predicted, derivatives = values_and_derivatives(template.outer, np.column_stack([x, parts]), columns)
    slopes = derivatives[:, -len(columns) :]
    size = float(np.sqrt(np.mean(slopes**2)))
    targets = parts[:, places]
    # One Newton step towards the target; where the derivative is nearly 0 the target stays.
    if len(places) == 1:
        usable = np.abs(slopes) > SETTINGS.least_part_slope * size
        targets = targets + np.where(usable, (y - predicted)[:, None] / np.where(usable, slopes, 1.0), 0.0)
    weights = slopes**2 / max(size**2, ABOVE_ZERO) * given[:, None]
    z = np.concatenate([template.arguments(place, x) for place in places])
    return z, targets.T.ravel(), np.maximum(weights.T.ravel(), ABOVE_ZERO), size
