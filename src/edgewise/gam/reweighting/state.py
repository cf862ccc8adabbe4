"""Coefficients, linear predictors and strengths during the iteration for one predictor (`State`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgewise.gam.design import Design
from edgewise.gam.families.base import Family
from edgewise.gam.normal import NormalMatrix
from edgewise.gam.reml import RemlFit
from edgewise.gam.reweighting.needed import NeededColumns
from edgewise.gam.reweighting.policy import IrlsFit, IrlsPolicy
from edgewise.gam.reweighting.working import working_normal
from edgewise.gam.solving import Solution, estimate, expanded, with_strengths
from edgewise.settings import ABOVE_ZERO

ROUNDING = 1e-13  # share of the penalised deviance by which a step may raise it: 450 units of the last place
SMALL_DEVIANCE = 1e-8  # share of the null deviance below which a deviance is compared with this share


class State:
    """Coefficients, linear predictors and strengths during the iteration. Shapes: coefs (K, p), eta (N, K)."""

    def __init__(
        self,
        design: Design,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        family: Family,
        policy: IrlsPolicy,
        before: Solution | None = None,
    ) -> None:
        self.design = design
        self.x = x
        self.y = y
        self.weight = weight
        self.policy = policy
        steps = design.policy.steps if family.quadratic else policy.reml_steps
        self.needed = NeededColumns(design, x, before, steps)
        constants = np.atleast_1d(np.asarray(family.start(y, weight), float))
        if design.constraints is not None:  # every step leads from here towards what obeys them
            constants = design.constraints.bounded(constants)
        self.coefs = np.zeros((len(constants), len(design.groups)))
        self.coefs[:, 0] = constants
        self.eta = np.tile(constants, (len(y), 1))
        self.family = family
        self.family = family.adapted(y, self.shaped(), weight)
        self.strength: np.ndarray | None = None
        self.fit: RemlFit | None = None
        self.null_deviance = self.deviance()
        self.normal: NormalMatrix | None = None
        self.working: tuple[np.ndarray, np.ndarray] = (weight[:, None], np.zeros_like(self.eta))
        self.least_strength: np.ndarray | None = None

    def start_from(self, before: Solution) -> None:
        """Take strengths and coefficients over from the estimate of another design, where parts are the same."""
        design = self.design
        old = before.design
        self.strength = before.starts(design)[0]
        if design.curves is not old.curves:
            return
        self.coefs[:, : design.mains] = before.coef[: design.mains].T
        for number, part in enumerate(design.pairs):
            for place, other in enumerate(old.pairs):
                if part is other:
                    own = design.columns_of_pair(number)
                    self.coefs[:, own] = before.coef[old.columns_of_pair(place)].T
        self.eta = self.needed.predictors(self.coefs)
        if isinstance(before.family, type(self.family)):
            self.family = before.family.prepared(self.y, self.weight)

    def hold(self, before: Solution, factor: float) -> None:
        """Hold the strengths at so many times those of an estimate of this very design."""
        self.fit, self.normal = replace(before.fits[0], strength=factor * before.fits[0].strength), before.normal

    def shaped(self, eta: np.ndarray | None = None) -> np.ndarray:
        """Return eta (N, K) in the form that the family takes."""
        eta = self.eta if eta is None else eta
        return eta if eta.shape[1] > 1 else eta[:, 0]

    def deviance(self, eta: np.ndarray | None = None) -> float:
        """Return the weighted deviance at eta (N, K)."""
        with np.errstate(over="ignore"):  # a step too far is refused because its deviance is infinite
            return float(self.weight @ self.family.deviance(self.y, self.shaped(eta)))

    def round(self, choose: bool) -> float:
        """Move towards the optimum of the quadratic approximation; return the relative change of the objective.

        The objective is the penalised deviance. With `choose` the strengths are estimated anew, else they are held.
        """
        if choose:
            self.family = self.family.adapted(self.y, self.shaped(), self.weight)
        fit = self.fit = self._estimated(choose)
        self.strength = fit.strength
        ridge = fit.ridge(self.design.groups)
        target = np.atleast_2d(fit.coef.T)
        change = target - self.coefs
        moved = self.needed.predictors(target) - self.eta
        plain = self.deviance()
        before = plain + float((ridge * self.coefs**2).sum())
        if self.coefs[:, np.append(~np.isfinite(fit.strength), False)[self.design.groups]].any():
            before = max(before, self.null_deviance)  # a group has vanished: the two points have different objectives
        for halving in range(self.policy.halvings + 1):
            share = 0.5**halving
            coefs = self.coefs + share * change
            eta = self.eta + share * moved
            deviance = self.deviance(eta)
            after = deviance + float((ridge * coefs**2).sum())
            # Where a strength has just grown a lot, the penalty of the old coefficients would excuse any deviance.
            if after <= before + ROUNDING * abs(before) and deviance <= max(plain, self.null_deviance) * (1 + ROUNDING):
                self.coefs = target if halving == 0 else coefs
                self.eta = eta
                return abs(before - after) / (after + SMALL_DEVIANCE * self.null_deviance + ABOVE_ZERO)
        return 0.0

    def _approximated(self) -> NormalMatrix:
        """Normal matrix, of the needed columns, of the quadratic approximation at the present predictor."""
        normal, weights, residual = working_normal(
            self.needed,
            np.arange(len(self.x)),
            self.y,
            self.weight,
            self.family,
            self.eta,
            least=self.policy.least_information,
        )
        self.working = weights[:, None], residual[:, None]
        return normal

    def _estimated(self, choose: bool) -> RemlFit:
        """Return the optimum of the quadratic approximation, with new strengths or the present ones."""
        needed = self.needed
        scale = self.family.scale
        fit = self.fit
        while True:
            # Inequalities are checked on the whole design, whose columns are then all needed.
            design: Any = self.design if needed.keep.all() else needed
            normal = self._approximated()
            self.normal = normal.embedded(needed.keep)
            if fit is not None and not choose:
                keep = needed.keep
                part = replace(fit, coef=fit.coef[keep], covariance=fit.covariance[np.ix_(keep, keep)])
                return expanded(with_strengths(normal, design, part, fit.strength, scale), keep)
            new = estimate(normal, design, self.strength, scale)
            if not needed.grow(new.edf):
                break
            self.strength = new.strength
        bounded = np.maximum(new.strength, self._least_strength(normal))
        if (bounded != new.strength).any():
            new = with_strengths(normal, design, new, bounded, scale)
        return expanded(new, needed.keep)

    def _least_strength(self, normal: NormalMatrix) -> np.ndarray | float:
        """Return the strengths of the weakest prior that a family of known scale has."""
        if self.family.scale is None:
            return 0.0
        if self.least_strength is None:  # at the first step all rows have one information, so it cancels
            self.least_strength = least_strength(normal, self.needed.groups, self.policy.prior_deviation)
        return self.least_strength

    def result(self, rounds: int, steps: int, converged: bool) -> IrlsFit:
        """Return the fit, shifted as the family wants it."""
        shift, self.family = self.family.final_shift(self.y, self.shaped(), self.weight)
        self.coefs[:, 0] += shift
        self.eta += shift
        assert self.normal is not None and self.fit is not None
        weights, residual = self._last_working()
        return IrlsFit(
            family=self.family,
            fits=tuple(replace(self.fit, coef=coef.copy()) for coef in self.coefs),
            eta=self.shaped(),
            deviance=self.deviance(),
            null_deviance=null_deviance(self.family, self.y, self.weight),
            rounds=rounds,
            steps=steps,
            converged=converged,
            limits=(float(self.eta.min()), float(self.eta.max())),
            weights=weights,
            residual=residual,
            normal=self.normal,
        )

    def _last_working(self) -> tuple[np.ndarray, np.ndarray]:
        """Working weights and residuals of the last step, (N, K) each."""
        return self.working


def least_strength(normal: NormalMatrix, groups: np.ndarray, deviation: float) -> np.ndarray:
    """Return the strength of each group under which its columns have a prior of this deviation, see `IrlsPolicy`."""
    count = int(groups.max(initial=-1)) + 1
    power = np.bincount(groups + 1, np.diag(normal.gram), count + 1)[1:] / normal.gram[0, 0]
    sizes = np.maximum(np.bincount(groups + 1, minlength=count + 1)[1:], 1)
    return power / sizes / deviation**2


def null_deviance(family: Family, y: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted deviance of the best constant."""
    start = np.atleast_1d(np.asarray(family.start(y, weight), float))
    if len(start) > 1:
        eta = np.tile(start, (len(y), 1))
    else:
        eta = np.full(len(y), start[0])
    return float(weight @ family.deviance(y, eta))
