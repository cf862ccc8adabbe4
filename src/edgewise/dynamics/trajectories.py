"""Trajectories with their noise, smoothed states and known columns: what every stage reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator, make_interp_spline

from edgewise.dynamics.smoothing import DEGREE
from edgewise.dynamics.terms import Law

Known = Callable[[np.ndarray], np.ndarray]
"""Values (known, *shape) of inputs and delayed coordinates at times of any shape."""


@dataclass(frozen=True)
class Kind:
    """How right-hand sides move states: x' = f, x'' = f or x_{n+1} = f."""

    measured: int  # coordinates, each with an equation
    order: int = 1  # of the derivative
    is_map: bool = False
    inputs: int = 0
    delays: tuple[float, ...] = ()

    @property
    def states(self) -> int:
        """Numbers of a state: coordinates and, of second order, their velocities."""
        return self.measured * self.order

    @property
    def known(self) -> int:
        """Columns beside the states: inputs, then all coordinates at each delay."""
        return self.inputs + self.measured * len(self.delays)

    def rates(self, law: Law, x: np.ndarray, known: Iterable[np.ndarray], p: np.ndarray) -> np.ndarray:
        """The derivatives of all states x (states, ...), of a map the next states, with known columns."""
        out = np.empty_like(x)
        for k, value in enumerate([*x[self.measured :], *law.function([*x, *known], p)]):
            out[k] = value
        return out


def runge_kutta(rates: Callable[[Any, Any], Any], x: Any, h: Any, start: Any, middle: Any, end: Any) -> Any:
    """A classical step: `rates` of states x and of what is known at the start, the middle and the end."""
    a = rates(x, start)
    b = rates(x + h / 2 * a, middle)
    c = rates(x + h / 2 * b, middle)
    d = rates(x + h * c, end)
    return x + h / 6 * (a + 2 * b + 2 * c + d)


@dataclass
class Trajectory:
    """One trajectory of n samples."""

    t: np.ndarray  # (n,)
    y: np.ndarray  # samples (n, measured), the smoothed state where missing
    present: np.ndarray  # (n, measured) whether there is a sample
    sigma: np.ndarray  # (n, measured) standard deviation of the noise
    curve: np.ndarray  # (n, states) smoothed without any law
    states: np.ndarray  # (n, states) smoothed, or fitted by a law
    state_scale: np.ndarray  # (n, states) standard deviation of the smoothed states' errors, for broken continuity
    known: Known  # inputs and, smoothed without any law, delayed coordinates

    def columns(self, kind: Kind, states: np.ndarray | None = None) -> np.ndarray:
        """Variables of the terms (n, variables) at the samples."""
        states = self.states if states is None else states
        return np.column_stack([states, self.remembered(kind, self.t, self.known(self.t), states).T])

    def remembered(self, kind: Kind, times: np.ndarray, known: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Known columns (known, *shape) at times (*shape) with the delayed coordinates of states (n, states).

        What came before the trajectory is its smoothed history.
        """
        if not kind.delays:
            return known
        known = known.copy()
        path = make_interp_spline(self.t, states[:, : kind.measured], DEGREE)
        for number, delay in enumerate(kind.delays):
            first = kind.inputs + number * kind.measured
            is_later = times - delay >= self.t[0]
            known[first : first + kind.measured, is_later] = path(times[is_later] - delay).T
        return known

    @property
    def weight(self) -> np.ndarray:
        """One over the noise, 0 without a sample, (n, measured)."""
        return self.present / self.sigma


@dataclass
class Observations:
    """All trajectories of a search."""

    runs: list[Trajectory]
    kind: Kind
    floor: np.ndarray  # (states,) rounding, below which no residual and no defect counts
    seed: int  # of random starts and draws
    substeps: int = 4  # Runge-Kutta steps between two samples

    @property
    def rows(self) -> int:
        """Samples of all trajectories."""
        return sum(len(run.t) for run in self.runs)

    @property
    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """The smallest and the largest values (states,) of the states."""
        states = np.concatenate([run.states for run in self.runs])
        return states.min(axis=0), states.max(axis=0)

    @property
    def counts(self) -> np.ndarray:
        """Samples of each coordinate (measured,)."""
        return sum(run.present.sum(axis=0) for run in self.runs)


def interpolated(t: np.ndarray, columns: Sequence[np.ndarray]) -> Known:
    """Columns of samples as functions of time, between which they keep their monotony."""
    curves = [PchipInterpolator(t, column) for column in columns]
    return lambda times: np.stack([curve(np.clip(times, t[0], t[-1])) for curve in curves])


def no_known(t: np.ndarray) -> np.ndarray:
    """The known columns where there are none, (0, *shape)."""
    return np.zeros((0, *np.shape(t)))
