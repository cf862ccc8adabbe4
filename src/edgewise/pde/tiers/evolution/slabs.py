"""Evolution in time, slab by slab: one polynomial of time in each, on a grid of space that follows the residual."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from edgewise.outcomes import check_time
from edgewise.pde.algebra import Krylov, LinearSystem, Preconditioner, solver_for
from edgewise.pde.algebra.newton import norm_of
from edgewise.pde.spaces.axis import SplineAxis, TimeAxis, along, carried
from edgewise.pde.spaces.networks import WindowNetwork
from edgewise.pde.spaces.statement import Statement, check_start, scattered_block, start_terms
from edgewise.pde.tiers.collocation.deflation import interpolated
from edgewise.pde.tiers.collocation.stationary import balanced_sizes, graded, local_errors, network_of
from edgewise.pde.tiers.evolution.jumps import EVENT_REACH, first_event, moments_of_jumps, moved_by_rounding
from edgewise.pde.tiers.evolution.starts import RoughStart
from edgewise.settings import ABOVE_ZERO

Fields = tuple[list[SplineAxis], np.ndarray]
"""Coordinates and coefficients of a slab."""
Known = Callable[[Tensor], Tensor] | None
"""Maps points (N, n) to values of known fields there, (N, fields)."""
Watch = Callable[[float, int, float], bool]
"""Receives the share of time that is done, the number of slabs and the work; returns whether to go on."""

# Degrees in time and in space, by the number of space coordinates: long slabs where a slab is cheap.
TIME_DEGREE = {0: 10, 1: 9, 2: 7, 3: 6}
SPACE_DEGREE = {1: 10, 2: 10}
FIRST_SLABS = 50  # first length of a slab, as a part of the whole time: step-size control corrects it
FIRST_SPACE_INTERVALS = {1: 24, 2: 12}  # of space: the initial state and the residual refine it
# Step-size control as of solvers of ordinary differential equations: safety factor, least and largest change of the
# length of a slab (E. Hairer, S. Norsett, G. Wanner, "Solving Ordinary Differential Equations I", section II.4).
SLAB_SAFETY = 0.85
SHRINK = 0.2
GROW = 2.0
# Factor of the length where a slab has no solution, after which the next one is no longer, and steps of Newton's method
# in a slab beyond which it is not either: a slab that fails costs as much as one that does not.
HALTED = 0.4
FEW_STEPS = 3
# Factor of its length up to which a slab is continued to see events, where Legendre polynomials of its degree are 1e5,
# and attempts from one moment that are longer, to end with an event.
MOST_AHEAD = 1.5
MOST_LENGTHENED = 3
# a slab whose error is so many times the allowed one is too long; so is it on any grid
TOO_LONG = 2.0
FAR = 1e3
SHORTEST_SLAB = 1e-12  # of the whole time: shorter slabs mean that the solution blows up
SHARE = 0.1  # of the tolerance, allowed as error of one slab, for the errors of many add up
# Least error of a slab, relative to the field, that is aimed at, without and with coordinates of space: rounding, from
# which shorter slabs do not help. Without, slabs below 2e-14 become shorter until the pass gives up, and 5e-14 leaves
# errors of 1e-15 to 3e-12 in half as many slabs. With, of Burgers' shock 2e-15 left five times the error of 1e-14.
LEAST_ALLOWED = {False: 5e-14, True: 1e-14}
# Largest factors by which intervals of space are refined and coarsened at once, and the share of the present number of
# intervals that a coarser grid must spare to be worth the interpolation.
REFINE = 2.0
COARSEN = 1.5
SPARED = 0.3
# Intervals beyond what the error asks for: of a slab, so that a grid lasts for several, and of the start.
SPACE_MARGIN = 1.25
START_MARGIN = 1.1
MOST_ROUNDS = 12  # new grids for one slab
MOST_INTERVALS = {1: 3000, 2: 100}  # of a coordinate of space: a slab takes a second
# Newton's method in a slab: iterations, contraction below which the factors are used again, that up to which the steps
# to come are a geometric series (Hairer and Wanner, volume II, section IV.8), and their sum relative to the allowed
# error at which it ends.
ITERATIONS = 12
CONTRACTION = 0.2
SERIES = 0.5
STEP = 0.02
STALLED = {False: 1e-10, True: 1e-7}  # steps below it that contract no longer are rounding; a pressure has more of it
CONTINUED = 4  # degree in time with which a slab's polynomial is continued as the start of the next one
WINDOW_LENGTHS = math.sqrt(2.0)  # between the lengths that windows may have, so that they share factors


@dataclass(frozen=True, eq=False)
class March:
    """Result of a pass through time."""

    network: WindowNetwork  # the fields, up to the moment that was reached
    reached: float  # that moment
    is_complete: bool  # whether it is the last one
    points: int  # number of collocation points of all slabs
    tier: str  # name of the method, see `Solution`


class SlabMarch:
    """A pass through time with an allowed error in each slab. Shapes: known (N, fields)."""

    tier = "time elements"
    dearer = 1.5  # work of a sharper pass, at least, by that of the one before
    growing = 0  # first slabs, each about twice as long as the one before, whose pace says nothing of later ones
    tolerances = 1e-14, 1e-14  # of a first pass, and of any: sharper ones are below rounding
    most_intervals = MOST_INTERVALS
    keeps_grid = False  # whether the grid of space gets no coarser from slab to slab

    def __init__(self, statement: Statement, tolerance: float, watch: Watch, finer: float = 1.0, known: Known = None):
        self.statement = statement
        self.watch = watch
        self.work = 0.0
        self.finer = finer
        self.known = None if statement.form.is_linear else known
        self.domain = statement.form.domain
        assert statement.form.time is not None
        self.time = statement.form.time
        self.starts = start_terms(statement.form)
        self.space = [axis for axis in range(self.domain.dimension) if axis != self.time]
        self.allowed = max(SHARE * tolerance, LEAST_ALLOWED[bool(self.space)])
        self.degree = TIME_DEGREE[len(self.space)]
        self.order = max(int(statement.field_orders[:, self.time].max()), 1)
        nodes, weights = np.polynomial.legendre.leggauss(self.degree + 1)
        values = TimeAxis(0.0, 1.0, self.degree).table((nodes + 1) / 2)
        legendre = np.polynomial.legendre.legvander(nodes, self.degree)[:, -2:] * weights[:, None]
        # Rows that give the last two Legendre coefficients of a polynomial in Bernstein's basis.
        self.last = (legendre * (np.arange(2 * self.degree - 1, 2 * self.degree + 2, 2) / 2)).T @ values
        self.slabs: list[Fields] = []
        self.points, self.ends = 0, [float(self.domain.bounds[self.time, 0])]
        self._flow: Preconditioner | None = None  # of the last slab
        self._largest = np.zeros(len(statement.form.fields)) if statement.multipliers else None
        self.rough: RoughStart | None = None  # where the start jumps and the equation smooths it
        self._steps = 0  # of Newton's method in the last slab
        self._errors: list[np.ndarray] | None = None  # in space, of the last solved slab
        self._jump_moments = moments_of_jumps(statement)

    def run(self) -> March | None:
        """Slabs from the first moment to the last, or as far as they go; None if there is not even one.

        Where the time is over inside a slab, OutOfTime is raised, and `result` has the slabs before it.
        """
        begin, end = self.domain.bounds[self.time].tolist()
        moment = begin
        length = (end - begin) / (FIRST_SLABS * self.finer)
        axes, state = self._initial()
        check_start(self.statement, self._with_time(axes, begin, end), state[0])
        asked = length  # of the first attempt from this moment
        lengthened = 0  # attempts from this moment that were made longer
        is_held = False  # whether the last attempt had no solution
        tried: tuple[float, float] | None = None  # length and error of a slab from this moment that was too long
        latest = end  # moment up to which this slab may go: an event that lies before the end, once it is seen
        while end - moment > SHORTEST_SLAB * (end - begin):
            length = min(length, latest - moment)
            if latest - moment < 1.2 * length:  # no sliver is left
                length = latest - moment
            length = self.bounded(moment, length)
            if length < SHORTEST_SLAB * (end - begin):
                break
            solved = self._slab(axes, state, moment, moment + length)
            share = (moment - begin) / (end - begin)
            if solved is None:
                if not self.watch(share, len(self.slabs), self.work):
                    break
                length = HALTED * length
                is_held = True
                continue
            axes, state, coef, time_error = solved
            # Errors fall as a power of the length: the degree, or less where the start is not smooth.
            power = float(self.degree)
            if tried is not None and tried[0] > length and tried[1] > time_error > 0:
                power = min(power, math.log(tried[1] / time_error) / math.log(tried[0] / length))
            factor = SLAB_SAFETY * (self.allowed / max(time_error, ABOVE_ZERO)) ** (1 / power)
            is_too_long = time_error > TOO_LONG * self.allowed
            # Event location: a slab aims at a little before an event, and its polynomial is continued to it.
            ahead = 1.0
            if not is_too_long:
                ahead = min(factor, MOST_AHEAD)
            event = self._event(coef, moment, length, ahead)
            ratio = (event - moment) / length
            aim = (1 - EVENT_REACH / 2) * ratio
            is_at_event = not is_too_long and 1 <= ratio <= 1 + EVENT_REACH
            if is_too_long or ratio < 1:
                if self.watch(share, len(self.slabs), self.work):
                    if is_too_long:
                        if not self.slabs and tried is not None and time_error > tried[1] / 2:
                            self._with_walls_first()  # shorter slabs are no better
                        tried = length, time_error
                    if ratio < 1:
                        factor = aim
                    length *= max(SHRINK, min(factor, SLAB_SAFETY))
                    latest = moment + length
                    continue
                if self.slabs:
                    break
                # A first slab is kept, however large its error is: there is a solution, and the evidence judges it.
            elif not is_at_event and ratio < math.inf and lengthened < MOST_LENGTHENED:
                # A short slab would be left before the event, and rates of short slabs have large rounding.
                length *= aim
                latest = moment + length
                lengthened += 1
                continue
            stop = latest if length == latest - moment else moment + length
            slab = (self._with_time(axes, moment, stop), coef)
            state = self._end_of(coef, length)
            if is_at_event:
                slab, state = self._beyond(slab, event)
                stop = float(slab[0][self.time].breakpoints[1])
            self.slabs.append(slab)
            after = self._after_jump(stop)
            self.ends.append(after)
            self.points += coef.size
            axes, state = self._coarser(axes, state) if after == stop else self._begun_again(axes, state, after)
            # The next slab is up to twice as long, and after an event as long as the first attempt before it.
            length *= min(1.0 if is_held or self._steps > FEW_STEPS else GROW, factor)
            if is_at_event:
                length = max(length, asked)
            moment = after
            asked = length
            latest = end
            is_held = False
            tried = None
            lengthened = 0
            if not self.watch((moment - begin) / (end - begin), len(self.slabs), self.work):
                break
        return self.result()

    def bounded(self, moment: float, length: float) -> float:
        """Longest length of a slab from a moment on that the statement allows, at most the given one."""
        after = moment + SHORTEST_SLAB * float(self.domain.size[self.time])
        return min(
            (before - moment for before, _ in self._jump_moments if after < before < moment + length), default=length
        )

    def _event(self, coef: np.ndarray, moment: float, length: float, ahead: float) -> float:
        """Moment of the first event in a slab of time alone that is continued to `ahead` lengths; inf for none."""
        if self.space or self.statement.form.has_integrals:
            return math.inf
        begin, end = self.domain.bounds[self.time].tolist()
        (line,), smooth = self._smooth([TimeAxis(moment, moment + length, self.degree)], coef)
        beyond = moment + self.bounded(moment, min(ahead * length, end - moment))
        return first_event(self.statement, line, smooth, moment + SHORTEST_SLAB * (end - begin), beyond)

    def _beyond(self, slab: Fields, event: float) -> tuple[Fields, np.ndarray]:
        """A slab of time alone, continued until rounding leaves no doubt that an event is over, and the state there."""
        (line,), coef = self._smooth(*slab)
        stop = event + moved_by_rounding(self.statement, line, coef, event)
        longer = TimeAxis(line.breakpoints[0], min(stop, float(self.domain.bounds[self.time, 1])), line.degree)
        lines = longer.interpolated(line.table(longer.all_points()) @ coef)
        rate = longer.degree / float(np.ptp(longer.breakpoints)) * (lines[-1] - lines[-2])
        return ([longer], lines), np.stack([lines[-1], rate])[: self.order]

    def _after_jump(self, moment: float) -> float:
        """The first moment after a jump of the equation, if a slab ends with it, else the moment itself."""
        return next((after for before, after in self._jump_moments if before <= moment <= after), moment)

    def _begun_again(
        self, space: list[SplineAxis], state: np.ndarray, moment: float
    ) -> tuple[list[SplineAxis], np.ndarray]:
        """Grid of space and state after a jump, which walls may contradict as they may a start."""
        at = partial(self._between, space, state)
        if self.space:
            rough = RoughStart.of(self.statement, at, self.finer, self.allowed, moment)
        else:
            rough = None
        if rough is None:
            return space, state
        self.rough = rough
        return rough.begun(space[0].degree, self._fewest(space[0].degree), self.allowed)

    def _with_walls_first(self) -> None:
        """Let conditions on walls hold from the first moment on, also those for slopes: the start contradicts them."""
        self.statement = replace(self.statement, priority=(*self.space, self.time))

    def result(self) -> March | None:
        """The slabs so far; None if there is none."""
        if not self.slabs:
            return None
        networks = [network_of(*self._smooth(*slab)) for slab in self.slabs]
        ends = self.ends[: len(self.slabs) + 1]
        network = WindowNetwork(networks, torch.tensor(ends, dtype=torch.float64), self.time)
        is_complete = ends[-1] == float(self.domain.bounds[self.time, 1])
        return March(network, ends[-1], is_complete, self.points, self.tier)

    def _smooth(self, axes: list[SplineAxis], coef: np.ndarray) -> Fields:
        """A slab whose fields of order 2 end with the rate with which the next slab begins.

        That of the polynomial itself differs by what its highest coefficients have for an error, a kick that no
        residual inside of slabs shows.
        """
        if self.order < 2 or axes[self.time].degree > self.degree:
            return axes, coef
        line = axes[self.time]
        lines = np.moveaxis(coef, self.time, 0)
        assert isinstance(line, TimeAxis)
        (begin, end), length = line.breakpoints, float(np.ptp(line.breakpoints))
        rate = self.degree / length * (lines[-1] - lines[-2])
        pairs = self.statement.field_orders[:, self.time] == 2
        rate[..., pairs] = self._end_of(coef, length)[1][..., pairs]
        higher = [TimeAxis(begin, end, self.degree + 1) if k == self.time else each for k, each in enumerate(axes)]
        return higher, np.moveaxis(line.with_last_rate(lines, rate), 0, self.time)

    def _with_time(self, space: Sequence[SplineAxis], begin: float, end: float) -> list[SplineAxis]:
        axes = list(space)
        axes.insert(self.time, TimeAxis(begin, end, self.degree))
        return axes

    def _slab(
        self, space: list[SplineAxis], state: np.ndarray, begin: float, end: float
    ) -> tuple[list[SplineAxis], np.ndarray, np.ndarray, float] | None:
        """Space, state at the beginning, coefficients and error in time; space is refined until it is resolved."""
        before = math.inf
        rounds = 0
        near = None
        self._errors = None
        while True:
            axes = self._with_time(space, begin, end)
            coef = self._solved(axes, state, end - begin, near)
            if coef is None:
                return None
            near = axes, coef
            if self._largest is not None:
                self._largest = self._scale(coef)
            time_error = self._time_error(space, coef)
            rounds += 1
            if time_error > FAR * self.allowed or not self.space or rounds > MOST_ROUNDS:
                return space, state, coef, time_error
            self._errors = errors = self._space_errors(axes, coef)
            largest = max(float(each.max()) for each in errors)
            if largest <= self.allowed or largest > before / 2:
                return space, state, coef, time_error
            finer = self._finer(space, errors)
            if finer is None:
                return space, state, coef, time_error
            if finer[0].count < 2 * space[0].count:
                before = largest
            state = self._carried(state, space, finer)
            space = finer

    def _finer(
        self, space: Sequence[SplineAxis], errors: Sequence[np.ndarray], margin: float = SPACE_MARGIN
    ) -> list[SplineAxis] | None:
        """Coordinates of space with shorter intervals where errors are above the allowed one; None for none."""
        finer = []
        for line, each in zip(space, errors, strict=True):
            if self.rough is not None:
                each = self.rough.spared(line, each)
            cut = np.clip(margin * (each / self.allowed) ** (1 / (line.degree + 1)), 1.0, REFINE)
            points = graded(line.breakpoints, np.diff(line.breakpoints) / cut, line.periodic)
            is_finer = float(each.max()) > self.allowed and len(points) <= self.most_intervals[len(self.space)]
            finer.append(self.statement.axis(points, line.degree, line.periodic) if is_finer else line)
        if all(new is old for new, old in zip(finer, space, strict=True)):
            return None
        return finer

    def _time_error(self, space: Sequence[SplineAxis], coef: np.ndarray) -> float:
        """Error in time of a slab, relative to the field."""
        tail = self._tail(space, coef)
        return float(np.maximum(tail[1], 0.1 * tail[0]).max())

    def _tail(self, space: Sequence[SplineAxis], coef: np.ndarray) -> np.ndarray:
        """Last two Legendre coefficients in time of each field, root mean squares over space, relative to the field."""
        tail = np.abs(np.tensordot(self.last, coef, (1, self.time)) / self._scale(coef))
        for line in space:  # however short its intervals are somewhere
            tail = np.sqrt(np.tensordot(line.shares, tail**2, (0, 1)))
        return tail

    def _space_errors(self, axes: Sequence[SplineAxis], coef: np.ndarray) -> list[np.ndarray]:
        """Errors of one slab that the residual between points of space implies, for each interval, in the mean."""
        size = float(self._scale(coef).max())
        errors = local_errors(self.statement, axes, coef, self.space)
        return [self._weighed(axes[axis], errors[axis] / size) for axis in self.space]

    def _weighed(self, line: SplineAxis, errors: np.ndarray) -> np.ndarray:
        """Errors in the intervals of a coordinate times the root of their length, that of even intervals being 1.

        Where `WaveByWave` is faster than smaller grids, it is the largest one everywhere, so that grids stay even.
        """
        errors = errors * np.sqrt(np.diff(line.breakpoints) * line.intervals / np.ptp(line.breakpoints))
        is_even = len(self.space) > 1 and all(self.statement.periodic[k] for k in self.space)
        if is_even and len(self.statement.form.fields) > 1:
            return np.full_like(errors, errors.max())
        return errors

    def _solved(
        self, axes: list[SplineAxis], state: np.ndarray, length: float, near: Fields | None
    ) -> np.ndarray | None:
        """Coefficients of a slab by Newton's method, whose factors serve as long as they contract; None if it fails."""
        statement = self.statement
        allowed = self.allowed
        blocks = statement.blocks(axes)
        is_start = [block.face == (self.time, 0) for block in blocks]
        coef = self._guess(axes, state, length, near)
        # sizes of the fields after the first step
        solver = None
        before = math.inf
        first = None
        for self._steps in range(1, ITERATIONS + 1):
            check_time()
            fresh = solver is None
            evaluated = [block.evaluate(coef, with_slopes=fresh) for block in blocks]
            # The initial state is kept exactly, so that nothing is left of it in a step.
            parts = [0.0 * v.ravel() if start else v.ravel() for (v, _), start in zip(evaluated, is_start, strict=True)]
            rhs = -np.concatenate(parts)
            if not np.isfinite(rhs).all():
                return None
            if self._largest is not None and self._steps == 1:
                least = balanced_sizes(statement, blocks, evaluated, self._scale(coef))
                self._largest = np.maximum(self._largest, least)
            if fresh:
                system = LinearSystem(blocks, [slopes for _, slopes in evaluated], coef.shape)
                solver = solver_for(statement, system, STEP * allowed * self._scale(coef), self._flow)
                if solver is None:
                    return None
                if isinstance(solver, Krylov):
                    self._flow = solver.preconditioner
                else:
                    self._flow = None
            assert solver is not None
            step = solver(rhs).reshape(coef.shape)
            self.work += system.work + 2 * math.prod(coef.shape) * 200
            system.work = 0.0
            coef = coef + step
            moved = np.abs(step).reshape(-1, coef.shape[-1]).max(0)
            sizes = self._scale(coef)
            size = float((moved / sizes).max())
            first = sizes if first is None else first
            if not math.isfinite(size) or size > 1e6:
                return None
            # In units that stay the same: where the linearised equation grows without bound, the fields do so too, and
            # steps are small beside them.
            change = float((moved / first).max())
            rate = change / before if math.isfinite(before) else 1.0
            # the sum of all steps to come
            if rate < SERIES:
                left = size * rate / (1 - rate)
            else:
                left = size
            if left <= STEP * allowed or (statement.form.is_linear and fresh):
                return coef
            if size < STALLED[bool(statement.multipliers)] and rate > SERIES:  # rounding
                return coef
            if rate > 1 and not fresh:
                return None
            solver = solver if rate <= CONTRACTION or not math.isfinite(before) else None
            before = change
        return None

    def _guess(self, axes: list[SplineAxis], state: np.ndarray, length: float, near: Fields | None) -> np.ndarray:
        """Start of a slab: what it is on another grid; else the slab before, continued, or known fields.

        Of known fields the difference from the slab before is continued, which is smaller.
        """
        if near is not None:
            coef = self._ahead(axes, state, length, None)
            near_space = [near[0][axis] for axis in self.space]
            moved = self._carried(np.moveaxis(near[1], self.time, 0), near_space, [axes[axis] for axis in self.space])
            np.moveaxis(coef, self.time, 0)[self.order :] = moved[self.order :]
            return coef
        last = self.slabs[-1] if self.slabs else None
        ahead = self._ahead(axes, state, length, last)
        if self.known is None:
            return ahead
        known = self._known_on(axes)
        lines = np.moveaxis(known, self.time, 0)
        gap = state - np.stack([lines[0], (lines[1] - lines[0]) * self.degree / length])[: self.order]
        if last is not None:
            last = last[0], last[1] - self._known_on(last[0])
        else:  # nothing is known of fields that start from nothing
            gap[..., self.statement.field_orders[:, self.time] == 0] = 0.0
            gap[..., list(self.statement.multipliers)] = 0.0
        known = known + self._ahead(axes, gap, length, last)
        return min((ahead, known), key=lambda coef: self._misfit(axes, state, coef))

    def _known_on(self, axes: list[SplineAxis]) -> np.ndarray:
        """Coefficients of a slab that has the values of known fields."""
        assert self.known is not None
        return interpolated(self.known, axes)

    def _misfit(self, axes: list[SplineAxis], state: np.ndarray, coef: np.ndarray) -> float:
        """Root of the sum of squared residuals of a slab that starts from the state."""
        return norm_of([block.evaluate(coef, with_slopes=False) for block in self.statement.blocks(axes)])

    def _ahead(self, axes: list[SplineAxis], state: np.ndarray, length: float, last: Fields | None) -> np.ndarray:
        """Last slab, continued from a state at its end; constant, or linear for equations of order 2, without one."""
        shape = (*(axis.count for axis in axes), state.shape[-1])
        coef = np.zeros(shape)
        lines = np.moveaxis(coef, self.time, 0)
        lines[:] = state[0]
        if self.order == 2:
            moments = length / self.degree * np.arange(1, self.degree + 1)
            lines[1:] += state[1] * moments.reshape(-1, *[1] * state[0].ndim)
        if last is None:
            return coef
        old, values = last
        last_lines = np.moveaxis(values, self.time, 0)
        if any(not np.array_equal(old[k].breakpoints, axes[k].breakpoints) for k in self.space):
            last_lines = self._carried(last_lines, [old[k] for k in self.space], [axes[k] for k in self.space])
        # Low Legendre degrees only: the continuation of higher ones grows fast.
        ratio = length / float(np.ptp(old[self.time].breakpoints))
        line = TimeAxis(0.0, 1.0, self.degree)
        moments = line.all_points()
        values = TimeAxis(0.0, 1.0, len(last_lines) - 1).table(moments) @ last_lines.reshape(len(last_lines), -1)
        fitted = np.polynomial.legendre.legfit(2 * moments - 1, values, CONTINUED)
        ahead = np.polynomial.legendre.legval(2 * (1 + moments * ratio) - 1, fitted).T
        ahead = line.interpolated(ahead).reshape(len(lines), *last_lines.shape[1:])
        lines[self.order :] = ahead[self.order :] + (lines[0] - ahead[0])
        # Where nothing determines the mean of a multiplier, its continuation would grow from rounding.
        free = list(self.statement.multipliers)
        lines[..., free] = state[0][..., free]
        return coef

    def _carried(self, state: np.ndarray, old: Sequence[SplineAxis], new: Sequence[SplineAxis]) -> np.ndarray:
        """Coefficients of space (k, *counts, fields) on other breakpoints of space."""
        if all(a is b for a, b in zip(old, new, strict=True)):
            return state
        return np.stack([carried(each, old, new) for each in state])

    def _end_of(self, coef: np.ndarray, length: float) -> np.ndarray:
        """State at the end of a slab, (order, *space, fields): value, and rate of change for equations of order 2."""
        lines = np.moveaxis(coef, self.time, 0)
        if self.order == 1:
            return lines[-1:].copy()
        rate = np.tensordot(TimeAxis(0.0, length, self.degree).pair_tables[0][-1], lines, 1)
        return np.stack([lines[-1], rate])

    def _scale(self, coef: np.ndarray) -> np.ndarray:
        """Size of each field, (fields,); of flows, which may start from rest, the largest so far."""
        sizes = np.abs(coef).reshape(-1, coef.shape[-1]).max(0)
        if self._largest is not None:
            sizes = np.maximum(sizes, self._largest)
        if self.rough is None:
            least = ABOVE_ZERO
        else:
            least = max(self.rough.least_size, ABOVE_ZERO)
        return np.maximum(sizes, max(1e-6 * float(sizes.max()), least))

    def _coarser(self, space: list[SplineAxis], state: np.ndarray) -> tuple[list[SplineAxis], np.ndarray]:
        """Space and state on a coarser grid, where the last slab shows that it does."""
        if not self.space or self.keeps_grid:
            return space, state
        if self._errors is None:
            errors = self._space_errors(*self.slabs[-1])
        else:
            errors = self._errors
        coarser = []
        for line, each in zip(space, errors, strict=True):
            factor = np.clip(
                0.8 * (self.allowed / np.maximum(each, ABOVE_ZERO)) ** (1 / (line.degree + 1)), 0.9, COARSEN
            )
            points = graded(line.breakpoints, np.diff(line.breakpoints) * factor, line.periodic)
            coarser.append(self.statement.axis(points, line.degree, line.periodic))
        for _ in range(MOST_ROUNDS):  # the residual of a short slab says nothing of the state that it starts from
            coarser = [self._worth(new, old) for new, old in zip(coarser, space, strict=True)]
            moved = self._carried(state, space, coarser)
            finer = self._finer(coarser, self._misfits(coarser, moved, partial(self._between, space, state)))
            if finer is None:
                return coarser, moved
            coarser = finer
        return space, state

    def _worth(self, new: SplineAxis, old: SplineAxis) -> SplineAxis:
        """The coarser line where it spares enough intervals, else the old one."""
        if self._fewest(old.degree) <= new.intervals < (1 - SPARED) * old.intervals:
            return new
        return old

    def _fewest(self, degree: int) -> int:
        """Intervals of the first grid, at least as many as splines on a periodic coordinate need."""
        return max(round(self.finer * FIRST_SPACE_INTERVALS[len(self.space)]), degree + 1)

    def _misfits(
        self, axes: Sequence[SplineAxis], state: np.ndarray, at: Callable[[Sequence[np.ndarray]], np.ndarray]
    ) -> list[np.ndarray]:
        """Largest errors of a state in the intervals of each coordinate; `at` gives it on a grid of points."""
        scale = np.maximum(np.abs(state).reshape(self.order, -1, state.shape[-1]).max(1), ABOVE_ZERO)
        errors = []
        for number, line in enumerate(axes):
            points = [axis.all_points() for axis in axes]
            points[number] = line.fresh_points()
            gap = np.abs(self._between(axes, state, points) - at(points))
            wrong = gap / scale.reshape(self.order, *[1] * len(axes), -1)
            each = np.moveaxis(wrong, number + 1, 0).reshape(line.intervals, -1).max(1)
            errors.append(self._weighed(line, each))
        return errors

    @staticmethod
    def _between(axes: Sequence[SplineAxis], state: np.ndarray, points: Sequence[np.ndarray]) -> np.ndarray:
        """A state on a grid of points of space, (order, *points, fields)."""
        for k, axis in enumerate(axes):
            state = along(axis.table(points[k]), state, k + 1)
        return state

    def _initial(self) -> tuple[list[SplineAxis], np.ndarray]:
        """Grid of space and state at the first moment: the grid is refined until the state is resolved."""
        dimension = len(self.space)
        if not dimension:
            return [], self._given(np.zeros((1, 0))).reshape(self.order, -1)
        (low, high), degree = self.domain.bounds.numpy().T, SPACE_DEGREE[dimension]
        periodic = self.statement.periodic
        count = self._fewest(degree)
        self.rough = RoughStart.of(self.statement, self._at, self.finer, self.allowed, self.ends[0])
        if self.rough is not None:
            return self.rough.begun(degree, count, self.allowed)
        axes = [self.statement.axis(np.linspace(low[k], high[k], count + 1), degree, periodic[k]) for k in self.space]
        for _ in range(3 * MOST_ROUNDS):
            check_time()
            state = self._interpolated(axes)
            before = axes
            axes = self._finer(axes, self._misfits(axes, state, self._at), START_MARGIN) or axes
            if axes is before:
                break
        return before, state

    def _interpolated(self, axes: Sequence[SplineAxis]) -> np.ndarray:
        """Splines of the initial state, (order, *counts, fields)."""
        state = self._at([axis.all_points() for axis in axes])
        for k, axis in enumerate(axes):
            state = axis.interpolated(state, k + 1)
        return state

    def _at(self, points: Sequence[np.ndarray]) -> np.ndarray:
        """Initial values and rates on a grid of points of space, (order, *points, fields)."""
        lines = np.meshgrid(*points, indexing="ij")
        return self._given(np.stack([line.ravel() for line in lines], 1)).reshape(self.order, *map(len, points), -1)

    def _given(self, places: np.ndarray) -> np.ndarray:
        """Initial values and rates at places (b, dimension of space), (order, b, fields)."""
        form = self.statement.form
        x = torch.full(
            (len(places), self.domain.dimension), float(self.domain.bounds[self.time, 0]), dtype=torch.float64
        )
        x[:, self.space] = torch.from_numpy(places)
        values = np.zeros((2, len(x), len(form.fields)))
        for term in self.starts:
            zeros = {key: torch.zeros(len(x), dtype=torch.float64) for key in term.requirements.keys}
            residuals, slopes = scattered_block(form, term, x, (self.time, 0)).evaluate_jet(zeros, with_slopes=True)
            for (number, slot, index), slope in slopes.items():
                values[index[self.time], :, slot] = -residuals[number] / slope
        return values[: self.order]


class KeptGridMarch(SlabMarch):
    """A pass through time whose grid of space gets no coarser, in slabs of a few lengths, which share factors."""

    keeps_grid = True

    def bounded(self, moment: float, length: float) -> float:
        """One of a few lengths, so that windows share factors; the last one is as long as time is left."""
        begin, end = self.domain.bounds[self.time].tolist()
        if length != end - moment:
            steps = math.floor(1e-9 + math.log(length / (end - begin), WINDOW_LENGTHS))
            length = (end - begin) * WINDOW_LENGTHS**steps
        return super().bounded(moment, length)

    def _coef(self, line: TimeAxis, nodal: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Coefficients of a window from those at its moments, (q, *counts, fields), and the state at its first one."""
        moments = line.collocation_points(self.order)
        begin = line.breakpoints[0]
        points = line.all_points()
        length = float(np.ptp(line.breakpoints))
        fields = []
        for slot in range(nodal.shape[-1]):
            given = int(self.statement.field_orders[slot, self.time])
            data = np.concatenate([state[:given, ..., slot], nodal[..., slot]])
            powers = np.polynomial.legendre.legvander(2 * (moments - begin) / length - 1, len(data) - 1)
            first = np.polynomial.legendre.legvander(np.array([-1.0]), len(data) - 1)
            rows = [first] if given else []
            if given > 1:
                slope = [np.polynomial.legendre.Legendre(each).deriv()(-1.0) for each in np.eye(len(data))]
                rows.append(np.array([slope]) * 2 / length)
            to_legendre = np.linalg.inv(np.concatenate([*rows, powers]))
            at = np.polynomial.legendre.legvander(2 * (points - begin) / length - 1, len(data) - 1)
            fields.append(np.tensordot(line.interpolated(at @ to_legendre), data, 1))
        return np.moveaxis(np.stack(fields, -1), 0, self.time)


def marches(statement: Statement) -> bool:
    """True if slabs can solve a problem: its fields start from given values and have order 2 in time at most.

    Fields of order 0 in time, as the algebraic ones of differential-algebraic equations, start from nothing, and so do
    those of which there are integrals up to now alone.
    """
    form = statement.form
    if form.time is None:
        order = 0
    else:
        order = int(statement.field_orders[:, form.time].max())
    if form.time is not None and not order:
        return form.has_integrals
    return bool(start_terms(form)) and order <= 2
