"""The choice among laws by whole trajectories: equations exchanged, terms dropped, swapped and added.

Each step fits all constants and starts again (`shooting`) and stays only where Schwarz's criterion with the prior
falls. Every fit is kept, by the shape of its law: the front and the rivals are made of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dynamics.integral_form import Equation
from edgewise.dynamics.settings import DynamicsSettings
from edgewise.dynamics.shooting import Course, Fit, Propagation, fit_law
from edgewise.dynamics.terms import Law, Term
from edgewise.dynamics.trajectories import Observations
from edgewise.outcomes import Budget


def price(equation: Equation) -> float:
    """What an equation costs whatever the data: each constant as much as with 150 samples, whose logarithm is 5."""
    return sum(term.cost + 5.0 * term.constants for term, _ in equation)


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
                worst = max(worst, float(np.quantile(np.where(np.isfinite(gap), gap, np.inf), 0.99, method="lower")))
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
                    if self.is_exact(current) and price(equation) >= price(current.law.equations[k]):
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
        """Each term exchanged for the cheaper ones that are most like it along the trajectories."""
        if not current.is_continuous:
            return current
        pairs = zip(self.data.runs, current.states, strict=True)
        columns = np.concatenate([run.columns(states) for run, states in pairs])
        values = np.column_stack([term.values(columns) for term in self.terms])
        sizes = np.linalg.norm(values, axis=0) + 1e-300
        prices = np.array([price(((term, 1.0),)) for term in self.terms])
        for k, equation in enumerate(current.law.equations):
            for j, (term, c) in enumerate(equation):
                own = term.values(columns)
                size = float(np.linalg.norm(own)) + 1e-300
                likeness = values.T @ own / (sizes * size)
                is_cheaper = prices < price(((term, 1.0),)) - 0.1
                similar = np.where(is_cheaper & np.isfinite(likeness), np.abs(likeness), 0.0)
                for place in np.argsort(-similar, kind="stable")[:2]:
                    if similar[place] < 0.8:
                        break
                    scale = float(likeness[place] * size / sizes[place])
                    other = (self.terms[place], c * scale)
                    law = current.law.with_equation(k, (*equation[:j], other, *equation[j + 1 :]))
                    fit = self.fitted(law, current.states, beside=current)
                    if fit.score < current.score - 1e-6:
                        return self.swapped(fit)
        return current

    def additions(self, current: Fit) -> list[Law]:
        """Laws with one term more, by the first-order change that it would make to the trajectories."""
        if not current.is_continuous:
            return []
        kind = self.data.kind
        law = current.law
        count = len(self.terms)
        m = kind.measured
        d = kind.states
        extras = []
        bases = []
        residuals = []
        propagations = []
        for run, z in zip(self.data.runs, current.states, strict=True):
            course = Course.of(run, kind, self.data.substeps)
            _, by_state, by_constant = course.linearised(law, z, law.theta)
            values = np.column_stack([term.values(run.columns(z)) for term in self.terms])
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
            extras.append(plan[:, :, unknowns:].reshape(-1, m * count))
            residuals.append(((run.y - z[:, :m]) * run.weight).ravel())
        base = np.concatenate(bases)
        extra = np.concatenate(extras)
        residual = np.concatenate(residuals)
        if not np.isfinite(extra).all() or not np.isfinite(base).all():
            return []

        # The gain of each term beside all constants and starts, as in a score test
        q = np.linalg.qr(base / (np.linalg.norm(base, axis=0) + 1e-300))[0]
        lengths = np.linalg.norm(extra, axis=0) + 1e-300
        extra = extra / lengths
        rest = extra - q @ (q.T @ extra)
        residual = residual - q @ (q.T @ residual)
        norms = (rest**2).sum(axis=0)
        slope = residual @ rest
        gain = np.where(norms > 1e-8, slope**2 / np.maximum(norms, 1e-300), 0.0) / max(residual @ residual, 1e-300)
        costs = np.array([term.cost + math.log(self.data.rows) * term.constants for term in self.terms])
        value = self.data.rows * m * np.log1p(-np.minimum(gain, 1 - 1e-12)) + np.tile(costs, m)
        laws: list[Law] = []
        seen = set()
        for place in np.argsort(value, kind="stable"):
            k, number = divmod(int(place), count)
            term = self.terms[number]
            equation = law.equations[k]
            if value[place] > 10 or len(laws) == 4:
                break
            if (k, term.shape) in seen or any(term.shape == own.shape for own, _ in equation):
                continue
            seen.add((k, term.shape))
            c = float(slope[place] / norms[place] / lengths[place])
            laws.append(law.with_equation(k, (*equation, (term, c))))
        return laws
