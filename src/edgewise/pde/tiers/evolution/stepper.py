"""Time integration by time elements: the length and the grid of space of one follow the errors of the one before.

A time element is one polynomial of time, times splines of space. `TimeStepper` chooses its length and
its grid, ends it where the equation jumps, and rejects it where its error is too large; an `ElementSolver` solves it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from edgewise.outcomes import OutOfTime
from edgewise.pde.spaces.axis import SplineAxis, TimeAxis
from edgewise.pde.spaces.grid_problem import GridProblem, check_initial
from edgewise.pde.spaces.networks import TimeElementNetwork
from edgewise.pde.tiers.collocation.stationary import network_of
from edgewise.pde.tiers.evolution.jumps import SETTINGS as EVENTS
from edgewise.pde.tiers.evolution.jumps import first_event, moments_of_jumps, moved_by_rounding
from edgewise.pde.tiers.evolution.memory import Memory
from edgewise.pde.tiers.evolution.problem import SETTINGS, Evolution, State, TimeElement
from edgewise.settings import ABOVE_ZERO

Watch = Callable[[float, int, float], bool]
"""Receives the share of time that is done, the number of time elements and the work; returns whether to go on."""


class ElementSolver(Protocol):
    """A discretisation of one time element, which a `TimeStepper` has."""

    shares_factors: bool  # whether time elements of the same length and grid share factors, so that lengths are a few

    initial_error: float  # relative error of the initial state on the largest grid; 0 where the grid resolves it

    @property
    def has_rough_initial(self) -> bool:
        """True if initial data jump, beside which the error falls with the grid alone."""

    def initial(self) -> State:
        """State at the first moment, on a grid that resolves it."""

    def restart(self, state: State, moment: float) -> State:
        """State after a jump of the equation, which conditions on walls may contradict; as it is on a fixed grid."""
        return state

    def solve(
        self, state: State, begin: float, end: float, previous: TimeElement | None, near: TimeElement | None
    ) -> TimeElement | None:
        """The time element from a state on, None where it has no solution.

        `previous` is the element before, if there is one, and `near` the same time element on another grid.
        """

    def indicators(self, element: TimeElement) -> list[np.ndarray]:
        """Errors in the intervals of each coordinate of space, relative to the field; empty where the grid is fixed."""
        return []

    def refine(self, state: State, indicators: list[np.ndarray]) -> State | None:
        """The state on a grid with shorter intervals where errors are above the allowed one; None where none are."""
        return None

    def coarsen(self, state: State, element: TimeElement) -> State:
        """The state on a coarser grid, where indicators of the last time element and the state itself allow it."""
        return state


@dataclass(frozen=True)
class StepSettings:
    """Control of the length of time elements and of the rounds on their grids."""

    # Step-size control as of solvers of ordinary differential equations: safety factor, least and largest change of the
    # length of a time element (E. Hairer, S. Norsett, G. Wanner, "Solving Ordinary Differential Equations I", section
    # II.4).
    safety: float = 0.85
    shrink: float = 0.2
    grow: float = 2.0
    first_elements: int = 50  # first length of a time element, as a part of the whole time: the control corrects it
    shortest: float = 1e-12  # of the whole time: shorter time elements mean that the solution blows up
    # Factor of the length where a time element has no solution, after which the next one is no longer, and steps of
    # Newton's method in a time element beyond which it is not either: a time element that fails costs as much as one
    # that does not.
    halted: float = 0.4
    few_steps: int = 3
    # errors, in units of the allowed one, of time elements that are too long, and that are so on any grid
    too_long: float = 2.0
    far: float = 1e3
    # Factor of its length up to which a time element is continued to see events, where Legendre polynomials of its
    # degree are 1e5, and attempts from one moment that are longer, to end with an event.
    most_ahead: float = 1.5
    most_lengthened: int = 3
    # Events that may lie within a part of the whole time. More of them accumulate, as of friction that holds a body at
    # rest, and the integration ends there as with time elements that are too short: at their pace it would take hours.
    most_events: int = 30
    events_within: float = 1e-3
    sliver: float = 1.2  # lengths: the time up to a given moment is one time element if it is no longer
    most_rounds: int = 12  # new grids for one time element
    length_ratio: float = math.sqrt(2.0)  # between the lengths that time elements may have which share factors


@dataclass(frozen=True, eq=False)
class TimeIntegration:
    """Result of an integration in time."""

    network: TimeElementNetwork  # the fields, up to the moment that was reached
    reached: float  # that moment
    is_complete: bool  # whether it is the last one
    points: int  # number of collocation points of all time elements


@dataclass(frozen=True)
class Method:
    """A way to solve time elements, and what its integrations cost."""

    solver: Callable[[Evolution], ElementSolver]
    dearer: float = 1.5  # work of a sharper integration, at least, by that of the one before
    # first time elements, each about twice as long as the one before, whose pace is no forecast of later ones
    growing: int = 0
    tolerances: tuple[float, float] = (1e-14, 1e-14)  # of a first integration, and of any: below them is rounding
    # even intervals of the first and of the largest grid, where it is fixed, by the number of coordinates of space
    first_intervals: tuple[int, ...] = ()
    most_intervals: tuple[int, ...] = ()

    def stepper(
        self,
        grid_problem: GridProblem,
        tolerance: float,
        watch: Watch,
        finer: float = 1.0,
        left: Callable[[float], float] | None = None,
    ) -> TimeStepper:
        """A stepper with a tolerance, whose first grid is finer by a factor; `left` is that of its `Evolution`."""
        evolution = Evolution(grid_problem, tolerance, finer, left)
        memory: Memory | None = None
        if grid_problem.form.has_integrals:
            memory = Memory(evolution)
        return TimeStepper(evolution, self.solver(evolution), watch, memory)


class TimeStepper:
    """An integration in time with an allowed error in each time element."""

    settings = StepSettings()

    def __init__(self, evolution: Evolution, solver: ElementSolver, watch: Watch, memory: Memory | None = None):
        self.evolution = evolution
        self.solver = solver
        self.watch = watch
        self.memory = memory
        self.whole = float(evolution.domain.size[evolution.time])
        self.elements: list[TimeElement] = []
        self.ends = [evolution.begin]
        self.points = 0
        self._jump_moments = moments_of_jumps(evolution.grid_problem)

    def run(self) -> TimeIntegration | None:
        """Integrate from the first moment to the last, or as far as it goes; None if there is not even one element.

        Where a limit is over inside a time element, OutOfTime is raised, and `result` has the time elements before it.
        """
        settings = self.settings
        evolution = self.evolution
        end = evolution.end
        moment = evolution.begin
        length = self.whole / (settings.first_elements * evolution.finer)
        state = self.solver.initial()
        check_initial(evolution.grid_problem, evolution.with_time(state.space, moment, end), state.values[0])
        asked = length  # of the first attempt from this moment
        lengthened = 0  # attempts from this moment that were made longer
        events = [-math.inf] * settings.most_events  # the last ones with which time elements ended
        is_halted = False  # whether the last attempt had no solution
        # length and error of a time element from this moment that was too long
        rejected: tuple[float, float] | None = None
        latest = end  # moment up to which this time element may go: an event that lies before the end, once it is seen
        while end - moment > settings.shortest * self.whole:
            # Length: no sliver is left before the latest moment, and nothing jumps inside of a time element.
            length = min(length, latest - moment)
            if latest - moment < settings.sliver * length:
                length = latest - moment
            length = self.bounded(moment, length)
            if length < settings.shortest * self.whole:
                break
            share = (moment - evolution.begin) / self.whole
            element = self._resolved(state, moment, moment + length)
            # Rejection without a solution.
            if element is None:
                if not self._goes_on(share):
                    break
                length = settings.halted * length
                is_halted = True
                continue
            state = element.state  # on a grid that is kept, also where the time element is rejected
            # Step-size control. Errors fall as a power of the length: the degree, or less where the initial state is
            # not smooth.
            power = float(evolution.degree)
            if rejected is not None and rejected[0] > length and rejected[1] > element.time_error > 0:
                power = min(power, math.log(rejected[1] / element.time_error) / math.log(rejected[0] / length))
            factor = settings.safety * (evolution.allowed / max(element.time_error, ABOVE_ZERO)) ** (1 / power)
            is_too_long = element.time_error > settings.too_long * evolution.allowed
            # Event location: a time element aims at a little before an event, and its polynomial is continued to it.
            ahead = 1.0
            if not is_too_long:
                ahead = min(factor, settings.most_ahead)
            event = self._event(element, moment, length, ahead)
            ratio = (event - moment) / length
            aim = (1 - EVENTS.reach / 2) * ratio
            is_at_event = not is_too_long and 1 <= ratio <= 1 + EVENTS.reach
            # Rejection of a time element that is too long, or goes beyond an event.
            if is_too_long or ratio < 1:
                if self._goes_on(share):
                    if is_too_long:
                        if not self.elements and rejected is not None and element.time_error > rejected[1] / 2:
                            # Shorter time elements are no better, as initial values contradict the walls: their
                            # conditions get the rows at corners of the time element, also conditions for slopes.
                            walls_first = (*evolution.space, evolution.time)
                            evolution.grid_problem = replace(evolution.grid_problem, priority=walls_first)
                        rejected = length, element.time_error
                    if ratio < 1:
                        factor = aim
                    length *= max(settings.shrink, min(factor, settings.safety))
                    latest = moment + length
                    continue
                if self.elements:
                    break
                # A first time element is kept, however large its error is: there is a solution, and the evidence judges
                # it.
            elif not is_at_event and ratio < math.inf and lengthened < settings.most_lengthened:
                # A short time element would be left before the event, and rates of short time elements have large
                # rounding.
                length *= aim
                latest = moment + length
                lengthened += 1
                continue
            # Acceptance: the time element ends exactly where it was asked to, or a little after an event.
            stop = moment + length
            if length == latest - moment:
                stop = latest
            element = replace(element, axes=evolution.with_time(element.state.space, moment, stop))
            state = evolution.last_state(element, length)
            if is_at_event:
                element, state = self._continued(element, event)
                stop = float(element.axes[evolution.time].breakpoints[1])
            # Where the equation jumps, the next one begins after the jump.
            after = next((after for before, after in self._jump_moments if before <= stop <= after), stop)
            self._keep(element, after)
            if is_at_event:
                events = [*events[1:], event]
                if event - events[0] < settings.events_within * self.whole:
                    break
            # The next one begins on a coarser grid, or on a new one where the equation has jumped.
            if after == stop:
                state = self.solver.coarsen(state, element)
            else:
                state = self.solver.restart(state, after)
            # It is up to twice as long, and after an event as long as the first attempt before it.
            grow = settings.grow
            if is_halted or element.steps > settings.few_steps:
                grow = 1.0
            length *= min(grow, factor)
            if is_at_event:
                length = max(length, asked)
            moment = after
            asked = length
            latest = end
            is_halted = False
            rejected = None
            lengthened = 0
            if not self._goes_on((moment - evolution.begin) / self.whole):
                break
        return self.result()

    def _goes_on(self, share: float) -> bool:
        """Report the share of time that is done; False where the integration is to end."""
        return self.watch(share, len(self.elements), self.evolution.work)

    def _keep(self, element: TimeElement, after: float) -> None:
        """Add a time element, after which the next one begins at a moment."""
        self.elements.append(element)
        self.evolution.has_element = True
        self.ends.append(after)
        self.points += element.coef.size
        if self.memory is not None:
            self.memory.keep(element, after)

    def _resolved(self, state: State, begin: float, end: float) -> TimeElement | None:
        """A time element on a grid that is refined until it is resolved; None where there is no solution.

        Where a limit is over inside the first one, that on the grid before is a beginning.
        """
        evolution = self.evolution
        previous: TimeElement | None = None
        if self.elements:
            previous = self.elements[-1]
        before = math.inf  # the largest error on a grid with half as many splines
        element: TimeElement | None = None  # the solution on the last grid
        try:
            for rounds in range(1, self.settings.most_rounds + 2):
                element = self.solver.solve(state, begin, end, previous, element)
                if element is None:
                    return None
                # A time element that is far too long is rejected on any grid.
                if element.time_error > self.settings.far * evolution.allowed or rounds > self.settings.most_rounds:
                    return element
                indicators = self.solver.indicators(element)
                if not indicators:
                    return element
                # The grid is fine enough, or errors fall no longer as it gets finer.
                element = replace(element, indicators=indicators)
                largest = max(float(each.max()) for each in indicators)
                if largest <= evolution.allowed or largest > before / 2:
                    return element
                evolution.has_element = True
                finer = self.solver.refine(state, indicators)
                if finer is None:
                    return element
                # Errors are compared once the grid has twice as many splines.
                if finer.space[0].count < 2 * state.space[0].count:
                    before = largest
                state = finer
        except OutOfTime:
            if element is None or self.elements:
                raise
            return element
        raise AssertionError("the last round returns")

    def bounded(self, moment: float, length: float) -> float:
        """Longest length of an element from a moment on that the problem allows, at most `length`; 0 without any."""
        # Time elements that share factors have a few lengths; the last one is as long as time is left.
        if self.solver.shares_factors and length != self.evolution.end - moment:
            ratio = self.settings.length_ratio
            steps = math.floor(SETTINGS.same_length + math.log(length / self.whole, ratio))
            length = self.whole * ratio**steps
        # No jump of the equation lies inside.
        after = moment + self.settings.shortest * self.whole
        length = min(
            (before - moment for before, _ in self._jump_moments if after < before < moment + length), default=length
        )
        if self.memory is not None:
            return self.memory.bounded(moment, length)
        return length

    def _event(self, element: TimeElement, moment: float, length: float, ahead: float) -> float:
        """Moment of the first event in a time element alone that is continued to `ahead` lengths; inf without any."""
        evolution = self.evolution
        if evolution.space or evolution.grid_problem.form.has_integrals:
            return math.inf
        axes = evolution.with_time([], moment, moment + length)
        (line,), smooth = self._with_last_rate(axes, element.coef)
        beyond = moment + self.bounded(moment, min(ahead * length, evolution.end - moment))
        return first_event(evolution.grid_problem, line, smooth, moment + self.settings.shortest * self.whole, beyond)

    def _continued(self, element: TimeElement, event: float) -> tuple[TimeElement, State]:
        """A time element alone, continued until rounding leaves no doubt that an event is over, and the state there."""
        evolution = self.evolution
        (line,), coef = self._with_last_rate(element.axes, element.coef)
        stop = event + moved_by_rounding(evolution.grid_problem, line, coef, event)
        # The polynomial on the longer time element, and its rate at the end from the last two Bernstein coefficients.
        longer = TimeAxis(line.breakpoints[0], min(stop, evolution.end), line.degree)
        lines = longer.interpolated(line.table(longer.all_points()) @ coef)
        rate = longer.degree / float(np.ptp(longer.breakpoints)) * (lines[-1] - lines[-2])
        state = State(element.state.space, np.stack([lines[-1], rate])[: evolution.order])
        return replace(element, axes=[longer], coef=lines), state

    def result(self) -> TimeIntegration | None:
        """The time elements so far; None if there is none."""
        if not self.elements:
            return None
        networks = [network_of(*self._with_last_rate(element.axes, element.coef)) for element in self.elements]
        ends = self.ends[: len(self.elements) + 1]
        network = TimeElementNetwork(networks, torch.tensor(ends, dtype=torch.float64), self.evolution.time)
        return TimeIntegration(network, ends[-1], ends[-1] == self.evolution.end, self.points)

    def _with_last_rate(self, axes: list[SplineAxis], coef: np.ndarray) -> tuple[list[SplineAxis], np.ndarray]:
        """A time element whose fields of order 2 end with the rate with which the next time element begins.

        That of the polynomial itself differs by what its highest coefficients have for an error, a kick that no
        residual inside of time elements shows.
        """
        evolution = self.evolution
        line = evolution.line(axes)
        if evolution.order < 2 or line.degree > evolution.degree:
            return axes, coef
        # One degree higher, with the rate of Radau's method at the end for fields of order 2, and that of the
        # polynomial for the others.
        lines = np.moveaxis(coef, evolution.time, 0)
        begin, end = line.breakpoints
        length = float(np.ptp(line.breakpoints))
        rate = evolution.degree / length * (lines[-1] - lines[-2])
        pairs = evolution.grid_problem.field_orders[:, evolution.time] == 2
        rate[..., pairs] = evolution.last_rate(lines, length)[..., pairs]
        higher = list(axes)
        higher[evolution.time] = TimeAxis(begin, end, evolution.degree + 1)
        return higher, np.moveaxis(line.with_last_rate(lines, rate), 0, evolution.time)
