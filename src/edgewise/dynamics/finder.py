"""`find_dynamics`: from trajectories to a front of systems of equations, from short to accurate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

from edgewise.checks import check_count, check_number
from edgewise.dynamics.arguments import Samples, checked_kind, dimensions_of, read_samples
from edgewise.dynamics.choosing import Choice
from edgewise.dynamics.integral_form import Candidate, IntegralForm, SparseSums
from edgewise.dynamics.judging import blows_up, decision
from edgewise.dynamics.missed import formula_equations
from edgewise.dynamics.result import Motion, System
from edgewise.dynamics.settings import DynamicsSettings
from edgewise.dynamics.shooting import Fit
from edgewise.dynamics.smoothing import DEGREE, Smooth, smooth
from edgewise.dynamics.terms import Law, Term, library
from edgewise.dynamics.trajectories import Known, Observations, Trajectory, interpolated, no_known
from edgewise.errors import InputError
from edgewise.listeners import check_progress, reported
from edgewise.outcomes import Budget, ProgressCallback, StopReason, check_on_interrupt
from edgewise.search.jobs import one_blas_thread
from edgewise.settings import ABOVE_ZERO, WORK_A_SECOND


def find_dynamics(
    t: Any,
    x: Any,
    *,
    names: Sequence[str] | None = None,
    run: str | None = None,
    units: dict[str, str] | None = None,
    inputs: Any = None,
    order: int = 1,
    kind: str = "flow",
    delays: Any = (),
    time_limit: float | None = None,
    seed: int = 0,
    progress: ProgressCallback | bool | None = None,
    on_interrupt: str = "keep",
    settings: DynamicsSettings | None = None,
) -> Motion:
    r"""Find the equations of motion behind trajectories. Bring several, from different starts.

    Splines take off the noise, sparse sums of terms are found by the integral form, all constants and starts are fitted
    to whole trajectories, and Schwarz's criterion with a prior for short laws decides.

    Parameters
    ----------
    t : array_like, shape (n,), or list of them, or str
        Times of a trajectory, or of each of several, increasing and as irregular as they are; or the column of a frame.
    x : array_like, shape (n,) or (n, d), or frame, or list of them
        Coordinates; NaN where a sample is missing. Or a frame of pandas, polars or pyarrow, or one for each trajectory.
    names : sequence of str, optional
        Names of the coordinates; of a frame the columns that they are.
    run : str, optional
        The column of a frame that tells trajectories apart.
    units : mapping of str to str, optional
        Units of coordinates, of inputs and of "t", such as ``{"x": "m", "t": "s"}``: sums and functions of quantities
        that have different or no suitable dimensions are left out.
    inputs : mapping of str to array_like, or of a frame a list of columns, optional
        Known functions of time that act on the motion, at the times of the samples.
    order : int
        2 for x'' = f(x, x') from positions alone.
    kind : {"flow", "map"}
        "map" for x(n + 1) = f(x(n)).
    delays : sequence of float
        Known delays in the unit of t: right-hand sides may contain x(t - delay).
    time_limit : float, optional
        Seconds, at most; without a limit equal calls give equal results however busy the machine is.
    seed : int
        Seed of all random choices.
    progress : bool or callable, optional
        True shows a line; a function receives a `Progress` at every stage.
    on_interrupt : {"keep", "raise"}
        What Ctrl-C does: return the best so far, where there is one, or raise.
    settings : DynamicsSettings, optional
        Limits and prices of the search.

    Returns
    -------
    Motion
        Systems from short to accurate with the choice, its rivals and whether the data decide.

    Raises
    ------
    InputError
        An argument is not as described; the sentence names it.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.integrate import solve_ivp
    >>> from edgewise import find_dynamics
    >>> t = np.linspace(0, 10, 100)
    >>> def prey_and_predator(t, x):
    ...     return [1.1 * x[0] - 0.4 * x[0] * x[1], -0.4 * x[1] + 0.1 * x[0] * x[1]]
    >>> runs = [solve_ivp(prey_and_predator, (0, 10), s, t_eval=t, rtol=1e-9).y.T for s in ([10, 5], [3, 1])]
    >>> motion = find_dynamics([t, t], runs, names=["hares", "lynxes"])
    >>> print(*motion.choice.lines(3), sep="\n")
    hares' = 1.1 hares - 0.4 hares lynxes
    lynxes' = -0.4 lynxes + 0.1 hares lynxes
    >>> motion.decided
    True
    """
    samples = read_samples(t, x, inputs, names, run)
    samples.kind = checked_kind(samples, order, kind, delays)
    samples.dimensions = dimensions_of(samples, units)
    check_count(seed, "seed", 0)
    if time_limit is not None:
        check_number(time_limit, "time_limit", positive=True, of=" of seconds")
    check_progress(progress, has_line=True)
    check_on_interrupt(on_interrupt)
    settings = settings or DynamicsSettings()
    with reported(progress, "find_dynamics") as report, one_blas_thread():
        work = WORK_A_SECOND * (settings.usual_seconds if time_limit is None else time_limit)
        budget = Budget(time_limit, work, report)
        return _Search(samples, settings, budget, seed).motion(keep_interrupted=on_interrupt == "keep")


class _Search:
    """The stages of `find_dynamics`, each of which leaves the best law so far."""

    def __init__(self, samples: Samples, settings: DynamicsSettings, budget: Budget, seed: int):
        self.samples = samples
        self.kind = samples.kind
        self.settings = settings
        self.budget = budget
        self.seed = seed
        self.best: Fit | None = None
        self.choice: Choice | None = None

    def motion(self, *, keep_interrupted: bool) -> Motion:
        """Run the stages until a limit ends them, and judge."""
        with self.budget.ends(keep_interrupted=keep_interrupted), self.budget.holds():
            self._run()
        stopped = self.budget.ended_by or StopReason.CONVERGED
        if self.choice is None or self.best is None:
            if stopped is StopReason.INTERRUPTED:
                raise KeyboardInterrupt(f"interrupted during {self.budget.stage}, before there was a first system")
            raise InputError(f"time_limit must allow a first system, got a {self.budget.limit_words}")
        return self._judged(stopped, keep_interrupted=keep_interrupted)

    def _run(self) -> None:
        self.budget.report("smoothing", 0.0)
        curves, data, noise, curve_error = self._smoothed()
        form = IntegralForm(data, curves)
        terms = library(form.everywhere, self.samples.dimensions, self.kind.measured * len(self.kind.delays))
        choice = Choice(data, terms, noise, self.settings, self.budget)
        integrals = [form.integrated(term) for term in terms]
        if self.kind.is_map:
            self._measure_noise(form, terms, integrals)
            choice.noise = self.noise / self.spread
        self.choice = choice
        current, first, candidates = self._first(choice, form, integrals, curve_error)
        if not current.is_continuous and not self.kind.is_map:
            # A motion that is fast for its samples may be taken for noise: curves through the samples themselves
            form = IntegralForm(data, _through_samples(data))
            other = self._first(choice, form, [form.integrated(term) for term in terms], curve_error)
            if other[0].is_continuous and choice.is_adequate(other[0]).all():
                current, first, candidates = other
            else:
                for run in data.runs:
                    run.states = run.curve
        self.best = current
        current = choice.exchanged(current, first, [[one.equation for one in options] for options in candidates])
        self.best = current
        if current.is_continuous and (choice.noise > 1e-4).all():
            choice.set_substeps(current.law)  # the first law may have asked for more than noise does
        # A search of formulas takes seconds, so only for what the terms miss
        if current.is_continuous:
            missed = ~choice.is_adequate(current)
        else:
            missed = self._unexplained(candidates, curve_error)
        if missed.any() and not self.kind.is_map:
            self.budget.report("formulas", 0.6)
            more = [self._formulas(k, data) if missed[k] else [] for k in range(self.kind.measured)]
            current = choice.exchanged(current, first, more)
            self.best = current
        if current.is_continuous:
            self.budget.report("terms exchanged", 0.8)
            self.best = choice.moved(current)
            # What the data do not tell apart from the choice: laws of its length with another term
            for law in choice.neighbours(self.best, self.settings.rival_gap)[: self.settings.exchanges]:
                choice.fitted(law, self.best.states, beside=self.best)

    def _first(
        self, choice: Choice, form: IntegralForm, integrals: Sequence[list[np.ndarray]], curve_error: np.ndarray
    ) -> tuple[Fit, Law, list[list[Candidate]]]:
        """The best sums of all equations fitted to whole trajectories, with all sums that are worth a fit."""
        self.budget.report("sparse sums", 0.1)
        sums = [
            SparseSums(form, choice.terms, integrals, k, float(curve_error[k]), self.settings)
            for k in range(self.kind.measured)
        ]
        # What there is if a limit ends the work here
        self.best = self.best or Fit(Law(tuple(one.linear() for one in sums)))
        candidates: list[list[Candidate]] = []
        for one in sums:
            self.budget.check()
            candidates.append(one.candidates())
        first = Law(tuple(options[0].equation for options in candidates))

        self.budget.report("whole trajectories", 0.4)
        choice.set_substeps(first)
        return choice.calibrated(choice.fitted(first)), first, candidates

    def _smoothed(self) -> tuple[list[Callable[[np.ndarray], np.ndarray]], Observations, np.ndarray, np.ndarray]:
        """Curves of the states, the trajectories, the relative noise, and errors of the curves."""
        kind = self.kind
        # Rounding of samples relative to the spread of their coordinate: that of a good integrator. Known columns are
        # interpolated, so exact only to a few digits
        rounding = 1e-6
        if kind.known:
            rounding *= 100
        spread = np.array([np.nanstd(np.concatenate([x[:, k] for x in self.samples.x])) for k in range(kind.measured)])
        runs: list[Trajectory] = []
        curves: list[Callable[[np.ndarray], np.ndarray]] = []
        self.smooths: list[list[Smooth]] = []
        gaps: list[np.ndarray] = []
        for t, x, u in zip(self.samples.t, self.samples.x, self.samples.u, strict=True):
            smooths: list[Smooth] = []
            for k in range(kind.measured):
                self.budget.check()
                smooths.append(smooth(t, x[:, k], self.settings))
            splines = [one.spline for one in smooths]
            slopes = [spline.derivative() for spline in splines] if kind.order == 2 else []
            sigma = np.column_stack([one.sigma for one in smooths])
            sigma = np.maximum(sigma, rounding * spread)
            states = np.column_stack([spline(t) for spline in (*splines, *slopes)])
            present = np.isfinite(x)
            y = np.where(present, x, states[:, : kind.measured])
            scale = sigma
            if kind.is_map:  # neighbours of a map have nothing in common: the samples are the states
                states = y
            if kind.order == 2:
                errors = np.column_stack([one.derivative_error for one in smooths])
                velocities = states[:, kind.measured :]
                scale = np.column_stack([sigma, np.maximum(errors, rounding * np.std(velocities, axis=0))])
            # A spline through every second sample errs 64 times as much as one through all: 2 to the power 6
            half = slice(None, None, 2)
            coarse = make_interp_spline(t[half], states[half, : kind.measured], min(5, len(t[half]) - 1))(t)
            gaps.append(np.sqrt(np.mean((coarse - states[:, : kind.measured]) ** 2, axis=0)) / 20)
            known = self._known(t, u, splines)
            # Samples before the longest delay are history
            kept = t >= t[0] + max(kind.delays, default=0.0) - 1e-12 * np.ptp(t)
            seen = (y[kept], present[kept], sigma[kept], states[kept], states[kept])
            runs.append(Trajectory(t[kept], *seen, scale[kept], known))
            curves.append(_curve([*splines, *slopes]))
            self.smooths.append(smooths)
        moving = np.std(np.concatenate([run.states for run in runs]), axis=0)[kind.measured :]
        data = Observations(runs, kind, rounding * np.concatenate([spread, moving]), self.seed)
        noise = np.sqrt(np.mean([np.mean((run.sigma / spread) ** 2, axis=0) for run in runs], axis=0))
        error = np.sqrt(np.mean(np.square(gaps), axis=0))
        curve_error = np.clip(error, 1e-5 * spread, 0.01 * spread)
        self.noise = noise * spread
        self.spread = spread
        return curves, data, noise, curve_error

    def _measure_noise(self, form: IntegralForm, terms: Sequence[Term], integrals: Sequence[list[np.ndarray]]) -> None:
        """The noise of a map: what the longest polynomial leaves of the next sample, which this one's adds to."""
        polynomials = [column for term, column in zip(terms, integrals, strict=True) if term.kind == "polynomial"]
        for k in range(self.kind.measured):
            weight = np.concatenate([weight for weight, _ in form.starts[k]])
            matrix = form.columns(k, polynomials)
            target = form.target(k)
            residual = target - matrix @ np.linalg.lstsq(matrix, target, rcond=1e-12)[0]
            sigma = np.concatenate([run.sigma[:, k] for run in form.data.runs])
            noise = np.std((residual * sigma)[weight > 0]) / math.sqrt(2)
            for run in form.data.runs:
                run.sigma[:, k] = max(noise, float(form.data.floor[k]))
            self.noise[k] = max(noise, float(form.data.floor[k]))
        form.weigh()

    def _known(self, t: np.ndarray, u: np.ndarray, splines: Sequence[BSpline]) -> Known:
        """Inputs, which keep their monotony between samples, and smoothed coordinates at each delay."""
        kind = self.kind
        if not kind.known:
            return no_known
        inputs = interpolated(t, list(u.T)) if kind.inputs else no_known

        def known(times: np.ndarray) -> np.ndarray:
            earlier = [curve(np.clip(times - delay, t[0], t[-1])) for delay in kind.delays for curve in splines]
            return np.stack([*inputs(times), *earlier])

        return known

    def _unexplained(self, candidates: Sequence[Sequence[Candidate]], curve_error: np.ndarray) -> np.ndarray:
        """Which equations even the best sum leaves above the noise, where no law follows the trajectories."""
        limits = 3 * (1 + (curve_error / self.noise) ** 2)
        return np.array([options[0].square for options in candidates]) > limits

    def _formulas(self, k: int, data: Observations) -> list:
        """What `find_formula` gives for the derivative of coordinate k in the interior."""
        rows = []
        slopes = []
        weights = []
        for run, smooths in zip(data.runs, self.smooths, strict=True):
            edge = len(run.t) // 20
            inside = slice(edge, len(run.t) - edge)
            curve = smooths[k].spline.derivative(self.kind.order)
            error = smooths[k].derivative_error[-len(run.t) :][inside]
            slope = curve(run.t)[inside]
            rows.append(run.columns(self.kind)[inside])
            slopes.append(slope)
            weights.append(1 / np.maximum(error, 1e-6 * np.std(slope) + 1e-12) ** 2)
        weight = np.concatenate(weights)
        budget = self.budget.at_most(WORK_A_SECOND * self.settings.formula_seconds)
        x = np.concatenate(rows)
        return formula_equations(
            x, np.concatenate(slopes), weight / weight.mean(), self.samples.variables, budget, self.seed
        )

    def _judged(self, stopped: StopReason, *, keep_interrupted: bool) -> Motion:
        """The result: laws of nature seldom blow up, not later on and not from other starts."""
        choice = self.choice
        best = self.best
        assert choice is not None
        assert best is not None
        data = choice.data
        messages = list(self.samples.messages)
        near = [fit for fit in choice.fits.values() if fit.score < best.score + 2 * self.settings.rival_gap]
        near = sorted(near, key=lambda fit: fit.score)[:6]
        cost = self.settings.blow_up_cost
        time_limit = None
        if self.budget.time_limit is not None:
            time_limit = max(self.budget.seconds_left, 0.0) + self.settings.judging_seconds
        judging = Budget(time_limit)
        # Sums that were never fitted to the trajectories have no rivals, and nothing to judge them by. Who presses
        # Ctrl-C waits for no simulation
        lost: dict[int, bool] = {id(fit): False for fit in near}
        if not stopped.is_user_request:
            with judging.ends(keep_interrupted=keep_interrupted), judging.holds():
                for fit in near:
                    lost[id(fit)] = blows_up(fit.law, data)
        worth = {id(fit): fit.score + cost * lost[id(fit)] for fit in near}
        near.sort(key=lambda fit: worth[id(fit)])
        rivals: list[Fit] = []
        if near:
            best = near[0]
            rivals = [fit for fit in near[1:] if worth[id(fit)] < worth[id(best)] + self.settings.rival_gap]
        is_adequate = best.is_continuous and bool(choice.is_adequate(best).all())
        if not best.is_continuous:
            tried = "No system of terms follows the trajectories"
            if not choice.fits:
                tried = "No system was fitted to the trajectories yet: these are sums for their smoothed rates"
            messages.append(f"{tried}; network() trains one without a formula.")

        systems = {id(fit): self._system(fit, lost.get(id(fit), False)) for fit in choice.fits.values()}
        systems.setdefault(id(best), self._system(best, False))
        agrees = False
        start = None
        # Draws from other starts take seconds, which a search that was ended early has not
        stopped = judging.ended_by or stopped
        if best.is_continuous and not stopped.is_out_of_time:
            with judging.ends(keep_interrupted=keep_interrupted), judging.holds():
                agrees, start = decision([systems[id(fit)] for fit in (best, *rivals)], data)
            stopped = judging.ended_by or stopped
        if stopped is not StopReason.CONVERGED:
            messages.append(stopped.sentence)
        front = _front(list(choice.fits.values()), systems, best)
        for run, states in zip(data.runs, best.states, strict=False):  # where no law is continuous, none has states
            run.states = states
        self.budget.report("done", 1.0)
        return Motion(
            front,
            systems[id(best)],
            tuple(systems[id(fit)] for fit in rivals),
            is_adequate and agrees,
            is_adequate,
            self._noise_of(best),
            start,
            stopped,
            tuple(messages),
            data,
        )

    def _noise_of(self, fit: Fit) -> np.ndarray:
        """Root mean squared residual of each coordinate, in the units of data."""
        assert self.choice is not None
        sigma = np.concatenate([run.sigma for run in self.choice.data.runs])
        if not fit.is_continuous:
            return self.noise
        return np.sqrt(fit.squares * np.mean(sigma**2, axis=0))

    def _system(self, fit: Fit, is_lost: bool) -> System:
        error = self._noise_of(fit) if fit.is_continuous else np.full(self.kind.measured, np.nan)
        score = fit.score + self.settings.blow_up_cost * is_lost
        ends = tuple((states[-1], end) for states, end in zip(fit.states, fit.ends, strict=True))
        names = self.samples.names
        return System(names, self.samples.variables, self.kind, fit.law, fit.covariance, score, error, is_lost, ends)


def _curve(splines: Sequence[BSpline]) -> Callable[[np.ndarray], np.ndarray]:
    """Splines of the states (N, states) as one function of times (N,)."""

    def curve(times: np.ndarray) -> np.ndarray:
        return np.column_stack([spline(times) for spline in splines])

    return curve


def _through_samples(data: Observations) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Curves of the states of each trajectory through its samples, where they become its states."""
    curves = []
    for run in data.runs:
        splines = [
            make_interp_spline(run.t[seen], y[seen], DEGREE) for seen, y in zip(run.present.T, run.y.T, strict=True)
        ]
        slopes = [spline.derivative() for spline in splines] if data.kind.order == 2 else []
        curves.append(_curve([*splines, *slopes]))
        run.states = curves[-1](run.t)
    return curves


def _front(fits: Sequence[Fit], systems: Mapping[int, System], best: Fit) -> tuple[System, ...]:
    """Systems of which none is both longer and less accurate than another, with the choice among them."""
    errors = {id(fit): float(np.log(fit.squares + ABOVE_ZERO).sum()) for fit in fits if fit.is_continuous}
    ranked = sorted(errors, key=lambda one: (systems[one].complexity, errors[one]))
    front: list[System] = []
    least = math.inf
    for one in ranked:
        if errors[one] < least - 1e-3 or one == id(best):
            front.append(systems[one])
            least = min(least, errors[one])
    if id(best) not in ranked:
        front.append(systems[id(best)])
    return tuple(front)
