"""An additive model with pairs, its curves with bands, and the KAN that it is (`AdditiveModel`).

Wood, Generalized Additive Models (2nd ed.), section 6.10: bands from the Bayesian covariance (X'WX + S)^-1 phi.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.errors import InputError
from edgewise.gam.basis import DEGREE
from edgewise.gam.design import Design, Pair
from edgewise.gam.families.base import Family
from edgewise.gam.normal import NormalMatrix
from edgewise.gam.reml import RemlFit
from edgewise.nn.model import KAN, edge_layers

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AdditiveModel:
    """An estimated additive model with pairs, m outputs on the scale of the link.

    Parameters
    ----------
    design : Design
        Columns of the model.
    fits : tuple of RemlFit
        Estimate of each output.
    family : Family
        The loss, with what it has estimated itself, such as a power.
    weights : ndarray
        Working weights of the rows at the end of the iteration, (N, m), or (N, 1) where all outputs share them.
    residual : ndarray
        Their working residuals, (N, m): working responses less the predictions.
    normal : NormalMatrix
        That of the last step (of the first output, where outputs have their own weights).
    range : (float, float)
        Range of the linear predictor at the rows, within which an exponential stays.
    steps : int
        Steps of the iteration.
    converged : bool
        Whether it has come to its end.

    Examples
    --------
    >>> from edgewise.gam import fit_additive
    >>> x = np.random.default_rng(0).random((300, 2))
    >>> model = fit_additive(x, np.sin(6 * x[:, 0]) + x[:, 1])
    >>> error = model.predict_link(x)[:, 0] - np.sin(6 * x[:, 0]) - x[:, 1]
    >>> bool(abs(error).max() < 1e-3)
    True
    >>> model.to_kan().config.width
    (2, 1)
    """

    design: Design
    fits: tuple[RemlFit, ...]
    family: Family
    weights: Array
    residual: Array
    normal: NormalMatrix
    range: tuple[float, float] = (-np.inf, np.inf)
    steps: int = 0
    converged: bool = True

    @property
    def coef(self) -> Array:
        """Coefficients of the design's columns, (p, m)."""
        return np.stack([fit.coef for fit in self.fits], 1)

    @property
    def own_fits(self) -> tuple[RemlFit, ...]:
        """One fit for each set of strengths: the first one where all fits share theirs, else all of them."""
        if self.fits[0].is_shared:
            return self.fits[:1]
        return self.fits

    def coefs_of(self, design: Design, coefs: Array) -> Array:
        """Return coefficients (K, p) of another design of the same curves, with those of the parts that both have."""
        coefs = coefs.copy()
        coefs[:, : design.mains] = self.coef[: design.mains].T
        for number, part in enumerate(design.pairs):
            for place, other in enumerate(self.design.pairs):
                if part is other:
                    coefs[:, design.columns_of_pair(number)] = self.coef[self.design.columns_of_pair(place)].T
        return coefs

    def places(self, design: Design) -> NDArray[np.int64]:
        """Return, for each group of another design, the number of the group of the same label here, -1 without one."""
        place = {label: number for number, label in enumerate(self.design.labels)}
        return np.array([place.get(label, -1) for label in design.labels], np.int64)

    def starts(self, design: Design) -> tuple[Array, ...]:
        """Return first strengths of each output for another design: those of groups of the same label, else NaN."""
        return tuple(np.append(fit.strength, np.nan)[self.places(design)] for fit in self.fits)

    @property
    def covariance(self) -> Array:
        """Bayesian covariance of the coefficients of each output, (m, p, p)."""
        return np.stack([fit.covariance for fit in self.fits])

    def band_covariance(self, output: int, *, of_sum: bool = True) -> Array:
        """Covariance of one output's coefficients for bands, (p, p), with the uncertainty of the strengths.

        Bands of the whole sum count the groups that REML removed too (`of_sum`), those of single curves do not. Under
        inequality constraints it is the conditional one, which keeps to them.
        """
        fit = self.fits[output]
        rules = self.design.constraints
        if rules is not None and rules.has_inequalities:
            return fit.covariance
        if of_sum:
            return fit.unconditional_covariance
        return fit.corrected_covariance

    @property
    def edf(self) -> Array:
        """Effective degrees of freedom of each group of `design.labels`, (groups, m)."""
        return np.stack([fit.edf for fit in self.fits], 1)

    @property
    def dispersion(self) -> Array:
        """Estimated variance of a row of weight 1, (m,)."""
        return np.array([fit.dispersion for fit in self.fits])

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs of inputs that act together."""
        return tuple(pair.inputs for pair in self.design.pairs)

    @property
    def limits(self) -> Array:
        """Interval to which each input is clipped before the model sees it, (inputs, 2).

        Curves go on as straight lines a little beyond the rows (`AdditivePolicy.reach`) and are constant from there on.
        """
        return self.design.limits

    def clipped(self, x: Array) -> Array:
        """Return points (N, inputs) moved to the nearest ones within the limits."""
        x = np.asarray(x, float)
        if x.ndim != 2 or x.shape[1] != len(self.design.inputs):
            raise InputError(f"x must have shape (rows, {len(self.design.inputs)}), got {x.shape}")
        low, high = self.limits.T
        return np.clip(x, low, high)

    def predict_link(self, x: Array) -> Array:
        """Compute the predictions on the scale of the link: points (N, inputs) -> (N, m)."""
        return self.design.link(self.coef, self.clipped(x))

    def effect(self, j: int, x: Array) -> tuple[Array, Array]:
        """Compute the curve of an input, with mean zero over the rows.

        Shapes: x (N,); curve and standard error (N, m) each, the latter from the Bayesian covariance with the
        uncertainty of the strengths, whose bands hold on average over the curve what they state.
        """
        # D. Nychka, J. Am. Statist. Assoc. 83 (1988) 1134; G. Marra and S. Wood, Scand. J. Statist. 39 (2012) 53.
        values = np.asarray(x, float).ravel()
        rows = np.tile(self.design.knots[:, DEGREE], (len(values), 1))  # the other inputs have any value
        rows[:, j] = values
        return self._values(self.clipped(rows), self.design.columns_of(j))

    def _values(self, rows: Array, own: slice) -> tuple[Array, Array]:
        columns = np.concatenate([self.design.columns(rows[part])[:, own] for part in self.design.chunks(len(rows))])
        covariances = (self.band_covariance(output, of_sum=False)[own, own] for output in range(len(self.fits)))
        deviations = [np.einsum("ni,ij,nj->n", columns, covariance, columns) for covariance in covariances]
        return columns @ self.coef[own], np.sqrt(np.maximum(np.stack(deviations, 1), 0))

    def of_low_rank(self) -> AdditiveModel:
        """Return the model with the tensor of every pair cut to the rank that its standard error warrants.

        The singular values are those of the surface over the rows, if the inputs were independent; what is cut has a
        smaller share than `AdditivePolicy.rank_cut` of the mean variance of the surface's estimate.
        """
        coef = self.coef
        constraints = self.design.constraints
        if constraints is not None and constraints.bounds is not None:
            return self  # a cut might break the bounds
        for number in range(len(self.pairs)):
            own = self.design.columns_of_pair(number)
            for output, (left, right) in enumerate(self.factors(number, self.design.policy.rank_cut)):
                roots = [symmetric_roots(margin.covariance)[1] for margin in self.design.pairs[number].margins]
                coef[own, output] = (roots[0] @ left @ right.T @ roots[1]).ravel()
        return replace(self, fits=tuple(replace(fit, coef=coef[:, k]) for k, fit in enumerate(self.fits)))

    def factors(self, number: int, share: float) -> list[tuple[Array, Array]]:
        """Return for each output the factors (ra, R) and (rb, R) of a pair's tensor between orthonormal margins.

        What is cut has at most this share of the mean variance of the surface's estimate.
        """
        design = self.design
        own = self.design.columns_of_pair(number)
        pair = self.pairs[number]
        # Singular values of the tensor between orthonormal margins: their squares are parts of the variance of the
        # surface.
        first, second = (symmetric_roots(margin.covariance)[0] for margin in design.pairs[number].margins)
        found = []
        for fit in self.fits:
            u, s, vt = np.linalg.svd(first @ fit.coef[own].reshape(len(first), len(second)) @ second)
            u = u[:, : len(s)]
            vt = vt[: len(s)]
            # Truncation: the cut part is rounding, or small beside the variance of the estimate.
            variance = fit.dispersion * fit.edf[design.groups_of(pair)].sum() / design.rows
            rest = np.append(np.cumsum((s**2)[::-1])[::-1], 0.0)  # what is cut after the first r terms
            enough = rest <= max(design.policy.rank_rounding**2 * rest[0], share * variance)
            r = int(np.argmax(enough))
            found.append((u[:, :r] * np.sqrt(s[:r]), vt[:r].T * np.sqrt(s[:r])))
        return found

    def to_kan(self) -> KAN:
        """Return the KAN that computes `predict_link` of points within the limits, in float64.

        Without pairs it has one layer of splines. Each term of a pair's low-rank tensor is a product node of two
        splines; the last layer adds up by straight edges of slope 1. The curves on its edges hold the constant and what
        surfaces of pairs subtract; `effect` gives the curves themselves.
        """
        design = self.design
        outputs = len(self.fits)
        curves, constant = design.spline_coef(self.coef)
        # Each term of a pair's low-rank tensor is a product node of two splines.
        terms: list[tuple[Pair, int, Array, Array]] = []
        for number, pair in enumerate(self.pairs):
            first, second = (own.change @ symmetric_roots(own.covariance)[1] for own in design.pairs[number].margins)
            for output, (left, right) in enumerate(self.factors(number, 0.0)):
                terms += [(pair, output, a, b) for a, b in zip((first @ left).T, (second @ right).T, strict=True)]
        for output in range(outputs):  # B-splines sum to 1, so a constant is a constant coefficient
            largest = int(np.abs(curves[:, :, output]).max(1).argmax())
            curves[largest, :, output] += constant[output]
        # B-spline coefficients of the first layer: curves first, then the factors of the products.
        inputs, size = curves.shape[:2]
        coef = np.zeros((inputs, size, outputs + 2 * len(terms)))
        coef[:, :, :outputs] = curves
        for number, (pair, _, a, b) in enumerate(terms):
            coef[pair[0], :, outputs + 2 * number] = a
            coef[pair[1], :, outputs + 2 * number + 1] = b
        if terms:
            width = [inputs, (outputs, len(terms)), outputs]
            base = "identity"
        else:
            width = [inputs, outputs]
            base = "zero"
        # The network: straight edges of slope 1 add the curves and the products up.
        kan = KAN(width, size - DEGREE, DEGREE, base=base, domain=(0.0, 1.0), dtype=torch.float64)
        with torch.no_grad():
            splines = edge_layers(kan)
            splines[0].knots.copy_(torch.from_numpy(design.knots))
            splines[0].coef.copy_(torch.from_numpy(coef))
            splines[0].mask.copy_(torch.from_numpy((coef != 0).any(1).astype(float)))
            if terms:
                assert splines[0].base is not None and splines[1].base is not None
                splines[0].base.zero_()
                splines[1].coef.zero_()
                splines[1].base.fill_(1.0)
                mask = np.zeros((outputs + len(terms), outputs))
                mask[:outputs] = np.eye(outputs)
                for number, (_, output, _, _) in enumerate(terms):
                    mask[outputs + number, output] = 1
                splines[1].mask.copy_(torch.from_numpy(mask))
                splines[1].domain_is_set.fill_(False)  # its splines are zero: the next fit may move its domain
        return kan


def symmetric_roots(covariance: Array) -> tuple[Array, Array]:
    """Return the symmetric square root of a covariance matrix and its inverse."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.sqrt(np.maximum(values, 1e-14 * values.max()))
    return (vectors * values) @ vectors.T, (vectors / values) @ vectors.T
