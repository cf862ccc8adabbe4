"""Trajectories of a law from given starts: many at once for judging, one to tolerance for a forecast."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp

from edgewise.dynamics.terms import Law
from edgewise.dynamics.trajectories import Kind, Known, no_known, runge_kutta
from edgewise.outcomes import check_time, spend


class _Lost(Exception):
    """Raised where an integration does not come to its end."""


def accurate(law: Law, kind: Kind, start: np.ndarray, t: np.ndarray, known: Known) -> np.ndarray:
    """States (n, states) at times t (n,) to tolerance; NaN after a blow-up. Flows without delays."""
    out = np.full((len(t), kind.states), np.nan)
    theta = law.theta
    left = [20_000]  # evaluations: a stiff trajectory takes hundreds, a lost one any number

    def slopes(time: float, x: np.ndarray) -> np.ndarray:
        left[0] -= 1
        if left[0] < 0:
            raise _Lost
        return kind.rates(law, x, known(np.asarray(time)), theta)

    def leaves(time: float, x: np.ndarray) -> float:
        return limit - np.abs(x).max()

    leaves.terminal = True  # type: ignore[attr-defined]
    limit = 1e6 * (1 + np.abs(start).max())
    with np.errstate(all="ignore"):
        try:
            path = solve_ivp(slopes, (t[0], t[-1]), start, "LSODA", t_eval=t, rtol=1e-8, atol=1e-10, events=leaves)
        except (_Lost, ValueError, OverflowError, ZeroDivisionError):
            return out
    out[: path.y.shape[1]] = path.y.T
    return out


def together(
    law: Law,
    kind: Kind,
    starts: np.ndarray,
    t: np.ndarray,
    *,
    theta: np.ndarray | None = None,
    substeps: int = 4,
    known: Known = no_known,
) -> np.ndarray:
    """States (n, S, states) of S starts (S, states) at times t (n,), constants (p,) or (p, S); not finite where lost.

    Runge and Kutta's method with fixed steps between the times, the method of steps for delays, whose history before
    the start is constant.
    """
    p = law.theta[:, None] if theta is None else theta
    out = np.empty((len(t), *starts.shape))
    out[0] = starts
    m = kind.measured
    spend(20.0 * len(t) * starts.size * substeps * (1 + len(p)))

    def at(time: float, filled: int) -> list[np.ndarray]:
        """The known columns."""
        earlier = [_history(out[:filled, :, :m], t[:filled], time - delay) for delay in kind.delays]
        return [*known(np.asarray(time))[: kind.inputs], *(column for states in earlier for column in states.T)]

    def rates(x: np.ndarray, columns: list[np.ndarray]) -> np.ndarray:
        return kind.rates(law, x, columns, p)

    with np.errstate(all="ignore"):
        x = starts.T
        for place in range(1, len(t)):
            check_time()
            if kind.is_map:
                x = rates(x, at(t[place - 1], place))
            else:
                h = (t[place] - t[place - 1]) / substeps
                for step in range(substeps):
                    time = t[place - 1] + step * h
                    x = runge_kutta(rates, x, h, at(time, place), at(time + h / 2, place), at(time + h, place))
            out[place] = x.T
            if not np.isfinite(x).any():
                # Every start is lost, and no later state comes back
                out[place:] = np.nan
                break
    return out


def _history(out: np.ndarray, t: np.ndarray, time: float) -> np.ndarray:
    """States (S, measured) at an earlier time, between those computed so far (n, S, measured)."""
    place = int(np.clip(np.searchsorted(t, time) - 1, 0, max(len(t) - 2, 0)))
    if time <= t[0] or len(t) == 1:
        return out[0]
    share = min((time - t[place]) / (t[place + 1] - t[place]), 1.0)
    return (1 - share) * out[place] + share * out[place + 1]
