"""First guesses of a slab for Newton's method: the slab before, continued, or known fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from edgewise.pde.spaces.axis import SplineAxis, TimeAxis
from edgewise.pde.tiers.evolution.problem import Evolution, Slab, State

CONTINUED_DEGREE = 4  # in time, with which a slab's polynomial is continued: that of higher degrees grows fast


class GuessedSolver(Protocol):
    """What a solver of slabs gives for a guess."""

    evolution: Evolution

    def prolonged(self, values: np.ndarray, old: Sequence[SplineAxis], new: Sequence[SplineAxis]) -> np.ndarray:
        """Coefficients of space (k, *counts, fields) on another grid."""

    def known_on(self, axes: list[SplineAxis]) -> np.ndarray:
        """Coefficients of a slab that has the values of known fields."""

    def residual_norm(self, axes: list[SplineAxis], state: State, coef: np.ndarray) -> float:
        """Root of the sum of squared residuals of a slab that starts from the state."""


def first_guess(
    solver: GuessedSolver,
    axes: list[SplineAxis],
    state: State,
    length: float,
    previous: Slab | None,
    near: Slab | None,
) -> np.ndarray:
    """Coefficients of a slab: what it is on another grid, `near`; else the slab before, continued, or known fields.

    Of known fields the difference from the slab before is continued, which is smaller.
    """
    evolution = solver.evolution
    # The same slab on another grid.
    if near is not None:
        coef = continued(solver, axes, state.values, length, None)
        lines = np.moveaxis(near.coef, evolution.time, 0)
        moved = solver.prolonged(lines, evolution.spatial(near.axes), evolution.spatial(axes))
        np.moveaxis(coef, evolution.time, 0)[evolution.order :] = moved[evolution.order :]
        return coef
    # The slab before.
    last = None if previous is None else (previous.axes, previous.coef)
    ahead = continued(solver, axes, state.values, length, last)
    if evolution.known is None:
        return ahead
    # Known fields, and their difference from the state, continued.
    known = solver.known_on(axes)
    lines = np.moveaxis(known, evolution.time, 0)
    rate = (lines[1] - lines[0]) * evolution.degree / length
    gap = state.values - np.stack([lines[0], rate])[: evolution.order]
    if previous is None:  # nothing is known of fields that start from nothing
        gap[..., evolution.statement.field_orders[:, evolution.time] == 0] = 0.0
        gap[..., list(evolution.statement.constraint_variables)] = 0.0
    else:
        last = previous.axes, previous.coef - solver.known_on(previous.axes)
    known = known + continued(solver, axes, gap, length, last)
    return min((ahead, known), key=lambda coef: solver.residual_norm(axes, state, coef))


def continued(
    solver: GuessedSolver,
    axes: list[SplineAxis],
    state: np.ndarray,
    length: float,
    last: tuple[list[SplineAxis], np.ndarray] | None,
) -> np.ndarray:
    """Last slab, continued from a state at its end; constant, or linear for equations of order 2, without one."""
    evolution = solver.evolution
    coef = np.zeros((*(axis.count for axis in axes), state.shape[-1]))
    lines = np.moveaxis(coef, evolution.time, 0)
    lines[:] = state[0]
    if evolution.order == 2:
        moments = length / evolution.degree * np.arange(1, evolution.degree + 1)
        lines[1:] += state[1] * moments.reshape(-1, *[1] * state[0].ndim)
    if last is None:
        return coef
    old, values = last
    last_lines = np.moveaxis(values, evolution.time, 0)
    if any(not np.array_equal(old[k].breakpoints, axes[k].breakpoints) for k in evolution.space):
        last_lines = solver.prolonged(last_lines, evolution.spatial(old), evolution.spatial(axes))
    # Low Legendre degrees only: the continuation of higher ones grows fast.
    ratio = length / float(np.ptp(old[evolution.time].breakpoints))
    line = TimeAxis(0.0, 1.0, evolution.degree)
    moments = line.all_points()
    values = TimeAxis(0.0, 1.0, len(last_lines) - 1).table(moments) @ last_lines.reshape(len(last_lines), -1)
    fitted = np.polynomial.legendre.legfit(2 * moments - 1, values, CONTINUED_DEGREE)
    ahead = np.polynomial.legendre.legval(2 * (1 + moments * ratio) - 1, fitted).T
    ahead = line.interpolated(ahead).reshape(len(lines), *last_lines.shape[1:])
    lines[evolution.order :] = ahead[evolution.order :] + (lines[0] - ahead[0])
    # Where nothing determines the mean of a constraint variable, its continuation would grow from rounding.
    free = list(evolution.statement.constraint_variables)
    lines[..., free] = state[0][..., free]
    return coef
