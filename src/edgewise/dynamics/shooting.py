"""Constants and initial states of a law by least squares on whole trajectories.

Every interval between two samples is integrated at once, with all perturbations of states and constants, as one batch
of Runge-Kutta steps. The states at the samples are unknowns; continuity is a constraint that each Gauss-Newton step
keeps to first order, and a recursion eliminates it (lifted multiple shooting: Bock, in Modelling of Chemical Reaction
Systems, 1981; Albersmeyer and Diehl, SIAM J. Optim. 20 (2010) 1655). So the smoothed trajectory is the start, and chaos
does no harm. A law whose trajectory stays broken is no solution: the final defect must vanish.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from edgewise.dynamics.settings import DynamicsSettings
from edgewise.dynamics.terms import Law
from edgewise.dynamics.trajectories import Kind, Observations, Trajectory
from edgewise.outcomes import check_time, spend


@dataclass(frozen=True)
class ShootingSettings:
    """Weights and tolerances of the iteration."""

    iterations: int = 25
    # Weight of squared defects beside squared residuals, both in units of the noise: a trajectory in pieces is none.
    defect_weight: float = 1e4
    # Mean squared defect, as a share of the mean squared residual, of a trajectory that counts as continuous
    continuous: float = 1e-5
    step: float = 1e-6  # of difference quotients, relative: the root of rounding, and of the cube of the truncation


SHOOTING = ShootingSettings()


@dataclass
class Fit:
    """A law fitted to all trajectories."""

    law: Law
    score: float = math.inf  # Schwarz's criterion with the prior, lower is better; infinite where no fit is continuous
    squares: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (measured,) mean squares in units of the noise
    states: list[np.ndarray] = field(default_factory=list)  # (n, states) of each trajectory
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))  # of the constants

    @property
    def is_continuous(self) -> bool:
        """Whether the law follows the trajectories at all."""
        return math.isfinite(self.score)

    @property
    def errors(self) -> np.ndarray:
        """Standard errors of the constants."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))


@dataclass(frozen=True)
class Course:
    """The steps between the samples of a trajectory: their lengths, and the known columns at all stages."""

    kind: Kind
    lengths: np.ndarray  # (intervals,)
    known: np.ndarray  # (substeps, 3, known, intervals) at the start, the middle and the end of each substep

    @classmethod
    def of(cls, run: Trajectory, kind: Kind, substeps: int) -> Course:
        """The course between the samples of a trajectory with so many substeps."""
        lengths = np.diff(run.t)
        if kind.is_map:
            return cls(kind, lengths, run.known(run.t[:-1])[None, None])
        if not kind.known:
            return cls(kind, lengths, np.zeros((substeps, 3, 0, len(lengths))))
        places = (np.arange(substeps)[:, None] + np.array([0, 0.5, 1])) / substeps
        times = run.t[:-1] + places[:, :, None] * lengths
        return cls(kind, lengths, np.moveaxis(run.known(times), 0, 2))

    def ends(self, law: Law, states: np.ndarray, p: np.ndarray) -> np.ndarray:
        """States at the end of each interval, from states (d, variants, intervals) at its start, constants (p, ...)."""
        if self.kind.is_map:
            return np.stack(np.broadcast_arrays(*law.function([*states, *self.known[0, 0]], p), states[0])[:-1])
        substeps = len(self.known)
        h = self.lengths / substeps

        def slopes(x: np.ndarray, known: np.ndarray) -> np.ndarray:
            out = np.empty_like(x)
            for k, value in enumerate(self.kind.slopes(law, [*x, *known], p)):
                out[k] = value
            return out

        # The classical method of Runge and Kutta
        for start, middle, end in self.known:
            a = slopes(states, start)
            b = slopes(states + h / 2 * a, middle)
            c = slopes(states + h / 2 * b, middle)
            d = slopes(states + h * c, end)
            states = states + h / 6 * (a + 2 * b + 2 * c + d)
        return states

    def linearised(self, law: Law, z: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ends (J, d) of the intervals, and derivatives by the states (J, d, d) and by the constants (J, d, p)."""
        d = z.shape[1]
        p = len(theta)
        variants = 1 + d + p
        batch = np.repeat(z[:-1].T[:, None, :], variants, axis=1)
        constants = np.repeat(theta[:, None], variants, axis=1)
        steps = SHOOTING.step * (np.std(z, axis=0) + 1e-3 * np.abs(z).max(axis=0) + 1e-9)
        own = SHOOTING.step * (np.abs(theta) + 1e-3)
        for k in range(d):
            batch[k, 1 + k] += steps[k]
        constants[np.arange(p), 1 + d + np.arange(p)] += own
        ends = self.ends(law, batch, constants[:, :, None])
        spend(8.0 * batch.size * len(self.known) * (2 + p))
        by_state = (ends[:, 1 : 1 + d] - ends[:, :1]) / steps[None, :, None]
        by_constant = (ends[:, 1 + d :] - ends[:, :1]) / own[None, :, None]
        return ends[:, 0].T, by_state.transpose(2, 0, 1), by_constant.transpose(2, 0, 1)


def propagated(by_state: np.ndarray, drives: np.ndarray) -> np.ndarray:
    """Derivatives (n, d, d + q) of all states by the first state and by drives (J, d, q) of the intervals."""
    intervals, d, _ = by_state.shape
    out = np.zeros((intervals + 1, d, d + drives.shape[2]))
    out[0, :, :d] = np.eye(d)
    for j in range(intervals):
        np.matmul(by_state[j], out[j], out=out[j + 1])
        out[j + 1, :, d:] += drives[j]
    return out


def score_of(squares: np.ndarray, data: Observations, law: Law, settings: DynamicsSettings) -> float:
    """Schwarz's criterion of all coordinates plus the price of the terms a priori."""
    noise = [np.mean(np.concatenate([run.sigma[:, k] for run in data.runs]) ** 2) for k in range(len(squares))]
    floors = data.floor[: len(squares)] ** 2 / np.array(noise)
    constants = len(law.theta)
    likelihood = float((data.counts * np.log(squares + floors)).sum())
    return likelihood + math.log(data.rows) * constants + law.cost(settings.shared_cost)


def fit_law(law: Law, data: Observations, settings: DynamicsSettings, states: list[np.ndarray] | None = None) -> Fit:
    """Fit all constants and initial states of a law to the trajectories, from its constants and from given states."""
    check_time()
    with np.errstate(all="ignore"):
        return _Shooting(law, data, states).fit(settings)


class _Shooting:
    """The iteration of one fit."""

    def __init__(self, law: Law, data: Observations, states: list[np.ndarray] | None):
        self.law = law
        self.data = data
        self.courses = [Course.of(run, data.kind, data.substeps) for run in data.runs]
        self.weights = [run.weight for run in data.runs]
        self.theta = law.theta
        self.states = [np.array(z) for z in (states or [run.states for run in data.runs])]

    def misfit(self, states: list[np.ndarray], theta: np.ndarray) -> tuple[float, float]:
        """Sums of squared residuals and of squared defects, in units of the noise."""
        residual = 0.0
        defect = 0.0
        m = self.data.kind.measured
        for run, course, weight, z in zip(self.data.runs, self.courses, self.weights, states, strict=True):
            ends = course.ends(self.law, z[:-1].T[:, None, :], theta[:, None, None])[:, 0].T
            residual += float((((run.y - z[:, :m]) * weight) ** 2).sum())
            defect += float((((ends - z[1:]) / run.state_scale[1:]) ** 2).sum())
        if not math.isfinite(residual + defect):
            return math.inf, math.inf
        return residual, defect

    def linear_problem(self) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Derivatives of the states of each trajectory, and matrix and target of the least squares for a step."""
        runs = len(self.data.runs)
        m = self.data.kind.measured
        d = self.data.kind.states
        p = len(self.theta)
        plans: list[np.ndarray] = []
        rows: list[np.ndarray] = []
        targets: list[np.ndarray] = []
        for r, (run, course, weight, z) in enumerate(
            zip(self.data.runs, self.courses, self.weights, self.states, strict=True)
        ):
            ends, by_state, by_constant = course.linearised(self.law, z, self.theta)
            defects = (ends - z[1:])[:, :, None]
            plan = propagated(by_state, np.concatenate([by_constant, defects], axis=2))
            block = np.zeros((len(z), m, runs * d + p))
            block[:, :, r * d : (r + 1) * d] = plan[:, :m, :d]
            block[:, :, runs * d :] = plan[:, :m, d : d + p]
            plans.append(plan)
            rows.append((block * weight[:, :, None]).reshape(-1, runs * d + p))
            targets.append(((run.y - z[:, :m] - plan[:, :m, -1]) * weight).ravel())
        return plans, np.concatenate(rows), np.concatenate(targets)

    def fit(self, settings: DynamicsSettings) -> Fit:
        """Damped Gauss-Newton steps with a line search, until residuals and defects stand still."""
        result = Fit(self.law)
        data = self.data
        d = data.kind.states
        starts = len(data.runs) * d
        p = len(self.theta)
        residual, defect = self.misfit(self.states, self.theta)
        if not math.isfinite(defect):
            return result
        damping = 1e-10
        is_converged = False
        for _ in range(SHOOTING.iterations):
            # One filtered least squares for starts and constants, by singular values
            plans, matrix, target = self.linear_problem()
            if not all(np.isfinite(plan).all() and np.abs(plan).max() < 1e12 for plan in plans):
                return result
            lengths = np.sqrt((matrix**2).sum(axis=0)) + 1e-300
            u, s, v = np.linalg.svd(matrix / lengths, full_matrices=False)
            filtered = s / (s**2 + damping * s[0] ** 2)
            step = (v.T @ (filtered * (u.T @ target))) / lengths
            # The longest step that lowers residuals and defects together
            accepted = False
            for alpha in (1.0, 0.5, 0.2, 0.05):
                new = []
                for r, plan in enumerate(plans):
                    move = plan[:, :, :d] @ step[r * d : (r + 1) * d] + plan[:, :, d : d + p] @ step[starts:]
                    new.append(self.states[r] + alpha * (move + plan[:, :, -1]))
                theta = self.theta + alpha * step[starts:]
                new_residual, new_defect = self.misfit(new, theta)
                after = new_residual + SHOOTING.defect_weight * new_defect
                before = residual + SHOOTING.defect_weight * defect
                accepted = after < before * (1 + 1e-9) + 1e-12
                if accepted:
                    break
            if not accepted:
                if damping > 1e-3:
                    break
                damping = max(damping, 1e-8) * 100
                continue
            change = abs(new_residual - residual) + SHOOTING.defect_weight * abs(new_defect - defect)
            self.states = new
            self.theta = theta
            residual = new_residual
            defect = new_defect
            damping = max(damping / 10, 1e-12)
            is_exact = residual / data.rows < 1e-16
            stands_still = change < 1e-5 * (1e-8 + residual) or is_exact
            if alpha == 1.0 and stands_still and defect < 1e-2 * SHOOTING.continuous * residual / data.rows + 1e-12:
                is_converged = True
                break
        if defect > SHOOTING.continuous * residual / data.rows + 1e-9:
            return result
        return self.judged(result, matrix, is_converged=is_converged, settings=settings)

    def judged(self, result: Fit, matrix: np.ndarray, *, is_converged: bool, settings: DynamicsSettings) -> Fit:
        """The fit with its score and the covariance of its constants, each coordinate at its own residual variance."""
        m = self.data.kind.measured
        sums = [
            (((run.y - z[:, :m]) * weight) ** 2).sum(axis=0)
            for run, z, weight in zip(self.data.runs, self.states, self.weights, strict=True)
        ]
        result.law = self.law.with_theta(self.theta)
        result.states = self.states
        result.squares = sum(sums) / np.maximum(self.data.counts, 1)
        result.score = score_of(result.squares, self.data, self.law, settings) + (0.0 if is_converged else 1.0)
        # Degrees of freedom: each start and constant takes one
        freedom = max(float(self.data.counts.sum()) - matrix.shape[1], 1.0) / float(self.data.counts.sum())
        noise = np.sqrt(np.maximum(result.squares / freedom, 1e-300))
        weighed = (matrix.reshape(-1, m, matrix.shape[1]) / noise[:, None]).reshape(-1, matrix.shape[1])
        lengths = np.sqrt((weighed**2).sum(axis=0)) + 1e-300
        _, s, v = np.linalg.svd(weighed / lengths, full_matrices=False)
        inverse = v.T @ (v / np.maximum(s, 1e-9 * s[0])[:, None] ** 2)
        covariance = inverse / np.outer(lengths, lengths)
        starts = matrix.shape[1] - len(self.theta)
        result.covariance = covariance[starts:, starts:]
        return result
