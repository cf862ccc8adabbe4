"""The choice among laws by whole trajectories: equations exchanged, terms dropped, swapped and added.

Each step fits all constants and starts again (`shooting`) and stays only where Schwarz's criterion with the prior
falls. Every fit is kept, by the shape of its law: the front and the rivals are made of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.dynamics.integral_form import Equation
from edgewise.dynamics.settings import DynamicsSettings
from edgewise.dynamics.shooting import Course, Fit, Propagation, fit_law
from edgewise.dynamics.terms import Law, Term
from edgewise.dynamics.trajectories import Observations
from edgewise.outcomes import Budget


class Choice:
    """The laws fitted so far, and the moves from one to the next."""

    def __init__(
        self, data: Observations, terms: Sequence[Term], noise: np.ndarray, settings: DynamicsSettings, budget: Budget
    ):
        # `noise` (measured,) is that of the samples relative to the spread of each coordinate
        self.data = data
        self.terms = terms
        self.noise = noise
        self.settings = settings
        self.budget = budget
        self.costs = np.array([self._cost(term) for term in terms])
        self.fits: dict[tuple, Fit] = {}

    def fitted(self, law: Law, states: list[np.ndarray] | None = None, beside: Fit | None = None) -> Fit:
        """The fit of a law; one that was continuous is remembered by its shape.

        A law that is longer than the one it stands beside, and will not come near its score, is given up.
        """
        limit = math.inf
        if beside is not None and beside.is_continuous and len(law.theta) >= len(beside.law.theta):
            limit = beside.score + self.settings.rival_gap
        known = self.fits.get(law.shape)
        if known is not None and (known.is_continuous or known.limit <= limit < math.inf):
            return known
        self.budget.check()
        fit = fit_law(law, self.data, self.settings, states, limit)
        self.fits[law.shape] = fit
        return fit

    def is_adequate(self, fit: Fit) -> np.ndarray:
        """Which coordinates (measured,) the law follows as well as their noise allows; rounding is no noise."""
        return (fit.squares < self.settings.adequate) | (fit.squares * self.noise**2 < 1e-4**2)

    def is_exact(self, fit: Fit) -> bool:
        """Whether nothing is left but the rounding of the samples."""
        return fit.is_continuous and bool((fit.squares * self.noise**2 < 5e-6**2).all())

    def set_substeps(self, law: Law, share: float = 0.05) -> None:
        """As many Runge-Kutta steps between two samples as errors of a share of the noise ask for."""
        if self.data.kind.is_map:
            return
        p = law.theta[:, None, None]
        m = self.data.kind.measured
        for substeps in (2, 4, 8, 16):
            self.data.substeps = substeps
            worst = 0.0
            for run in self.data.runs:
                start = run.states[:-1].T[:, None, :]
                with np.errstate(all="ignore"):
                    coarse = Course.of(run, self.data.kind, substeps).ends(law, start, p)
                    fine = Course.of(run, self.data.kind, 2 * substeps).ends(law, start, p)
                gap = np.abs(coarse - fine)[:m, 0].T / np.maximum(share * run.sigma[1:], 0.1 * self.data.floor[:m])
                worst = max(worst, float(np.where(np.isfinite(gap), gap, np.inf).max()))
            if worst < 1:
                return

    def calibrated(self, fit: Fit) -> Fit:
        """The fit with less noise where a law leaves less than the splines did: samples were sparse for them."""
        for _ in range(5):
            if not fit.is_continuous or (fit.squares > 0.3).all():
                break
            share = np.minimum(np.sqrt(fit.squares), 1.0)
            for run, states in zip(self.data.runs, fit.states, strict=True):
                run.sigma = np.maximum(run.sigma * share, self.data.floor[: len(share)])
                run.state_scale = np.maximum(run.state_scale * np.tile(share, self.data.kind.order), self.data.floor)
                run.states = states
            self.noise = np.maximum(self.noise * share, 1e-6)
            self.set_substeps(fit.law, 0.003)
            self.fits.clear()
            fit = self.fitted(fit.law)
        return fit

    def exchanged(self, current: Fit, first: Law, alternatives: Sequence[Sequence[Equation]]) -> Fit:
        """One equation after the other exchanged for those that make the whole better."""
        for _ in range(2):
            before = current.score
            for k, equations in enumerate(alternatives):
                for equation in equations:
                    costs = [sum(self._cost(term) for term, _ in one) for one in (equation, current.law.equations[k])]
                    if self.is_exact(current) and costs[0] >= costs[1]:
                        continue  # nothing to gain but brevity
                    law = current.law if current.is_continuous else first
                    fit = self.fitted(law.with_equation(k, equation), beside=current)
                    if fit.score < current.score - 1e-6:
                        current = self.calibrated(fit)
            if len(alternatives) == 1 or (math.isfinite(before) and current.score >= before - 1e-6):
                break
        return current

    def moved(self, current: Fit) -> Fit:
        """Terms dropped, swapped and added as long as the score falls."""
        for _ in range(6):
            before = current.score
            current = self.swapped(self.dropped(current))
            if self.is_exact(current):
                break  # a further term has nothing to explain
            for law in self.additions(current):
                fit = self.fitted(law, current.states, beside=current)
                if fit.score < current.score + 8:
                    fit = self.dropped(fit)
                if fit.score < current.score - 1e-6:
                    current = fit
                    break
            if current.score >= before - 1e-6:
                break
        return current

    def dropped(self, current: Fit) -> Fit:
        """Backward elimination: of the three terms with the smallest t values the first that is not worth its price."""
        while current.is_continuous:
            ratios = []
            place = 0
            for k, equation in enumerate(current.law.equations):
                for j, (term, c) in enumerate(equation):
                    ratios.append((abs(c) / max(float(current.errors[place]), 1e-300), k, j))
                    place += term.constants
            for _, k, j in sorted(ratios)[:3]:
                equation = current.law.equations[k]
                fit = self.fitted(current.law.with_equation(k, equation[:j] + equation[j + 1 :]), current.states)
                if fit.score < current.score - 1e-6:
                    current = fit
                    break
            else:
                break
        return current

    def swapped(self, current: Fit) -> Fit:
        """Terms exchanged for others as long as the score falls."""
        for _ in range(6):
            before = current.score
            for law in self.exchanges(current, 0.0)[:4]:
                fit = self.fitted(law, current.states, beside=current)
                if fit.score < current.score - 1e-6:
                    current = fit
                    break
            if current.score >= before - 1e-6:
                break
        return current

    def exchanges(self, current: Fit, gap: float) -> list[Law]:
        """Laws with one term exchanged for another of the library, best first, up to a gap above the score.

        Their scores are foreseen to first order: what the term adds to the trajectories is replaced by what the other
        one does, with all constants and starts at their best for it.
        """
        rates = self._sensitivities(current)
        if rates is None:
            return []
        law = current.law
        # The law's own terms by the same quadrature as those of the library, so that its errors cancel
        base = rates.base.copy()
        places = base.shape[1] - len(law.theta) + np.cumsum([0, *(term.constants for term in law.terms)])
        owners = [k for k, equation in enumerate(law.equations) for _ in equation]
        for number, k in enumerate(owners):
            base[:, places[number]] = rates.extra[:, k, len(self.terms) + number]
        found: list[tuple[float, Law]] = []
        number_of_term = 0
        for k, equation in enumerate(law.equations):
            known = {term.shape for term, _ in equation}
            for j, (term, c) in enumerate(equation):
                own = np.arange(places[number_of_term], places[number_of_term + 1])
                number_of_term += 1
                # Least squares without the term: the others, and each of the library in its place
                others = np.delete(base, own, axis=1)
                lengths = lengths_of(others)
                q, r = np.linalg.qr(others / lengths)
                target = rates.residual + c * base[:, own[0]]
                wanted = target - q @ (q.T @ target)
                gain, coefficients = rates.gains(k, len(self.terms), q, wanted)
                left = np.maximum(wanted @ wanted - gain, 0.0) + rates.floor
                before = rates.residual @ rates.residual + rates.floor
                costs = self.costs - self._cost(term)
                value = len(rates.residual) * np.log(left / before) + costs
                for number in np.argsort(value, kind="stable")[:3]:
                    if value[number] > gap:
                        break
                    if self.terms[number].shape not in known:
                        column = coefficients[number] * rates.extra[:, k, number]
                        change = np.linalg.lstsq(r, q.T @ (target - column), rcond=1e-12)[0] / lengths
                        changed = law.theta + np.insert(change, own - np.arange(len(own)), 0.0)[places[0] :]
                        new = law.with_theta(changed).equations[k]
                        other = (self.terms[number], float(coefficients[number]))
                        whole = law.with_theta(changed).with_equation(k, (*new[:j], other, *new[j + 1 :]))
                        found.append((float(value[number]), whole))
        return [new for _, new in sorted(found, key=lambda pair: pair[0])]

    def additions(self, current: Fit) -> list[Law]:
        """Laws with one term more, by the first-order change that it would make to the trajectories (a score test)."""
        rates = self._sensitivities(current)
        if rates is None:
            return []
        law = current.law
        q = np.linalg.qr(rates.base / lengths_of(rates.base))[0]
        residual = rates.residual - q @ (q.T @ rates.residual)
        found: list[tuple[float, int, int, float]] = []
        for k, equation in enumerate(law.equations):
            gain, coefficients = rates.gains(k, len(self.terms), q, residual)
            before = residual @ residual
            left = np.maximum(before - gain, 1e-12 * before) + rates.floor
            value = len(residual) * np.log(left / (before + rates.floor)) + self.costs
            known = {term.shape for term, _ in equation}
            for number in np.argsort(value, kind="stable")[:12]:
                shape = self.terms[number].shape
                if value[number] <= 10 and shape not in known:
                    known.add(shape)
                    found.append((float(value[number]), k, int(number), float(coefficients[number])))
        best = sorted(found)[:4]
        return [law.with_equation(k, (*law.equations[k], (self.terms[number], c))) for _, k, number, c in best]

    def _cost(self, term: Term) -> float:
        return term.cost + math.log(self.data.rows) * term.constants

    def _sensitivities(self, current: Fit) -> Sensitivities | None:
        """How constants, starts and further terms change the trajectories of a fit; None where it has none."""
        if not current.is_continuous:
            return None
        kind = self.data.kind
        law = current.law
        terms = [*self.terms, *law.terms]
        count = len(terms)
        m = kind.measured
        d = kind.states
        extras = []
        bases = []
        residuals = []
        propagations = []
        for run, z in zip(self.data.runs, current.states, strict=True):
            course = Course.of(run, kind, self.data.substeps)
            _, by_state, by_constant = course.linearised(law, z, law.theta)
            values = np.column_stack([term.values(run.columns(z)) for term in terms])
            drive = values[:-1] if kind.is_map else (values[1:] + values[:-1]) / 2 * course.lengths[:, None]
            push = np.zeros((len(drive), d, m * count))
            for k in range(m):
                push[:, d - m + k, k * count : (k + 1) * count] = drive
            propagations.append(Propagation.of(by_state, np.concatenate([by_constant, push], axis=2)))
        # Segments of chaotic trajectories have starts of their own here: less power, but no false gain
        width = d * sum(len(one.starts) for one in propagations)
        unknowns = width + len(law.theta)
        first = 0
        for run, z, propagation in zip(self.data.runs, current.states, propagations, strict=True):
            plan = propagation.spread(first, width)[:, :m] * run.weight[:, :, None]
            first += d * len(propagation.starts)
            bases.append(plan[:, :, :unknowns].reshape(-1, unknowns))
            extras.append(plan[:, :, unknowns:].reshape(-1, m, count))
            residuals.append(((run.y - z[:, :m]) * run.weight).ravel())
        base = np.concatenate(bases)
        extra = np.concatenate(extras)
        if not np.isfinite(extra).all() or not np.isfinite(base).all():
            return None
        noise = np.mean(np.concatenate([run.sigma for run in self.data.runs]) ** 2, axis=0)
        floor = float((self.data.counts * self.data.floor[:m] ** 2 / noise).sum())
        return Sensitivities(base, extra, np.concatenate(residuals), floor)


def lengths_of(columns: np.ndarray) -> np.ndarray:
    """Lengths of columns, none of them zero; infinite where squares outgrow all numbers: such a term is of no use."""
    with np.errstate(over="ignore"):
        return np.linalg.norm(columns, axis=0) + 1e-300


@dataclass(frozen=True)
class Sensitivities:
    """Derivatives of all trajectories, in units of the noise, by what a law has and by what it may get."""

    base: np.ndarray  # (rows, starts and constants)
    # (rows, measured, terms) by a coefficient of each term of the library, and of the law, in each equation
    extra: np.ndarray
    residual: np.ndarray  # (rows,)
    floor: float  # sum of squares that rounding leaves

    def gains(self, k: int, count: int, q: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fall of the sum of squares by each of the first terms in equation k beside a basis q, and its coefficient."""
        columns = self.extra[:, k, :count]
        lengths = lengths_of(columns)
        rest = columns / lengths
        rest = rest - q @ (q.T @ rest)
        norms = (rest**2).sum(axis=0)
        slope = residual @ rest
        is_new = norms > 1e-8
        norms = np.maximum(norms, 1e-300)
        return np.where(is_new, slope**2 / norms, 0.0), slope / norms / lengths
