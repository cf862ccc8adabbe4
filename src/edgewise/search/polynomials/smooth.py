"""Noisy samples: polynomials of several inputs whose coefficients are shrunk at rates that the rows determine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgewise.gam.families.base import Family
from edgewise.gam.irls import Iteration
from edgewise.gam.normal import NormalMatrix
from edgewise.gam.policy import AdditivePolicy, IrlsPolicy, RemlPolicy
from edgewise.gam.reml import RemlFit, fit_mapped
from edgewise.nn.model import KAN
from edgewise.outcomes import check_time
from edgewise.search.polynomials.basis import Basis, Decay, decay, lower_set
from edgewise.search.polynomials.links import LINK_FUNCTIONS, STRAIGHT, Link, scaling
from edgewise.search.polynomials.network import Polynomial


@dataclass(frozen=True)
class SmoothSettings:
    """Sizes and thresholds of polynomials with noise."""

    # Products at first, and at most, and for each row: a step takes 0.01 s for 200 products and 0.1 s for 500, and
    # with more products than half the rows the noise is no longer seen.
    first_products: int = 150
    most_smooth_products: int = 500
    product_share: float = 1 / 2
    # Effective degrees of freedom, as a share of the products, above which there are to be more: the rule of mgcv's
    # check of basis dimensions (Wood, "Generalized Additive Models", 2nd ed., section 5.9).
    saturated: float = 0.5
    # Newton steps of restricted likelihood, at first and after a reweighting.
    strength_steps: int = 40
    later_steps: int = 4
    # Rounds of reweighting with new strengths and steps with the last ones, and the relative changes that end them.
    link_policy: IrlsPolicy = field(
        default_factory=lambda: IrlsPolicy(settled=1e-4, steps=6, tolerance=1e-8, halvings=8)
    )
    # A link's first arguments come from fitted values above this quantile, and no more than `most_below` of these may
    # lie outside its interval: a good fit to positive values with little noise is positive nearly everywhere.
    link_floor: float = 0.02
    most_below: float = 0.1
    # of a value, in the largest fitted one: range of a link's arguments
    highest_value: float = 3.0
    lowest_value: float = 1e-6
    # What a link must win in twice the log of the marginal likelihood: the ratio of 20 that is taken for strong
    # evidence (Kass and Raftery, J. Am. Statist. Assoc. 90 (1995) 773).
    evidence: float = 6.0
    unused: float = 1e-3  # effective degrees of freedom below which a product is left out
    kan_error: float = 1e-2  # of a network's splines, in standard deviations of the noise: it cannot be seen


SETTINGS = SmoothSettings()


@dataclass(frozen=True, eq=False)
class SmoothFit:
    """A polynomial of noisy samples."""

    polynomial: Polynomial
    covariance: np.ndarray  # (p, p), of its coefficients, given the strengths
    dispersion: float  # variance of the noise
    edf: float  # effective degrees of freedom
    criterion: float  # minus twice the log of the marginal likelihood, up to a constant; comparable between links
    state: np.ndarray  # parameters of the strengths, for fits to parts of the rows
    rows: float  # sum of the weights of the rows that it was fitted to

    def without_unused(self) -> SmoothFit:
        """Leave out products whose coefficients are nearly zero and known to be."""
        known = self.polynomial
        size = np.maximum(np.abs(known.coef), np.sqrt(np.diag(self.covariance)))
        kept = size > SETTINGS.unused * math.sqrt(self.dispersion)
        kept[0] = True
        polynomial = replace(known, basis=known.basis.select(kept), coef=known.coef[kept])
        return replace(self, polynomial=polynomial, covariance=self.covariance[np.ix_(kept, kept)])

    def to_kan(self) -> KAN:
        """Return the network that computes the polynomial, but for errors far below the noise."""
        return self.polynomial.to_kan(SETTINGS.kan_error * math.sqrt(self.dispersion))


@dataclass(frozen=True)
class LinkedNormal(Family):
    """Normal distribution whose mean is a link of the linear predictor, which stays within the link's bounds."""

    link: Link
    bounds: tuple[float, float]
    name = "squared"
    scale = None
    is_normal = True

    @property
    def quadratic(self) -> bool:  # type: ignore[override]
        """Whether the link is the identity."""
        return self.link.name == "identity"

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return the mean of y."""
        return self.link.value(np.clip(eta, *self.bounds))

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return score and expected information of every row."""
        slope = self.link.slope(np.clip(eta, *self.bounds))
        return slope * (y - self.mean(eta)), slope**2

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the squared error of every row."""
        return (y - self.mean(eta)) ** 2


class ProductRows:
    """Rows with the products of a polynomial as columns, for `Iteration`. See `edgewise.gam.irls.Rows`."""

    constraints = None
    policy = AdditivePolicy()

    def __init__(self, columns: np.ndarray, y: np.ndarray, weight: np.ndarray, family: LinkedNormal) -> None:
        self.columns = columns
        self.y = y
        self.weight = weight
        self.family: Family = family
        self.groups = np.arange(columns.shape[1]) - 1  # each product has a strength of its own, the constant none
        self.keep = np.ones(len(self.groups), bool)
        self.null_deviance = float(weight @ (y - np.average(y, weights=weight)) ** 2)

    @property
    def design(self) -> ProductRows:
        """The columns of the normal matrix."""
        return self

    def deviance(self, coefs: np.ndarray) -> float:
        """Return the weighted sum of squared errors."""
        return float(self.weight @ self.family.deviance(self.y, self.columns @ coefs[0]))

    def normal(self, coefs: np.ndarray) -> NormalMatrix:
        """Return the normal matrix of the link's tangent."""
        eta = self.columns @ coefs[0]
        score, information = self.family.derivatives(self.y, eta)
        weights = self.weight * information
        response = eta + score / information
        weighted = self.columns * weights[:, None]
        moment = (weighted.T @ response)[:, None]
        square = np.array([weights @ response**2])
        return NormalMatrix(self.columns.T @ weighted, moment, square, float(self.weight.sum()))

    def slope(self, coefs: np.ndarray) -> np.ndarray:
        """Return half the derivative of the deviance by the coefficients."""
        score, _ = self.family.derivatives(self.y, self.columns @ coefs[0])
        return -(self.weight * score) @ self.columns[None]

    def adapt(self, coefs: np.ndarray) -> None:
        """Keep the family, which has nothing to estimate."""

    def grow(self, edf: np.ndarray) -> bool:
        """Return False: the normal matrix has all columns."""
        return False


def fit_smooth(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    *,
    shift: float = 0.0,
    unit: float = 1.0,
    like: SmoothFit | None = None,
) -> SmoothFit | None:
    """Fit polynomials inside several links to noisy samples; return the one with the highest marginal likelihood.

    Rows are x (N, n), targets y (N,) of order 1, (y + shift) * unit in their own units, and positive weights (N,). Of a
    fit `like` to rows of which these are a part, products and link are kept. None where an input is constant or the
    rows are too few.
    """
    # Coefficients are independent and normal a priori, with log standard deviations that fall linearly with the degree
    # in each input and with the number of inputs in a product. These rates, one for each input, are estimated by
    # restricted likelihood with exact derivatives; a link is fitted by reweighting, and its likelihood is Laplace's
    # approximation (Wood, "Generalized Additive Models", 2nd ed. (2017), sections 3.4 and 6.2).
    if like is not None:
        data = _Rows(x, y, weight, like.polynomial.basis, shift, unit)
        known = like.polynomial
        arguments = np.clip(data.columns @ known.coef, *known.bounds)
        return data.fit(known.link, known.coef, data.bounds(known.link, arguments), like.state)
    limits = np.stack([x.min(0), x.max(0)], 1)
    most = min(SETTINGS.most_smooth_products, int(SETTINGS.product_share * len(x)))
    if most < 10 or not (limits[:, 1] > limits[:, 0]).all():  # with fewer products there are no rates
        return None
    degrees = [len(np.unique(column)) - 1 for column in x.T]
    rates = [1.0] * x.shape[1]
    crossing = 0.0
    count = min(SETTINGS.first_products, most)
    links = [link for link in LINK_FUNCTIONS.values() if link.name != "identity"]
    while True:
        indices, weights = lower_set(rates, crossing, count, degrees)
        if len(indices) == count > 10:  # whole degrees
            indices = indices[weights < weights[-1]]
        data = _Rows(x, y, weight, Basis(indices, limits), shift, unit)
        fits = data.fits(links)
        if not fits:
            return None
        best = min(fits, key=lambda fit: fit.criterion - SETTINGS.evidence * (fit.polynomial.link.name == "identity"))
        if best.edf < SETTINGS.saturated * len(indices) or count == most:
            return best.without_unused()
        inputs = x.shape[1]
        found = np.exp(best.state[1 : 1 + inputs])
        rates = list(found / found.min())
        crossing = max(float(best.state[-1] / found.min()), 0.0)
        count = min(2 * count, most)
        links = [link for link in links if link is best.polynomial.link]


class _Rows:
    """Rows with the columns of a basis."""

    def __init__(
        self, x: np.ndarray, y: np.ndarray, weight: np.ndarray, basis: Basis, shift: float, unit: float
    ) -> None:
        self.x = x
        self.y = y
        self.weight = weight
        self.basis = basis
        self.shift = shift
        self.unit = unit
        self.columns = basis.columns(x)
        self.strengths = Decay(decay(basis.indices)[1:])

    def fits(self, links: Sequence[Link]) -> list[SmoothFit]:
        """Fits without a link, and with each of the links that the values allow."""
        plain = self.fit(LINK_FUNCTIONS["identity"], np.zeros(len(self.basis.indices)), (-math.inf, math.inf), None)
        if plain is None:
            return []
        fitted = plain.polynomial(self.x)
        fits = [plain]
        for link in links:
            check_time()
            arguments = self.first_arguments(link, fitted)
            if arguments is None:
                continue
            # The first coefficients: penalised least squares of the arguments with the strengths of the plain fit.
            start = plain.covariance @ (self.columns.T @ (self.weight * arguments)) / plain.dispersion
            fit = self.fit(link, start, self.bounds(link, arguments), None)
            if fit is not None:
                fits.append(fit)
        return fits

    def first_arguments(self, link: Link, fitted: np.ndarray) -> np.ndarray | None:
        """Arguments of a link at fitted values; None where too many of these lie outside its interval."""
        shift, unit = scaling(link, self.shift, self.unit)
        values = (fitted + shift) * unit
        low, high = link.interval
        inside = (values > low) & (values < high)
        if inside.mean() < 1 - SETTINGS.most_below:
            return None
        lowest = SETTINGS.link_floor * (low > -math.inf)
        highest = 1 - SETTINGS.link_floor * (high < math.inf)
        ends = np.quantile(values[inside], [lowest, highest])
        arguments = link.inverse(np.clip(values, *ends))
        largest = np.abs(arguments).max()
        if not (np.isfinite(largest) and np.ptp(arguments) > STRAIGHT * largest):
            return None
        # Rounding of the largest argument must not move the value at the steepest one by the range of the values.
        rounding = np.finfo(np.float64).eps * largest * np.abs(link.slope(arguments)).max()
        if rounding < np.ptp(values):
            return arguments
        return None

    def bounds(self, link: Link, arguments: np.ndarray) -> tuple[float, float]:
        """Interval of a link's arguments: far beyond the first ones, and without a pole or an end of g."""
        if link.name == "identity":
            return -math.inf, math.inf
        values = link.value(arguments)
        low = float(values.min())
        high = float(values.max())
        if link.interval[0] == 0:
            ends = np.array([SETTINGS.lowest_value * high, SETTINGS.highest_value * high])
        else:
            ends = np.array([low - (high - low), high + (high - low)])
            # Slopes at a thousandth of the way to the ends of the interval are still moderate.
            room = 1e-3 * (link.interval[1] - link.interval[0])
            ends = np.clip(ends, link.interval[0] + room, link.interval[1] - room)
        u = link.inverse(ends)
        return float(u.min()), float(u.max())

    def fit(
        self, link: Link, start: np.ndarray, bounds: tuple[float, float], state: np.ndarray | None
    ) -> SmoothFit | None:
        """Fit coefficients inside a link with bounded arguments, from the first ones (p,); None where that fails."""
        shift, unit = scaling(link, self.shift, self.unit)
        y = (self.y + shift) * unit
        rows = ProductRows(self.columns, y, self.weight, LinkedNormal(link, bounds))
        total = float(self.weight.sum())
        steps = SETTINGS.strength_steps
        if state is None:
            state = np.concatenate([[math.log(total)], np.zeros(self.x.shape[1] + 1)])
        else:
            steps = SETTINGS.later_steps

        def estimate(normal: NormalMatrix, design: object, strength: object, scale: object) -> RemlFit:
            nonlocal state, steps
            check_time()
            assert state is not None
            fit, state = fit_mapped(normal, rows.groups, self.strengths, state, policy=RemlPolicy(steps=steps))
            steps = SETTINGS.later_steps
            return fit

        iteration = Iteration(rows, start[None], None, SETTINGS.link_policy, estimate)
        iteration.choose_strengths(SETTINGS.link_policy.rounds)
        iteration.converge()
        fit = iteration.fit
        assert fit is not None
        if not (math.isfinite(fit.criterion) and fit.dispersion > 0):
            return None
        # At the end the criterion of the link's tangent is Laplace's approximation of the link's marginal likelihood,
        # for values in the link's units; the one column without a penalty leaves a unit in the determinant.
        criterion = fit.criterion - 2 * total * math.log(unit)
        coef = iteration.coefs[0]
        if link.name != "identity":
            values = link.value(np.clip(self.columns @ coef, *bounds))
            bounds = link.bounds(float(values.min()), float(values.max()))
        polynomial = Polynomial(self.basis, coef, link, bounds, shift, unit)
        residual = self.y - polynomial(self.x)
        edf = fit.total_edf
        dispersion = float(self.weight @ residual**2) / max(total - edf, 0.01 * total)
        covariance = fit.covariance * (dispersion * unit**2 / fit.dispersion)
        return SmoothFit(polynomial, covariance, dispersion, edf, criterion, state, total)
