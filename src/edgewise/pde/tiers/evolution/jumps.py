"""Moments at which an equation or a condition jumps, as by a source that is switched on: slabs end there."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from edgewise.pde.domains.domain import Box
from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.statement import Statement, probes_of, random_jet, scattered_block
from edgewise.settings import ABOVE_ZERO

ResidualsAt = Callable[[np.ndarray], np.ndarray]
"""Maps moments (m,) to residuals there, (m, residuals, places)."""

# Moments that are compared, and places of space at each; parts of a step, and partings after which a moment is known to
# rounding.
SWITCH_MOMENTS = 1025
OFF_MIDDLE = 0.4142
SWITCH_PLACES = 4
SWITCH_PARTS = 16
SWITCH_PARTINGS = 15
# Least jump, relative to the largest residual, and least difference of a step from the mean of its neighbours, relative
# to itself, below which values are smooth: smooth values that the moments resolve differ by a few per cent.
LEAST_JUMP = 1e-6
UNLIKE_NEIGHBOURS = 0.3
BEFORE_JUMP = 4  # units in the last place of the largest moment, by which a slab ends before a jump: it has rounding
# Moments of a slab at which an equation is compared for events; least jump there, relative to the largest residual:
# smaller ones leave slabs long enough that their rates are no rounding, and square roots near zero jump by rounding.
EVENT_MOMENTS = 129
LEAST_EVENT = 1e-4
# Part of a slab by which its polynomial may be continued to an event, and rounding of a field, relative to its size.
EVENT_REACH = 1e-3
FIELD_ROUNDING = 16 * float(np.finfo(float).eps)


def moments_of_jumps(statement: Statement) -> list[tuple[float, float]]:
    """Moments just before and after which residuals for fixed fields jump at most places, in order."""
    form = statement.form
    time = form.time
    bounds = form.domain.bounds
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


def first_event(statement: Statement, line: SplineAxis, coef: np.ndarray, after: float, end: float) -> float:
    """Moment of the first event, a jump of the equation along the fields of a slab; inf where there is none."""
    # The fields are continued to the moment `end`, up to where they leave the domain of the equation.
    begin = line.breakpoints[0]
    along = _residuals_along(statement, line, coef)
    moments = np.linspace(begin, end, EVENT_MOMENTS)
    is_finite = np.isfinite(along(moments)).all((1, 2))
    if not is_finite.all():
        moments = moments[: is_finite.argmin()]
    if len(moments) < 2:
        return math.inf
    for event in _jumps(along, moments, LEAST_EVENT):
        # Square roots near zero jump by rounding, to and fro: there is no jump across some distance.
        margin = _rounding_of(event)
        reach = EVENT_REACH * (event - begin)
        jump = np.abs(np.diff(along(np.array([event - margin, event + margin])), axis=0)).sum()
        across = np.abs(np.diff(along(np.array([event - reach, event + reach])), axis=0)).sum()
        if event > after and across > jump / 2:
            return event
    return math.inf


def _rounding_of(moment: float) -> float:
    """Distance from a moment beyond which rounding of time is no matter."""
    return BEFORE_JUMP * float(np.spacing(abs(moment)))


def moved_by_rounding(statement: Statement, line: SplineAxis, coef: np.ndarray, event: float) -> float:
    """Distance from an event of `first_event` within which rounding of the fields makes the equation jump."""
    distance = _rounding_of(event)
    reach = EVENT_REACH * (event - line.breakpoints[0])
    around = np.array([event - reach, event, event + reach])
    for key in statement.form.equation_term.requirements.keys:
        for share in (-FIELD_ROUNDING, FIELD_ROUNDING):
            moved = _jumps(_residuals_along(statement, line, coef, key, share), around, LEAST_EVENT)
            distance = max([distance, *(abs(each - event) for each in moved)])
    return distance


def _residuals_along(
    statement: Statement,
    line: SplineAxis,
    coef: np.ndarray,
    moved: tuple[int, Index] | None = None,
    share: float = 0.0,
) -> ResidualsAt:
    """Residuals along the fields of a slab, of which one derivative may be moved by a share of its size."""
    # The highest derivatives are held constant, for their rounding is large. The size of a derivative is that of the
    # field over a power of the distance of control points.
    form = statement.form
    orders = statement.field_orders[:, 0]
    spacing = float(np.ptp(line.breakpoints)) / line.degree
    constants = {}
    shifts = {}
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
    left = moments[chosen]
    right = moments[chosen + 1]
    first = values[chosen]
    last = values[chosen + 1]
    shares = np.arange(1, SWITCH_PARTS) / SWITCH_PARTS
    for _ in range(SWITCH_PARTINGS):
        stays = (np.abs(last - first) > least).any((1, 2))
        left = left[stays]
        right = right[stays]
        first = first[stays]
        last = last[stays]
        if not len(left):
            return []
        inner = left[:, None] + (right - left)[:, None] * shares
        places = np.column_stack([left, inner, right])
        at_inner = at(inner.ravel()).reshape(*inner.shape, *first.shape[1:])
        at_places = np.concatenate([first[:, None], at_inner, last[:, None]], 1)
        rows = np.arange(len(left))
        part = np.abs(np.diff(at_places, axis=1)).sum((2, 3)).argmax(1)
        left = places[rows, part]
        right = places[rows, part + 1]
        first = at_places[rows, part]
        last = at_places[rows, part + 1]
    are_jumps = (np.abs(last - first).max(1) > least).mean(1) > 0.5
    return left[are_jumps].tolist()
