"""Moments at which an equation or a condition jumps, as by a source that is switched on: slabs end there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from edgewise.pde.domains.domain import Box
from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.structured.axis import TimeAxis
from edgewise.pde.structured.statement import Statement, probes_of, random_jet, scattered_block
from edgewise.settings import ABOVE_ZERO

ResidualsAt = Callable[[np.ndarray], np.ndarray]
"""Maps moments (m,) to residuals there, (m, residuals, places)."""

# Moments that are compared, and places of space at each; parts of a step, and partings after which a moment is known to
# rounding. Choices.
SWITCH_MOMENTS, OFF_MIDDLE, SWITCH_PLACES, SWITCH_PARTS, SWITCH_PARTINGS = 1025, 0.4142, 4, 16, 15
# Least jump, relative to the largest residual, and least difference of a step from the mean of its neighbours, relative
# to itself, below which values are smooth. Choices: smooth values that the moments resolve differ by a few per cent.
LEAST_JUMP, UNLIKE_NEIGHBOURS = 1e-6, 0.3
BEFORE_JUMP = 4  # units in the last place of the largest moment, by which a slab ends before a jump: it has rounding
# Moments of a slab at which an equation is compared for events; least jump there, relative to the largest residual:
# smaller ones leave slabs long enough that their rates are no rounding, and square roots near zero jump by rounding.
EVENT_MOMENTS, LEAST_EVENT = 129, 1e-4
# Part of a slab by which its polynomial may be continued to an event, and rounding of a field, relative to its size.
EVENT_REACH, FIELD_ROUNDING = 1e-3, 16 * float(np.finfo(float).eps)


def moments_of_jumps(statement: Statement) -> list[tuple[float, float]]:
    """Moments just before and after which residuals for fixed fields jump at most places, in order."""
    form = statement.form
    time, bounds = form.time, form.domain.bounds
    assert time is not None
    begin, end = bounds[time].tolist()
    moments = begin + (end - begin) * np.concatenate(
        [[0.0], (np.arange(SWITCH_MOMENTS) + OFF_MIDDLE) / SWITCH_MOMENTS, [1.0]]
    )
    found = _jumps(_residuals_of(form, form.equation_term), moments)
    for number, axis, side in statement.faces() if isinstance(form.domain, Box) else ():
        if axis != time:
            found += _jumps(_residuals_of(form, form.condition_terms[number], (axis, side)), moments)
    margin = BEFORE_JUMP * float(np.spacing(max(abs(begin), abs(end))))
    return sorted((each - margin, each + margin) for each in found if begin + margin < each < end - margin)


def first_event(statement: Statement, line: TimeAxis, coef: np.ndarray, after: float, end: float) -> float | None:
    """Moment of an event, the first jump of a nonlinear equation along the fields of a slab, to rounding.

    The fields have coefficients coef (degree + 1, fields) on `line` and are continued to the moment `end`. Events up to
    the moment `after` do not count.
    """
    begin, along = line.breakpoints[0], _residuals_along(statement, line, coef)
    moments = np.linspace(begin, end, EVENT_MOMENTS)
    # Continued fields may leave the domain of the equation.
    is_finite = np.isfinite(along(moments)).all((1, 2))
    for event in _jumps(along, moments if is_finite.all() else moments[: is_finite.argmin()], LEAST_EVENT):
        # Square roots near zero jump by rounding, to and fro.
        inside, across = (
            np.abs(np.diff(along(event + np.array([-distance, distance])), axis=0)).sum()
            for distance in (_after_event(event), EVENT_REACH * (event - begin))
        )
        if event > after and across > inside / 2:
            return event
    return None


def _after_event(event: float) -> float:
    """Distance from an event at which rounding of time is no matter."""
    return BEFORE_JUMP * float(np.spacing(abs(event)))


def moved_by_rounding(statement: Statement, line: TimeAxis, coef: np.ndarray, event: float) -> float:
    """Distance from an event of `first_event` within which rounding of the fields makes an equation jump."""
    distance = _after_event(event)
    reach = EVENT_REACH * (event - line.breakpoints[0])
    around = np.array([event - reach, event, event + reach])
    for key in statement.form.equation_term.requirements.keys:
        for share in (-FIELD_ROUNDING, FIELD_ROUNDING):
            moved = _jumps(_residuals_along(statement, line, coef, key, share), around, LEAST_EVENT)
            distance = max([distance, *(abs(each - event) for each in moved)])
    return distance


def _residuals_along(
    statement: Statement,
    line: TimeAxis,
    coef: np.ndarray,
    moved: tuple[int, Index] | None = None,
    share: float = 0.0,
) -> ResidualsAt:
    """Residuals along the fields of a slab, with their highest derivatives, whose rounding is large, held constant.

    One of the other derivatives may be moved by a share of the largest value of its field, or of that value over the
    distance of control points.
    """
    form, orders = statement.form, statement.field_orders[:, 0]
    spacing = float(np.ptp(line.breakpoints)) / line.degree
    constants, shifts = {}, {}
    for slot, index in form.equation_term.requirements.keys:
        if index[0] == orders[slot] > 0:
            constants[slot, index] = np.abs(line.local(line.all_points(), index[0])[1] @ coef[:, slot]).max()
        elif (slot, index) == moved:
            shifts[slot, index] = share * np.abs(coef[:, slot]).max() / spacing ** index[0]

    def at(moments: np.ndarray) -> np.ndarray:
        jet = {}
        for slot, index in form.equation_term.requirements.keys:
            if (slot, index) in constants:
                values = np.full(len(moments), constants[slot, index])
            else:
                values = line.local(moments, index[0])[1] @ coef[:, slot] + shifts.get((slot, index), 0.0)
            jet[slot, index] = torch.from_numpy(values)
        x = torch.from_numpy(moments)[:, None].clone()
        residuals, _ = scattered_block(form, form.equation_term, x).evaluate_jet(jet, with_slopes=False)
        return residuals.reshape(len(residuals), len(moments), -1).swapaxes(0, 1)

    return at


def _residuals_of(form: StrongForm, term: ResidualTerm, face: tuple[int, int] | None = None) -> ResidualsAt:
    """Residuals of a term for fixed fields at some places."""
    places = probes_of(form, face, SWITCH_PLACES if form.domain.dimension > 1 else 1)
    jet = random_jet(term, len(places))

    def at(moments: np.ndarray) -> np.ndarray:
        x = places.repeat(len(moments), 1)
        x[:, form.time] = torch.from_numpy(moments).repeat_interleave(len(places))
        repeated = {key: each.repeat(len(moments)) for key, each in jet.items()}
        values, _ = scattered_block(form, term, x, face).evaluate_jet(repeated, with_slopes=False)
        return values.reshape(len(values), len(moments), -1).swapaxes(0, 1)

    return at


def _jumps(at: ResidualsAt, moments: np.ndarray, least_jump: float = LEAST_JUMP) -> list[float]:
    """Moments of jumps of a function on a line, each the last one before, to rounding."""
    values = at(moments)
    if not np.isfinite(values).all():
        return []
    least = least_jump * max(float(np.abs(values).max()), ABOVE_ZERO)
    steps = np.diff(values, axis=0)
    around = np.pad(steps, [(1, 1), (0, 0), (0, 0)], "edge")
    unlike = np.abs(steps - (around[:-2] + around[2:]) / 2) > np.maximum(UNLIKE_NEIGHBOURS * np.abs(steps), least)
    chosen = np.flatnonzero(unlike.any((1, 2)))
    if not len(chosen):
        return []
    # Each step is parted again and again, and its largest part goes on; steps of smooth values shrink below the least.
    left, right, first, last = moments[chosen], moments[chosen + 1], values[chosen], values[chosen + 1]
    shares = np.arange(1, SWITCH_PARTS) / SWITCH_PARTS
    for _ in range(SWITCH_PARTINGS):
        stays = (np.abs(last - first) > least).any((1, 2))
        left, right, first, last = left[stays], right[stays], first[stays], last[stays]
        if not len(left):
            return []
        inner = left[:, None] + (right - left)[:, None] * shares
        places = np.column_stack([left, inner, right])
        at_inner = at(inner.ravel()).reshape(*inner.shape, *first.shape[1:])
        at_places = np.concatenate([first[:, None], at_inner, last[:, None]], 1)
        rows, part = np.arange(len(left)), np.abs(np.diff(at_places, axis=1)).sum((2, 3)).argmax(1)
        left, right = places[rows, part], places[rows, part + 1]
        first, last = at_places[rows, part], at_places[rows, part + 1]
    are_jumps = (np.abs(last - first).max(1) > least).mean(1) > 0.5
    return left[are_jumps].tolist()
