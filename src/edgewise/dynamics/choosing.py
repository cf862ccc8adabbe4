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
from edgewise.settings import ABOVE_ZERO


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
                    courses = (Course.of(run, self.data.kind, number) for number in (substeps, 2 * substeps))
                    coarse, fine = (course.along(run.states).ends(law, start, p) for course in courses)
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
            for law in self.neighbours(current, 10.0, longer=True)[:4]:
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
                    ratios.append((abs(c) / max(float(current.errors[place]), ABOVE_ZERO), k, j))
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
            for law in self.neighbours(current, 0.0)[:4]:
                fit = self.fitted(law, current.states, beside=current)
                if fit.score < current.score - 1e-6:
                    current = fit
                    break
            if current.score >= before - 1e-6:
                break
        return current

    def neighbours(self, current: Fit, gap: float, *, longer: bool = False) -> list[Law]:
        """Laws with one term exchanged for another of the library, or with one more, best first, up to a gap of scores.

        Their scores are foreseen to first order: what the term adds to the trajectories is replaced by what the other
        one does, with all constants and starts at their best for it (a score test).
        """
        rates = self._sensitivities(current)
        if rates is None:
            return []
        law = current.law
        # The law's own terms by the same quadrature as those of the library, so that its errors cancel
        base = rates.base.copy()
        first = base.shape[1] - len(law.theta)
        options: list[tuple[int, int, np.ndarray]] = []  # equation, place in it, and columns of the term that goes
        column = first
        for k, equation in enumerate(law.equations):
            for j, (term, _) in enumerate(equation):
                base[:, column] = rates.extra[:, k, len(self.terms) + sum(map(len, law.equations[:k])) + j]
                options.append((k, j, np.arange(column, column + term.constants)))
                column += term.constants
        if longer:
            options = [(k, len(equation), np.arange(0)) for k, equation in enumerate(law.equations)]
        before = rates.residual @ rates.residual + rates.floor
        found: list[tuple[float, Law]] = []
        for k, j, gone in options:
            # Least squares without the term, and each of the library in its place
            target = rates.residual.copy()
            costs = self.costs
            for term, c in law.equations[k][j : j + 1]:
                target += c * base[:, gone[0]]
                costs = costs - self._cost(term)
            others = np.delete(base, gone, axis=1)
            lengths = lengths_of(others)
            q, r = np.linalg.qr(others / lengths)
            wanted = target - q @ (q.T @ target)
            gain, coefficients = rates.gains(k, len(self.terms), q, wanted)
            left = np.maximum(wanted @ wanted - gain, 0.0) + rates.floor
            value = len(target) * np.log(left / before) + costs
            shapes = {term.shape for term, _ in law.equations[k]}
            for number in np.argsort(value, kind="stable")[:4]:
                term = self.terms[number]
                c = float(coefficients[number])
                if value[number] <= gap and term.shape not in shapes:
                    rest = target - c * rates.extra[:, k, number]
                    change = np.linalg.lstsq(r, q.T @ rest, rcond=1e-12)[0] / lengths
                    kept = np.delete(np.arange(len(law.theta)), gone - first)
                    theta = law.theta.copy()
                    theta[kept] += change[first:]
                    changed = law.with_theta(theta)
                    equation = changed.equations[k]
                    new = changed.with_equation(k, (*equation[:j], (term, c), *equation[j + 1 :]))
                    found.append((float(value[number]), new))
        return [new for _, new in sorted(found, key=lambda pair: pair[0])]

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
            linearised = course.linearised(law, z, law.theta)
            values = np.column_stack([term.values(run.columns(kind, z)) for term in terms])
            drive = values[:-1]
            if not kind.is_map:
                drive = (values[1:] + values[:-1]) / 2 * course.lengths[:, None]
            push = np.zeros((len(drive), d, m * count))
            for k in range(m):
                push[:, d - m + k, k * count : (k + 1) * count] = drive
            propagations.append(Propagation.of(linearised, np.concatenate([linearised.by_constant, push], axis=2)))
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
        return np.linalg.norm(columns, axis=0) + ABOVE_ZERO


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
        norms = np.maximum(norms, ABOVE_ZERO)
        return np.where(is_new, slope**2 / norms, 0.0), slope / norms / lengths
