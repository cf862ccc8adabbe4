"""Moments at which an equation or a condition jumps, as by a source that is switched on: slabs end there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from edgewise.pde.domains.domain import Box
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.structured.axis import SplineAxis, TimeAxis
from edgewise.pde.structured.statement import Statement, probes_of, random_jet, scattered_block
from edgewise.settings import ABOVE_ZERO

ResidualsAt = Callable[[np.ndarray], np.ndarray]
"""Maps moments (m,) to residuals there, (m, residuals, places)."""

# Moments that are compared, places of space at each, and halvings after which a moment is known to rounding.
SWITCH_MOMENTS, OFF_MIDDLE, SWITCH_PLACES, SWITCH_HALVINGS = 1025, 0.4142, 4, 60
# Least jump, relative to the largest residual, and least difference of a step from the mean of its neighbours, relative
# to itself, below which values are smooth: smooth values that the moments resolve differ by a few per cent.
LEAST_JUMP, UNLIKE_NEIGHBOURS = 1e-6, 0.3
BEFORE_JUMP = 4  # units in the last place of the largest moment, by which a slab ends before a jump: it has rounding


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


def missed_before_points(
    statement: Statement, axes: Sequence[SplineAxis], coef: np.ndarray, scale: np.ndarray
) -> float:
    """Error of a slab of time alone where a nonlinear equation jumps before its first point, relative to the fields.

    A polynomial that begins just before the jump, as of sign(u) where u changes sign, fulfils the equation at all later
    points as if the jump were at its first moment, so that only the residual there tells. Between later points it would
    oscillate.

    The slab has the coefficients coef (degree + 1, fields), and the fields the sizes `scale`, (fields,). The error is 0
    for linear problems, with coordinates of space, and with integrals or delays.
    """
    form, line = statement.form, axes[0]
    if len(axes) > 1 or form.is_linear or form.has_integrals or not isinstance(line, TimeAxis):
        return 0.0
    begin, end = line.breakpoints
    orders = statement.field_orders[:, 0]
    jet = {
        (slot, index): torch.from_numpy(line.table(np.array([begin]), index[0]) @ coef[:, slot])
        for slot, index in form.equation_term.requirements.keys
    }
    x = torch.full((1, 1), float(begin), dtype=torch.float64)
    values, slopes = scattered_block(form, form.equation_term, x).evaluate_jet(jet, with_slopes=True)
    gap, missed = float(line.collocation_points(int(orders.max()))[0] - begin), 0.0
    for number, value in enumerate(values.reshape(len(values))):
        # Changes of the fields by which the highest rates that undo this residual, from here to the first point, do it.
        rates = [
            abs(float(slope.item())) * scale[slot] / (gap * (end - begin) ** (index[0] - 1))
            for (row, slot, index), slope in slopes.items()
            if row == number and index[0] == orders[slot] > 0
        ]
        if max(rates, default=0.0) > 0:  # there is none where the highest derivative vanishes, as t u'' at t = 0
            missed = max(missed, abs(float(value)) / max(rates))
    return missed


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


def _jumps(at: ResidualsAt, moments: np.ndarray) -> list[float]:
    """Moments of jumps of a function on a line, each the last one before, to rounding."""
    values = at(moments)
    if not np.isfinite(values).all():
        return []
    least = LEAST_JUMP * max(float(np.abs(values).max()), ABOVE_ZERO)
    steps = np.diff(values, axis=0)
    around = np.pad(steps, [(1, 1), (0, 0), (0, 0)], "edge")
    unlike = np.abs(steps - (around[:-2] + around[2:]) / 2) > np.maximum(UNLIKE_NEIGHBOURS * np.abs(steps), least)
    chosen = np.flatnonzero(unlike.any((1, 2)))
    if not len(chosen):
        return []
    left, right = moments[chosen], moments[chosen + 1]
    for _ in range(SWITCH_HALVINGS):
        middle = (left + right) / 2
        first, mean, last = (at(each) for each in (left, middle, right))
        is_left = np.abs(mean - first).sum((1, 2)) > np.abs(last - mean).sum((1, 2))
        left, right = np.where(is_left, left, middle), np.where(is_left, middle, right)
    are_jumps = (np.abs(at(right) - at(left)).max(1) > least).mean(1) > 0.5
    return left[are_jumps].tolist()
