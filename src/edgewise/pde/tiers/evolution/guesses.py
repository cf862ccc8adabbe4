"""First guesses of an element for Newton's method: the same one on another grid, or the one before, continued."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.pde.spaces.axis import SplineAxis, TimeAxis
from edgewise.pde.tiers.evolution.problem import Evolution, State, TimeElement

Prolonged = Callable[[np.ndarray, Sequence[SplineAxis], Sequence[SplineAxis]], np.ndarray]
"""Coefficients of space (k, *counts, fields) on another grid, from those on one."""


def first_guess(
    evolution: Evolution,
    prolonged: Prolonged,
    axes: list[SplineAxis],
    state: State,
    length: float,
    previous: TimeElement | None,
    near: TimeElement | None,
) -> np.ndarray:
    """Coefficients of an element: itself on another grid, `near`; else the one before, continued from the state."""
    coef = steady(evolution, axes, state, length)
    lines = np.moveaxis(coef, evolution.time, 0)
    if near is not None:
        near_lines = np.moveaxis(near.coef, evolution.time, 0)
        moved = prolonged(near_lines, evolution.spatial(near.axes), evolution.spatial(axes))
        lines[evolution.order :] = moved[evolution.order :]
        return coef
    if previous is None:
        return coef
    old = previous.axes
    last_lines = np.moveaxis(previous.coef, evolution.time, 0)
    if any(not np.array_equal(old[k].breakpoints, axes[k].breakpoints) for k in evolution.space):
        last_lines = prolonged(last_lines, evolution.spatial(old), evolution.spatial(axes))
    # Legendre degrees up to 4 only: the continuation of higher ones grows fast.
    ratio = length / float(np.ptp(old[evolution.time].breakpoints))
    line = evolution.unit_line
    moments = line.all_points()
    values = TimeAxis(0.0, 1.0, len(last_lines) - 1).table(moments) @ last_lines.reshape(len(last_lines), -1)
    fitted = np.polynomial.legendre.legfit(2 * moments - 1, values, 4)
    ahead = np.polynomial.legendre.legval(2 * (1 + moments * ratio) - 1, fitted).T
    ahead = line.interpolated(ahead).reshape(len(lines), *last_lines.shape[1:])
    lines[evolution.order :] = ahead[evolution.order :] + (lines[0] - ahead[0])
    # Where nothing determines the mean of a constraint variable, its continuation would grow from rounding.
    free = list(evolution.grid_problem.constraint_variables)
    lines[..., free] = state.values[0][..., free]
    return coef


def steady(evolution: Evolution, axes: list[SplineAxis], state: State, length: float) -> np.ndarray:
    """Coefficients of a time element that keeps its first state, or the rate of it for equations of order 2."""
    coef = np.zeros((*(axis.count for axis in axes), state.values.shape[-1]))
    lines = np.moveaxis(coef, evolution.time, 0)
    lines[:] = state.values[0]
    if evolution.order == 2:
        moments = length / evolution.degree * np.arange(1, evolution.degree + 1)
        lines[1:] += state.values[1] * moments.reshape(-1, *[1] * state.values[0].ndim)
    return coef
