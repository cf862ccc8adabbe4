"""Moments at which an equation or a condition jumps, as by a source that is switched on: time elements end there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edgewise.pde.domains.jumps import OnLine, jumps_on_line, points_of_line
from edgewise.pde.problem.features import narrow_features, with_features
from edgewise.pde.problem.fields import Index
from edgewise.pde.problem.linearisation import linearise, residuals_at
from edgewise.pde.problem.strong_form import ResidualTerm, StrongForm
from edgewise.pde.spaces.axis import SplineAxis
from edgewise.pde.spaces.blocks import normal_of
from edgewise.pde.spaces.grid_problem import GridProblem, probes_of, random_jet


@dataclass(frozen=True)
class EventSettings:
    """Search for moments at which an equation jumps, by itself and along the fields of a time element."""

    # Moments of the whole time that are compared, and places of space at each.
    moments: int = 1025
    places: int = 4
    least_jump: float = 1e-6  # relative to the largest residual
    # Units in the last place of the largest moment, by which a time element ends before a jump: it has rounding.
    rounding: int = 4
    # Moments of a time element that are compared for events; least jump there: smaller ones leave time elements long
    # enough that their rates are no rounding, and square roots near zero jump by rounding.
    moments_of_element: int = 129
    least_event: float = 1e-4
    reach: float = 1e-3  # part of a time element by which its polynomial may be continued to an event
    field_rounding: float = 16 * float(np.finfo(float).eps)  # relative to the size of a field


SETTINGS = EventSettings()


def moments_of_jumps(grid_problem: GridProblem) -> list[tuple[float, float]]:
    """Moments just before and after which residuals for fixed fields jump at most places, in order."""
    form = grid_problem.form
    time = form.time
    bounds = form.domain.bounds
    assert time is not None
    begin, end = bounds[time].tolist()
    moments = np.concatenate([[begin], points_of_line(begin, end, SETTINGS.moments), [end]])
    features = [each for each in narrow_features(form) if each.axis == time]
    moments = with_features(moments, features, time)
    # Jumps of the equation, and of the conditions on walls.
    found = jumps_on_line(_residuals_of(form, form.equation_term), moments, SETTINGS.least_jump)
    if form.domain.is_box:
        for number, axis, side in grid_problem.faces():
            if axis != time:
                residuals = _residuals_of(form, form.condition_terms[number], (axis, side))
                found += jumps_on_line(residuals, moments, SETTINGS.least_jump)
    margin = SETTINGS.rounding * float(np.spacing(max(abs(begin), abs(end))))
    jumps = [(each - margin, each + margin) for each in found if begin + margin < each < end - margin]
    # No time element goes over a narrow feature: time elements end before it, in it and after it.
    ends = [each.place + share * each.width for each in features for share in (-1.0, 0.0, 1.0)]
    return sorted(jumps + [(each, each) for each in ends if begin < each < end])


def first_event(grid_problem: GridProblem, line: SplineAxis, coef: np.ndarray, after: float, end: float) -> float:
    """Moment of the first event, a jump of the equation along the fields of a time element; inf where there is none."""
    # The fields are continued to the moment `end`, up to where they leave the domain of the equation.
    begin = line.breakpoints[0]
    along = _residuals_along(grid_problem, line, coef)
    moments = np.linspace(begin, end, SETTINGS.moments_of_element)
    values = along(moments)
    is_finite = np.isfinite(values).all((1, 2))
    if not is_finite.all():
        moments = moments[: is_finite.argmin()]
        values = values[: len(moments)]
    # Most time elements have no jump, whatever their rounding is.
    if len(moments) < 2 or not jumps_on_line(along, moments, SETTINGS.least_event, values=values):
        return math.inf
    # Terms that cancel, as those of a steady state, jump by rounding.
    rounding = _rounding_along(grid_problem, line, coef, moments)
    for event in jumps_on_line(along, moments, SETTINGS.least_event, rounding, values):
        # Square roots near zero jump by rounding, to and fro: there is no jump across some distance.
        margin = _rounding_of(event)
        reach = SETTINGS.reach * (event - begin)
        jump = np.abs(np.diff(along(np.array([event - margin, event + margin])), axis=0)).sum()
        across = np.abs(np.diff(along(np.array([event - reach, event + reach])), axis=0)).sum()
        if event > after and across > jump / 2:
            return event
    return math.inf


def _rounding_along(grid_problem: GridProblem, line: SplineAxis, coef: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Rounding of residuals along the fields of a time element at moments (m,), (m, residuals, 1)."""
    # The sum over all derivatives of their rounding times the slope of the residual, in which a jump itself does not
    # count. Highest derivatives are among them: a jump below their rounding does not change the fields.
    form = grid_problem.form
    x = torch.from_numpy(moments)[:, None].clone()
    jet = _derivatives_along(form.equation_term.requirements.keys, line, coef, moments)
    residuals, jacobian = linearise(form, form.equation_term, x, None, {k: torch.from_numpy(v) for k, v in jet.items()})
    rounding = np.zeros_like(residuals.numpy())
    for (number, slot, index), slope in jacobian.items():
        rounding[number] += np.abs(slope.numpy()) * _rounding_of_derivative(line, coef, slot, index)
    return rounding.T[..., None]


def _derivatives_along(
    keys: Sequence[tuple[int, Index]], line: SplineAxis, coef: np.ndarray, moments: np.ndarray
) -> dict[tuple[int, Index], np.ndarray]:
    """Derivatives of the fields of a time element at moments (m,), (m,) each."""
    tables = {order: line.local(moments, order)[1] for order in {index[0] for _, index in keys}}
    return {(slot, index): tables[index[0]] @ coef[:, slot] for slot, index in keys}


def _rounding_of_derivative(line: SplineAxis, coef: np.ndarray, slot: int, index: Index) -> float:
    """Rounding of a derivative of a field: that of the field over a power of the distance of control points."""
    spacing = float(np.ptp(line.breakpoints)) / line.degree
    return SETTINGS.field_rounding * float(np.abs(coef[:, slot]).max()) / spacing ** index[0]


def _rounding_of(moment: float) -> float:
    """Distance from a moment beyond which rounding of time is no matter."""
    return SETTINGS.rounding * float(np.spacing(abs(moment)))


def moved_by_rounding(grid_problem: GridProblem, line: SplineAxis, coef: np.ndarray, event: float) -> float:
    """Distance from an event of `first_event` within which rounding of the fields makes the equation jump."""
    distance = _rounding_of(event)
    reach = SETTINGS.reach * (event - line.breakpoints[0])
    around = np.array([event - reach, event, event + reach])
    for key in grid_problem.form.equation_term.requirements.keys:
        rounding = _rounding_of_derivative(line, coef, *key)
        for shift in (-rounding, rounding):
            moved = jumps_on_line(_residuals_along(grid_problem, line, coef, key, shift), around, SETTINGS.least_event)
            distance = max([distance, *(abs(each - event) for each in moved)])
    return distance


def _residuals_along(
    grid_problem: GridProblem,
    line: SplineAxis,
    coef: np.ndarray,
    moved: tuple[int, Index] | None = None,
    shift: float = 0.0,
) -> OnLine:
    """Residuals along the fields of a time element, of which one derivative may be shifted."""
    # The highest derivatives are held constant, for their rounding is large.
    form = grid_problem.form
    orders = grid_problem.field_orders[:, 0]
    keys = form.equation_term.requirements.keys
    rates = [(slot, index) for slot, index in keys if index[0] == orders[slot] > 0]
    lower = [key for key in keys if key not in rates]
    at_points = _derivatives_along(rates, line, coef, line.all_points())
    highest = {key: np.abs(values).max() for key, values in at_points.items()}

    def at(moments: np.ndarray) -> np.ndarray:
        # Derivatives of the fields from the polynomial of the time element, one of them shifted.
        values = {key: np.full(len(moments), each) for key, each in highest.items()}
        values |= _derivatives_along(lower, line, coef, moments)
        if moved is not None:
            values[moved] = values[moved] + shift
        jet = {key: torch.from_numpy(each) for key, each in values.items()}
        x = torch.from_numpy(moments)[:, None].clone()
        residuals = residuals_at(form, form.equation_term, x, None, jet).numpy()
        return residuals.reshape(len(residuals), len(moments), -1).swapaxes(0, 1)

    return at


def _residuals_of(form: StrongForm, term: ResidualTerm, face: tuple[int, int] | None = None) -> OnLine:
    """Residuals of a term for fixed fields at some places."""
    count = 1
    if form.domain.dimension > 1:
        count = SETTINGS.places
    places = probes_of(form, face, count)
    jet = random_jet(term, len(places))

    def at(moments: np.ndarray) -> np.ndarray:
        # The same random fields at every moment, so that only the equation changes with time.
        x = places.repeat(len(moments), 1)
        x[:, form.time] = torch.from_numpy(moments).repeat_interleave(len(places))
        repeated = {key: each.repeat(len(moments)) for key, each in jet.items()}
        values = residuals_at(form, term, x, normal_of(face, x), repeated).numpy()
        return values.reshape(len(values), len(moments), -1).swapaxes(0, 1)

    return at
