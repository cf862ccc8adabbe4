"""Noisy samples: polynomials of several inputs whose coefficients are shrunk at rates that the rows determine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.model_selection.polynomials.basis import Basis, decay, lower_set
from edgewise.model_selection.polynomials.links import LINK_FUNCTIONS, STRAIGHT, Link, scaling
from edgewise.model_selection.polynomials.network import Polynomial
from edgewise.nn.model import KAN

# Products at first, and at most, and for each row: a step takes 0.01 s for 200 products and 0.1 s for 500, and with
# more products than half the rows the noise is no longer seen.
FIRST_PRODUCTS = 150
MOST_SMOOTH_PRODUCTS = 500
PRODUCT_SHARE = 1 / 2
# Effective degrees of freedom, as a share of the products, above which there are to be more: the rule of mgcv's check
# of basis dimensions (Wood, "Generalized Additive Models", 2nd ed., section 5.9).
SATURATED = 0.5
# of the quasi-Newton method, at first and after a reweighting
STRENGTH_STEPS = 40
LATER_STEPS = 8
# most of them, and relative change of the residuals that ends them
REWEIGHTINGS = 12
SETTLED_SHARE = 1e-4
LINK_HALVINGS = 8  # of a step that raises the residuals
LARGEST_LOG = 60.0  # of a prior variance, either way: e^60 times the noise is no penalty
LARGEST_RATE = 4.0  # log of a rate: coefficients that fall by e^55 a degree leave none but the constant
# A link's first arguments come from fitted values above this quantile, and no more than `MOST_BELOW` of these may lie
# outside its interval: a good fit to positive values with little noise is positive nearly everywhere.
LINK_FLOOR = 0.02
MOST_BELOW = 0.1
# of a value, in the largest fitted one: range of a link's arguments
HIGHEST_VALUE = 3.0
LOWEST_VALUE = 1e-6
# What a link must win in twice the log of the marginal likelihood: the ratio of 20 that is taken for strong evidence
# (Kass and Raftery, J. Am. Statist. Assoc. 90 (1995) 773).
EVIDENCE = 6.0
UNUSED = 1e-3  # effective degrees of freedom below which a product is left out

KAN_ERROR = 1e-2  # of a network's splines, in standard deviations of the noise: it cannot be seen


@dataclass(frozen=True, eq=False)
class SmoothFit:
    """A polynomial of noisy samples.

    Parameters
    ----------
    polynomial : Polynomial
    covariance : ndarray of shape (p, p)
        Of its coefficients, given the strengths.
    dispersion : float
        Variance of the noise.
    edf : float
        Effective degrees of freedom.
    criterion : float
        Minus twice the log of the marginal likelihood, up to a constant; comparable between links.
    state : ndarray
        Parameters of the strengths, for fits to parts of the rows.
    rows : float
        Sum of the weights of the rows that it was fitted to.
    """

    polynomial: Polynomial
    covariance: np.ndarray
    dispersion: float
    edf: float
    criterion: float
    state: np.ndarray
    rows: float

    def without_unused(self) -> SmoothFit:
        """Leave out products whose coefficients are nearly zero and known to be."""
        known = self.polynomial
        size = np.maximum(np.abs(known.coef), np.sqrt(np.diag(self.covariance)))
        kept = size > UNUSED * math.sqrt(self.dispersion)
        kept[0] = True
        polynomial = replace(known, basis=known.basis.select(kept), coef=known.coef[kept])
        return replace(self, polynomial=polynomial, covariance=self.covariance[np.ix_(kept, kept)])

    def to_kan(self) -> KAN:
        """Return the network that computes the polynomial, but for errors far below the noise."""
        return self.polynomial.to_kan(KAN_ERROR * math.sqrt(self.dispersion))


@dataclass(frozen=True, eq=False)
class _Strengths:
    """The penalised fit with the strengths of the highest marginal likelihood."""

    coef: np.ndarray
    penalty: np.ndarray
    dispersion: float
    inverse: np.ndarray  # of the penalised normal matrix
    criterion: float
    state: np.ndarray


def fit_smooth(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    *,
    shift: float = 0.0,
    unit: float = 1.0,
    like: SmoothFit | None = None,
    watch: Callable[[], None] | None = None,
) -> SmoothFit | None:
    """Fit polynomials inside several links to noisy samples; return the one with the highest marginal likelihood.

    Coefficients are independent and normal a priori, with log standard deviations that fall linearly with the degree in
    each input and with the number of inputs in a product. These rates, one for each input, are estimated by restricted
    likelihood with exact derivatives; a link is fitted by reweighting, and its likelihood is Laplace's approximation
    [1]_.

    Parameters
    ----------
    x, y, weight : ndarray
        Rows (N, n), targets (N,) of order 1, positive weights (N,).
    shift, unit : float
        (y + shift) * unit is the target in its own units.
    like : SmoothFit, optional
        A fit to rows of which these are a part, whose products and link are kept.
    watch : callable, optional
        Called between factorisations; it may raise to end the work.

    Returns
    -------
    SmoothFit or None
        None where an input is constant or the rows are too few.

    References
    ----------
    .. [1] S. Wood, "Generalized Additive Models", 2nd ed. (2017), sections 3.4 and 6.2.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> x = random.uniform(0, 2, (300, 2))
    >>> y = np.exp(x[:, 0] - x[:, 1] ** 2)
    >>> found = fit_smooth(x, y + 0.05 * random.standard_normal(300), np.ones(300))
    >>> found.polynomial.link.name, bool(np.abs(found.polynomial(x) - y).max() < 0.06), round(found.dispersion**0.5, 2)
    ('exponential', True, 0.05)
    """
    watch = watch or (lambda: None)
    if like is not None:
        data = _Rows(x, y, weight, like.polynomial.basis, shift, unit, watch)
        known = like.polynomial
        return data.fit(known.link, known.basis.columns(x) @ known.coef, like.state)
    limits = np.stack([x.min(0), x.max(0)], 1)
    most = min(MOST_SMOOTH_PRODUCTS, int(PRODUCT_SHARE * len(x)))
    if most < 10 or not (limits[:, 1] > limits[:, 0]).all():  # with fewer products there are no rates
        return None
    degrees = [len(np.unique(column)) - 1 for column in x.T]
    rates = [1.0] * x.shape[1]
    crossing = 0.0
    count = min(FIRST_PRODUCTS, most)
    links = [link for link in LINK_FUNCTIONS.values() if link.name != "identity"]
    while True:
        indices, weights = lower_set(rates, crossing, count, degrees)
        # whole degrees
        if len(indices) == count > 10:
            indices = indices[weights < weights[-1]]
        data = _Rows(x, y, weight, Basis(indices, limits), shift, unit, watch)
        fits = data.fits(links)
        if not fits:
            return None
        best = min(fits, key=lambda fit: fit.criterion - EVIDENCE * (fit.polynomial.link.name == "identity"))
        if best.edf < SATURATED * len(indices) or count == most:
            return best.without_unused()
        inputs = x.shape[1]
        found = np.exp(best.state[1 : 1 + inputs])
        rates = list(found / found.min())
        crossing = max(float(best.state[-1] / found.min()), 0.0)
        count = min(2 * count, most)
        if best.polynomial.link.name == "identity":
            links = []
        else:
            links = [best.polynomial.link]


class _Rows:
    """Rows with the columns of a basis."""

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        basis: Basis,
        shift: float,
        unit: float,
        watch: Callable[[], None],
    ) -> None:
        self.x = x
        self.y = y
        self.weight = weight
        self.basis = basis
        self.watch = watch
        self.shift = shift
        self.unit = unit
        self.columns = basis.columns(x)
        self.features = decay(basis.indices)

    def fits(self, links: Sequence[Link]) -> list[SmoothFit]:
        """Fits without a link, and with each of the links that the values allow."""
        plain = self.fit(LINK_FUNCTIONS["identity"], self.y, None)
        if plain is None:
            return []
        fitted = plain.polynomial(self.x)
        found = [plain]
        for link in links:
            self.watch()
            start = self.first_arguments(link, fitted)
            if start is not None and (fit := self.fit(link, start, None)) is not None:
                found.append(fit)
        return found

    def first_arguments(self, link: Link, fitted: np.ndarray) -> np.ndarray | None:
        """Arguments of a link at fitted values; None where too many of these lie outside its interval."""
        shift, unit = scaling(link, self.shift, self.unit)
        values, (low, high) = (fitted + shift) * unit, link.interval
        inside = (values > low) & (values < high)
        if inside.mean() < 1 - MOST_BELOW:
            return None
        lowest = LINK_FLOOR * (low > -math.inf)
        highest = 1 - LINK_FLOOR * (high < math.inf)
        ends = np.quantile(values[inside], [lowest, highest])
        arguments = link.inverse(np.clip(values, *ends))
        bends = np.isfinite(arguments).all() and np.ptp(arguments) > STRAIGHT * np.abs(arguments).max()
        return arguments if bends else None

    def bounds(self, link: Link, start: np.ndarray) -> tuple[float, float]:
        """Interval of a link's arguments: far beyond those of the first fit, and without a pole or an end of g."""
        if link.name == "identity":
            return -math.inf, math.inf
        values = link.value(start)
        low = float(values.min())
        high = float(values.max())
        if link.interval[0] == 0:
            ends = np.array([LOWEST_VALUE * high, HIGHEST_VALUE * high])
        else:
            ends = np.array([low - (high - low), high + (high - low)])
            # Slopes at a thousandth of the way to the ends of the interval are still moderate.
            room = 1e-3 * (link.interval[1] - link.interval[0])
            ends = np.clip(ends, link.interval[0] + room, link.interval[1] - room)
        u = link.inverse(ends)
        return float(u.min()), float(u.max())

    def fit(self, link: Link, start: np.ndarray, state: np.ndarray | None) -> SmoothFit | None:
        """Fit the coefficients inside a link, from arguments of it; None where that fails."""
        shift, unit = scaling(link, self.shift, self.unit)
        y = (self.y + shift) * unit
        bounds = self.bounds(link, start)
        linear = link.name == "identity"
        arguments = start
        deviance = math.inf
        strengths = None
        curvature = np.ones(len(y))
        if linear:
            found = self._strengths(self.weight, self.y, state, STRENGTH_STEPS if state is None else LATER_STEPS)
            if found is None:
                return None
            return self._result(found, link, bounds, found.criterion)
        for number in range(REWEIGHTINGS):
            self.watch()
            slope = link.slope(np.clip(arguments, *bounds))
            curvature = self.weight * slope**2
            working = arguments + (y - link.value(np.clip(arguments, *bounds))) / slope
            steps = STRENGTH_STEPS if number == 0 and state is None else LATER_STEPS
            strengths = self._strengths(curvature, working, state, steps)
            if strengths is None:
                return None
            state = strengths.state
            wanted = self.columns @ strengths.coef
            step = 1.0
            for _ in range(LINK_HALVINGS):
                moved = arguments + step * (wanted - arguments)
                now = float(self.weight @ (y - link.value(np.clip(moved, *bounds))) ** 2)
                if now <= deviance:
                    break
                step /= 2
            settled = number > 0 and abs(deviance - now) <= SETTLED_SHARE * now
            arguments = moved
            deviance = min(now, deviance) if number else now
            if settled:
                break
        assert strengths is not None
        slope = link.slope(np.clip(arguments, *bounds))
        curvature = self.weight * slope**2
        return self._laplace(strengths, curvature, link, bounds, y, unit)

    def _laplace(
        self,
        strengths: _Strengths,
        curvature: np.ndarray,
        link: Link,
        bounds: tuple[float, float],
        y: np.ndarray,
        unit: float,
    ) -> SmoothFit | None:
        """The marginal likelihood of a link by Laplace's approximation at the coefficients, on the scale of y."""
        coef = strengths.coef
        penalty = strengths.penalty
        total = float(self.weight.sum())
        values = link.value(np.clip(self.columns @ coef, *bounds))
        loss = (float(self.weight @ (y - values) ** 2) + float(penalty @ coef**2)) / unit**2
        normal = self.columns.T @ (self.columns * curvature[:, None]) + np.diag(penalty)
        try:
            root = np.linalg.cholesky(normal)
        except np.linalg.LinAlgError:
            return None
        if not (math.isfinite(loss) and loss > 0):
            return None
        inverse = np.linalg.inv(normal)
        criterion = (total - 1) * math.log(loss) + 2 * float(np.log(np.diag(root)).sum())
        # The one column without a penalty leaves the unit of the values in the determinants.
        criterion -= float(np.log(penalty[1:]).sum()) + 2 * math.log(unit)
        found = _Strengths(coef, penalty, loss * unit**2 / (total - 1), inverse, criterion, strengths.state)
        return self._result(found, link, bounds, criterion)

    def _result(self, found: _Strengths, link: Link, bounds: tuple[float, float], criterion: float) -> SmoothFit:
        shift, unit = scaling(link, self.shift, self.unit)
        edf = len(found.coef) - float(found.penalty @ np.diag(found.inverse))
        if link.name != "identity":
            values = link.value(np.clip(self.columns @ found.coef, *bounds))
            bounds = link.bounds(float(values.min()), float(values.max()))
        polynomial = Polynomial(self.basis, found.coef, link, bounds, shift, unit)
        residual = self.y - polynomial(self.x)
        total = float(self.weight.sum())
        dispersion = float(self.weight @ residual**2) / max(total - edf, 0.01 * total)
        covariance = found.inverse * dispersion * unit**2
        return SmoothFit(polynomial, covariance, dispersion, edf, criterion, found.state, total)

    def _strengths(self, weight: np.ndarray, y: np.ndarray, state: np.ndarray | None, steps: int) -> _Strengths | None:
        """Maximise the restricted likelihood of a weighted linear model over the rates of decay."""
        from scipy.optimize import minimize

        columns, features, total = self.columns, self.features, float(self.weight.sum())
        weighted = columns * weight[:, None]
        normal, right, square = columns.T @ weighted, weighted.T @ y, float(weight @ y**2)
        inputs = self.x.shape[1]
        last = None

        def evaluate(state: np.ndarray) -> tuple[float, np.ndarray]:
            nonlocal last
            state = np.clip(state, -LARGEST_LOG, LARGEST_LOG)
            rates = np.exp(np.minimum(state[1 : 1 + inputs], LARGEST_RATE))
            values = np.concatenate([state[:1], rates, state[1 + inputs :]])
            logs = np.clip(features @ values, -LARGEST_LOG, LARGEST_LOG)
            penalty = np.exp(-logs)
            penalty[0] = 0.0
            root = np.linalg.cholesky(normal + np.diag(penalty))
            half = np.linalg.inv(root)
            inverse = half.T @ half
            coef = inverse @ right
            loss = max(square - float(right @ coef), np.finfo(float).eps * square)
            criterion = (total - 1) * math.log(loss) + 2 * float(np.log(np.diag(root)).sum()) + float(logs[1:].sum())
            slopes = 1 - penalty * (np.diag(inverse) + (total - 1) * coef**2 / loss)
            slopes[0] = 0.0
            gradient = features.T @ slopes
            gradient[1 : 1 + inputs] *= rates
            last = coef, penalty, loss / (total - 1), inverse, criterion
            return criterion, gradient

        if state is None:
            state = np.concatenate([[math.log(total)], np.zeros(inputs + 1)])
        try:
            best = minimize(evaluate, state, jac=True, method="L-BFGS-B", options={"maxiter": steps, "ftol": 1e-6})
            evaluate(best.x)
        except (np.linalg.LinAlgError, ValueError, FloatingPointError):
            return None
        assert last is not None
        return _Strengths(*last, best.x)
