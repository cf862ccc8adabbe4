"""Constants and initial states of a law by least squares on whole trajectories.

Every interval between two samples is integrated at once, with all perturbations of states and constants, as one batch
of Runge-Kutta steps. The states at the samples are unknowns; continuity is a constraint that each Gauss-Newton step
keeps to first order, and a recursion eliminates it (lifted multiple shooting: Bock, in Modelling of Chemical Reaction
Systems, 1981; Albersmeyer and Diehl, SIAM J. Optim. 20 (2010) 1655). So the smoothed trajectory is the start, and chaos
does no harm. A law whose trajectory stays broken is no solution: the final defect must vanish.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import permutations

import numpy as np

from edgewise.dynamics.settings import DynamicsSettings
from edgewise.dynamics.terms import Law
from edgewise.dynamics.trajectories import Kind, Observations, Trajectory, runge_kutta
from edgewise.outcomes import check_time, spend
from edgewise.settings import ABOVE_ZERO, CALL_WORK


@dataclass(frozen=True)
class ShootingSettings:
    """Weights and tolerances of the iteration."""

    iterations: int = 25
    damping: float = 1e-16  # of the first step, relative to the diagonal of the normal matrix
    most_damping: float = 1e-3  # at which steps that help no more are given up
    # Weight of squared defects beside squared residuals, both in units of the noise: a trajectory in pieces is none.
    defect_weight: float = 1e4
    # Mean squared defect, as a share of the mean squared residual, of a trajectory that counts as continuous
    continuous: float = 1e-5
    # Growth of the derivatives by a start up to which a segment goes on: half of the digits then remain
    most_growth: float = 1e6
    settled: int = 3  # steps after which the foreseen score of a fit is trusted
    step: float = 1e-6  # of difference quotients, relative: the root of rounding, and of the cube of the truncation


SHOOTING = ShootingSettings()


@dataclass
class Fit:
    """A law fitted to all trajectories."""

    law: Law
    score: float = math.inf  # Schwarz's criterion with the prior, lower is better; infinite where no fit is continuous
    squares: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (measured,) mean squares in units of the noise
    states: list[np.ndarray] = field(default_factory=list)  # (n, states) of each trajectory
    # Of each trajectory the covariance (d + p, d + p) of its last state, beside the constants
    ends: list[np.ndarray] = field(default_factory=list)
    limit: float = math.inf  # the score above which the fit was given up; infinite where it came to its end

    @property
    def is_continuous(self) -> bool:
        """Whether the law follows the trajectories at all."""
        return math.isfinite(self.score)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance (p, p) of the constants; NaN where no fit is continuous."""
        p = len(self.law.theta)
        if not self.ends:
            return np.full((p, p), np.nan)
        first = len(self.ends[0]) - p
        return self.ends[0][first:, first:]

    @property
    def errors(self) -> np.ndarray:
        """Standard errors of the constants."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))


@dataclass(frozen=True)
class Course:
    """The steps between the samples of a trajectory: their lengths, and the known columns at all stages."""

    run: Trajectory
    kind: Kind
    lengths: np.ndarray  # (intervals,)
    times: np.ndarray  # (substeps, 3, intervals) of the start, the middle and the end of each substep
    known: np.ndarray  # (substeps, 3, known, intervals) there

    @classmethod
    def of(cls, run: Trajectory, kind: Kind, substeps: int) -> Course:
        """The course between the samples of a trajectory with so many substeps."""
        lengths = np.diff(run.t)
        if kind.is_map:
            return cls(run, kind, lengths, run.t[:-1], run.known(run.t[:-1])[None, None])
        places = (np.arange(substeps)[:, None] + np.array([0, 0.5, 1])) / substeps
        times = run.t[:-1] + places[:, :, None] * lengths
        return cls(run, kind, lengths, times, np.moveaxis(run.known(times), 0, 2))

    def along(self, z: np.ndarray) -> Course:
        """The same with the delayed coordinates of a trajectory with states z (n, d)."""
        if not self.kind.delays:
            return self
        known = self.run.remembered(self.kind, self.times, np.moveaxis(self.known, 2, 0), z)
        return replace(self, known=np.moveaxis(known, 0, 2))

    def ends(self, law: Law, states: np.ndarray, p: np.ndarray) -> np.ndarray:
        """States at the end of each interval, from states (d, variants, intervals) at its start, constants (p, ...)."""
        if self.kind.is_map:
            return self.kind.rates(law, states, self.known[0, 0], p)
        substeps = len(self.known)
        spend(4.0 * substeps * (2 + len(p)) * (3 * CALL_WORK + 2 * states.size))
        h = self.lengths / substeps
        for known in self.known:
            check_time()
            states = runge_kutta(lambda x, at: self.kind.rates(law, x, at, p), states, h, *known)
        return states

    def linearised(self, law: Law, z: np.ndarray, theta: np.ndarray) -> Linearised:
        """Ends of the intervals, and their derivatives, at states z (n, d) and constants (p,)."""
        d = z.shape[1]
        p = len(theta)
        past = 3 * self.kind.measured * len(self.kind.delays)
        variants = 1 + d + p + past
        batch = np.repeat(z[:-1].T[:, None, :], variants, axis=1)
        constants = np.repeat(theta[:, None], variants, axis=1)
        steps = SHOOTING.step * (np.std(z, axis=0) + 1e-3 * np.abs(z).max(axis=0) + 1e-9)
        own = SHOOTING.step * (np.abs(theta) + 1e-3)
        for k in range(d):
            batch[k, 1 + k] += steps[k]
        constants[np.arange(p), 1 + d + np.arange(p)] += own
        course = self.along(z)
        if past:
            course = course._with_varied_past(steps[: self.kind.measured], variants)
        ends = course.ends(law, batch, constants[:, :, None])
        by_state = (ends[:, 1 : 1 + d] - ends[:, :1]) / steps[None, :, None]
        by_constant = (ends[:, 1 + d : 1 + d + p] - ends[:, :1]) / own[None, :, None]
        # The delayed coordinates at three places are those of four samples by Lagrange's polynomial
        nodes, weights = self.memory
        m = self.kind.measured
        varied = (ends[:, 1 + d + p :] - ends[:, :1]).reshape(d, 3, len(self.kind.delays), m, len(nodes))
        varied = varied / steps[:m, None]
        nodes = nodes.reshape(len(nodes), nodes[0].size)
        by_past = np.einsum("dqlmj,jlqi->jdlim", varied, weights).reshape(len(nodes), d, m * nodes.shape[1])
        by_state, by_constant = (each.transpose(2, 0, 1) for each in (by_state, by_constant))
        return Linearised(ends[:, 0].T, by_state, by_constant, nodes, by_past)

    def _with_varied_past(self, steps: np.ndarray, variants: int) -> Course:
        """The last variants with each delayed coordinate changed at the start, the middle and the end of intervals."""
        known = np.repeat(self.known[:, :, :, None], variants, axis=3)
        share = (self.times - self.run.t[:-1]) / self.lengths
        parabolas = ((1 - share) * (1 - 2 * share), 4 * share * (1 - share), share * (2 * share - 1))
        variant = variants - len(parabolas) * len(steps) * len(self.kind.delays)
        for parabola in parabolas:
            for column in range(self.kind.inputs, self.kind.known):
                known[:, :, column, variant] += steps[(column - self.kind.inputs) % len(steps)] * parabola
                variant += 1
        return replace(self, known=known)

    @cached_property
    def memory(self) -> tuple[np.ndarray, np.ndarray]:
        """Samples (J, delays, 4) between which the delayed coordinates of each interval lie, and Lagrange's weights.

        The weights (J, delays, 3, 4) are for the start, the middle and the end of the interval, and zero in the
        history, which no fit changes.
        """
        t = self.run.t
        delays = np.array(self.kind.delays)
        earlier = np.stack([t[:-1], (t[1:] + t[:-1]) / 2, t[1:]], axis=1)[:, None] - delays[:, None]
        # The two samples on each side of the middle, as far as they are before the interval's end
        points = 4  # of a cubic polynomial
        last = np.arange(len(t) - 1)[:, None] - (points - 1)
        place = np.searchsorted(t, earlier[:, :, 1], side="right") - 1
        first = np.clip(place - 1, 0, np.maximum(last, 0))
        nodes = first[:, :, None] + np.arange(points)
        weights = np.ones((*earlier.shape, points))
        for i, k in permutations(range(points), 2):
            weights[..., i] *= (earlier - t[nodes[:, :, None, k]]) / (t[nodes[:, :, [i]]] - t[nodes[:, :, [k]]])
        # An interval whose delayed coordinates begin in the history counts by the share after it
        after = np.clip((earlier[:, :, 2] - t[0]) / self.lengths[:, None], 0.0, 1.0) * (last >= 0)
        return nodes, weights * after[:, :, None, None]


@dataclass(frozen=True)
class Linearised:
    """Ends of the intervals of a trajectory with their derivatives."""

    ends: np.ndarray  # (J, d)
    by_state: np.ndarray  # (J, d, d) by the states at their starts
    by_constant: np.ndarray  # (J, d, p)
    nodes: np.ndarray  # (J, 4 delays) samples between which the delayed coordinates lie
    by_past: np.ndarray  # (J, d, 4 delays measured) by the coordinates of these

    def add_past(self, j: int, plan: np.ndarray, start: int, state: np.ndarray) -> None:
        """Add to the derivatives (d, d + q) of the end of interval j what its delayed coordinates do to them.

        `plan` (n, d, d + q) has the derivatives up to there; those before the segment's start belong to another one.
        """
        nodes = self.nodes[j]
        if len(nodes):
            measured = self.by_past.shape[2] // len(nodes)
            past = plan[nodes, :measured]
            past[nodes < start] = 0.0
            state += self.by_past[j] @ past.reshape(-1, past.shape[2])


@dataclass(frozen=True)
class Propagation:
    """Derivatives of the states of a trajectory by those at the start of their segment and by drives.

    Where the states grow too sensitive to their start, as in chaos, a new segment begins; `links` are the derivatives
    of the state there by what came before.
    """

    plan: np.ndarray  # (n, d, d + q)
    starts: list[int]  # places of the first state of each segment
    links: list[np.ndarray]  # (d, d + q) of each segment but the first

    @classmethod
    def of(cls, linearised: Linearised, drives: np.ndarray) -> Propagation:
        """The recursion over intervals with derivatives by states and the past, and (J, d, q) by drives."""
        by_state = linearised.by_state
        intervals, d, _ = by_state.shape
        plan = np.zeros((intervals + 1, d, d + drives.shape[2]))
        plan[0, :, :d] = np.eye(d)
        starts = [0]
        links = []
        for j in range(intervals):
            state = plan[j + 1]
            np.matmul(by_state[j], plan[j], out=state)
            state[:, d:] += drives[j]
            linearised.add_past(j, plan, starts[-1], state)
            if np.abs(state[:, :d]).max() > SHOOTING.most_growth and j + 1 < intervals:
                links.append(state.copy())
                starts.append(j + 1)
                state[:] = 0.0
                state[:, :d] = np.eye(d)
        return cls(plan, starts, links)

    def spread(self, first: int, width: int) -> np.ndarray:
        """The derivatives (n, d, width + q) with a column of its own for each start, from column `first` on."""
        n, d, _ = self.plan.shape
        out = np.zeros((n, d, width + self.plan.shape[2] - d))
        out[:, :, width:] = self.plan[:, :, d:]
        for place, start in enumerate(self.starts):
            column = first + place * d
            end = (*self.starts, n)[place + 1]
            out[start:end, :, column : column + d] = self.plan[start:end, :, :d]
        return out

    def constraints(self, first: int, width: int) -> np.ndarray:
        """Rows (d (segments - 1), width + q) that vanish where each segment begins at the end of the one before."""
        d = self.plan.shape[1]
        rows = [np.zeros((0, width + self.plan.shape[2] - d))]
        for place, link in enumerate(self.links):
            column = first + place * d
            row = np.zeros((d, width + link.shape[1] - d))
            row[:, column : column + d] = link[:, :d]
            row[:, column + d : column + 2 * d] = -np.eye(d)
            row[:, width:] = link[:, d:]
            rows.append(row)
        return np.concatenate(rows)


@dataclass(frozen=True)
class LinearProblem:
    """Least squares for one step of starts and constants: rows, and linear constraints between segments."""

    plans: list[np.ndarray]  # (n, d, columns + 1) changes of the states of each trajectory; the last one by defects
    matrix: np.ndarray  # (rows, columns) in units of the noise
    residual: np.ndarray  # (rows,)
    target: np.ndarray  # (rows,) residual without what the defects do to it
    constraints: np.ndarray  # (links, columns + 1)

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are."""
        parts = (self.matrix, self.target, self.constraints)
        return all(bool(np.isfinite(part).all()) for part in parts)

    def solve(self, damping: float) -> tuple[np.ndarray, np.ndarray]:
        """A step (columns,), filtered by singular values, and the residuals (rows,) that it should leave."""
        lengths = np.sqrt((self.matrix**2).sum(axis=0)) + ABOVE_ZERO
        matrix = self.matrix / lengths
        particular, free = self._feasible(lengths)
        target = self.target - matrix @ particular
        u, s, v = np.linalg.svd(matrix @ free, full_matrices=False)
        filtered = s / (s**2 + damping)
        step = particular + free @ (v.T @ (filtered * (u.T @ target)))
        return step / lengths, self.target - matrix @ step

    def covariance(self, noise: np.ndarray) -> np.ndarray:
        """Covariance (columns, columns) of the unknowns, with the residuals' standard deviation of each row."""
        weighed = self.matrix / noise[:, None]
        lengths = np.sqrt((weighed**2).sum(axis=0)) + ABOVE_ZERO
        _, free = self._feasible(lengths)
        _, s, v = np.linalg.svd((weighed / lengths) @ free, full_matrices=False)
        half = free @ (v.T / np.maximum(s, 1e-9 * s[0])) / lengths[:, None]
        return half @ half.T

    def _feasible(self, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A scaled step that fulfils the constraints, and a basis of those that keep them (null space method)."""
        columns = len(lengths)
        if not len(self.constraints):
            return np.zeros(columns), np.eye(columns)
        rows = self.constraints[:, :-1] / lengths
        sizes = np.linalg.norm(rows, axis=1) + ABOVE_ZERO
        q, r = np.linalg.qr((rows / sizes[:, None]).T, mode="complete")
        count = len(rows)
        right = -self.constraints[:, -1] / sizes
        return q[:, :count] @ np.linalg.lstsq(r[:count].T, right, rcond=1e-14)[0], q[:, count:]


def score_of(squares: np.ndarray, data: Observations, law: Law, settings: DynamicsSettings) -> float:
    """Schwarz's criterion of all coordinates plus the price of the terms a priori."""
    noise = [np.mean(np.concatenate([run.sigma[:, k] for run in data.runs]) ** 2) for k in range(len(squares))]
    floors = data.floor[: len(squares)] ** 2 / np.array(noise)
    constants = len(law.theta)
    likelihood = float((data.counts * np.log(squares + floors)).sum())
    return likelihood + math.log(data.rows) * constants + law.cost(settings.shared_cost)


def fit_law(
    law: Law,
    data: Observations,
    settings: DynamicsSettings,
    states: list[np.ndarray] | None = None,
    limit: float = math.inf,
) -> Fit:
    """Fit all constants and initial states of a law to the trajectories, from its constants and from given states.

    A fit that will have a score above the limit may be given up.
    """
    check_time()
    with np.errstate(all="ignore"):
        return _Shooting(law, data, states).fit(settings, limit)


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
            ends = course.along(z).ends(self.law, z[:-1].T[:, None, :], theta[:, None, None])[:, 0].T
            residual += float((((run.y - z[:, :m]) * weight) ** 2).sum())
            defect += float((((ends - z[1:]) / run.state_scale[1:]) ** 2).sum())
        if not math.isfinite(residual + defect):
            return math.inf, math.inf
        return residual, defect

    def linear_problem(self) -> LinearProblem:
        """The derivatives of all states by starts and constants, and with them the residuals to first order."""
        m = self.data.kind.measured
        d = self.data.kind.states
        propagations = []
        for course, z in zip(self.courses, self.states, strict=True):
            linearised = course.linearised(self.law, z, self.theta)
            defects = (linearised.ends - z[1:])[:, :, None]
            drives = np.concatenate([linearised.by_constant, defects], axis=2)
            propagations.append(Propagation.of(linearised, drives))
        width = d * sum(len(one.starts) for one in propagations)
        plans = []
        constraints = []
        rows = []
        residuals = []
        targets = []
        first = 0
        for run, weight, z, propagation in zip(self.data.runs, self.weights, self.states, propagations, strict=True):
            plan = propagation.spread(first, width)
            plans.append(plan)
            constraints.append(propagation.constraints(first, width))
            rows.append((plan[:, :m, :-1] * weight[:, :, None]).reshape(-1, plan.shape[2] - 1))
            residuals.append(((run.y - z[:, :m]) * weight).ravel())
            targets.append(residuals[-1] - (plan[:, :m, -1] * weight).ravel())
            first += d * len(propagation.starts)
        parts = (np.concatenate(each) for each in (rows, residuals, targets, constraints))
        return LinearProblem(plans, *parts)

    def fit(self, settings: DynamicsSettings, limit: float = math.inf) -> Fit:
        """Levenberg-Marquardt steps until residuals and defects stand still.

        A fit whose score, as its steps foresee it, will stay above a limit is given up.
        """
        data = self.data
        m = data.kind.measured
        residual, defect = self.misfit(self.states, self.theta)
        if not math.isfinite(defect):
            return Fit(self.law)
        problem = self.linear_problem()
        damping = SHOOTING.damping
        growth = 2.0
        is_converged = False
        for iteration in range(SHOOTING.iterations):
            if not problem.is_finite:
                return Fit(self.law)
            step, foreseen = problem.solve(damping)
            if iteration >= SHOOTING.settled and limit < math.inf:
                squares = (foreseen.reshape(-1, m) ** 2).sum(axis=0) / np.maximum(data.counts, 1)
                if score_of(squares, data, self.law, settings) > limit:
                    return Fit(self.law, limit=limit)
            # The longest step that lowers residuals and defects together
            before = residual + SHOOTING.defect_weight * defect
            for share in (1.0, 0.5, 0.2, 0.05):
                pairs = zip(self.states, problem.plans, strict=True)
                states = [z + share * (plan[:, :, :-1] @ step + plan[:, :, -1]) for z, plan in pairs]
                theta = self.theta + share * step[len(step) - len(self.theta) :]
                new_residual, new_defect = self.misfit(states, theta)
                after = new_residual + SHOOTING.defect_weight * new_defect
                if after < before * (1 + 1e-9) + 1e-12:
                    break
            else:
                if damping > SHOOTING.most_damping:
                    break
                damping *= growth
                growth *= 2
                continue
            # Nielsen's damping, by the ratio of the gain to that of the linear problem
            expected = float(((problem.residual + share * (foreseen - problem.residual)) ** 2).sum())
            expected += SHOOTING.defect_weight * (1 - share) ** 2 * defect
            ratio = min(max((before - after) / max(before - expected, ABOVE_ZERO), 0.0), 1.0)
            damping *= max(1 / 3, 1 - (2 * ratio - 1) ** 3)
            growth = 2.0
            change = abs(new_residual - residual) + SHOOTING.defect_weight * abs(new_defect - defect)
            self.states = states
            self.theta = theta
            residual = new_residual
            defect = new_defect
            is_exact = residual / data.rows < 1e-16
            stands_still = change < 1e-5 * (1e-8 + residual) or is_exact
            if share == 1.0 and stands_still and defect < 1e-2 * SHOOTING.continuous * residual / data.rows + 1e-12:
                is_converged = True
                break
            problem = self.linear_problem()
        if defect > SHOOTING.continuous * residual / data.rows + 1e-9:
            return Fit(self.law)
        return self.judged(problem, is_converged=is_converged, settings=settings)

    def judged(self, problem: LinearProblem, *, is_converged: bool, settings: DynamicsSettings) -> Fit:
        """The fit with its score and covariances, each coordinate at its own residual variance."""
        result = Fit(self.law)
        data = self.data
        m = data.kind.measured
        sums = [
            (((run.y - z[:, :m]) * weight) ** 2).sum(axis=0)
            for run, z, weight in zip(data.runs, self.states, self.weights, strict=True)
        ]
        result.law = self.law.with_theta(self.theta)
        result.states = self.states
        result.squares = sum(sums) / np.maximum(data.counts, 1)
        result.score = score_of(result.squares, data, self.law, settings) + (0.0 if is_converged else 1.0)
        # Degrees of freedom: each constant, and one start of each trajectory, takes one
        samples = float(data.counts.sum())
        unknowns = len(self.theta) + data.kind.states * len(data.runs)
        sigma = np.concatenate([run.sigma for run in data.runs])
        floors = data.floor[:m] ** 2 / np.mean(sigma**2, axis=0)
        noise = np.sqrt((result.squares + floors) * samples / max(samples - unknowns, 1.0))
        covariance = problem.covariance(np.tile(noise, len(problem.target) // m))
        constants = np.eye(len(covariance))[len(covariance) - len(self.theta) :]
        for plan in problem.plans:
            rows = np.concatenate([plan[-1, :, :-1], constants])
            result.ends.append(rows @ covariance @ rows.T)
        # A constant that no sample depends on has no error: the law is a longer way to write one without it
        if not all(bool(np.isfinite(end).all()) for end in result.ends):
            return Fit(self.law)
        return result
