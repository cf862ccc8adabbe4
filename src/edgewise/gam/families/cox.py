"""Proportional hazards with censoring: Cox's partial likelihood, its baseline hazard and its information.

Wood, Generalized Additive Models (2nd ed.), section 3.1.10, on the model for survival data.

References
----------
.. [1] D. R. Cox, "Regression models and life-tables", JRSS B 34 (1972), 187-220.
.. [2] N. E. Breslow, "Covariance analysis of censored survival data", Biometrics 30 (1974), 89-99.
.. [3] B. Efron, "The efficiency of Cox's likelihood function for censored data", JASA 72 (1977), 557-565.
.. [4] T. M. Therneau and P. M. Grambsch, Modeling Survival Data, Springer, 2000: ties and information, chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from edgewise.checks import is_one_of
from edgewise.errors import InputError
from edgewise.gam.families.base import Family, exponential
from edgewise.presentation import typed_text

TIES = ("breslow", "efron")


@dataclass(frozen=True, eq=False)
class RiskSets:
    """Rows in descending order of time, grouped by equal times, and the events, one entry each.

    Efron's method takes, for the l-th of m events at one time, the share l / m of those events out of the risk set;
    Breslow's takes nothing out.
    """

    order: np.ndarray  # (N,), rows in descending order of time
    group: np.ndarray  # (N,), number of the time of each row, in its own order; the latest time is 0
    # (groups,), places in `order` of the last row of each group: the rows up to there are at risk at its time
    ends: np.ndarray
    event: np.ndarray  # (N,), events (0 or 1) and weights of the rows
    weight: np.ndarray
    # (E,), group of each event, the share of its group's events that is taken out of the risk set, and its weight
    at: np.ndarray
    share: np.ndarray
    mass: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, weight: np.ndarray, ties: str) -> RiskSets:
        """Build the risk sets of y (N, 2), time and event."""
        time, event = y.T
        order = np.argsort(-time, kind="stable")
        times, group = np.unique(-time, return_inverse=True)
        ends = np.cumsum(np.bincount(group)) - 1
        dies = (event > 0) & (weight > 0)
        count = np.bincount(group[dies], minlength=len(times))
        mass = np.bincount(group[dies], weight[dies], minlength=len(times))
        at = np.repeat(np.arange(len(times)), count)
        number = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
        share = np.zeros(len(at))
        if ties == "efron":
            share = number / count[at]
        return cls(order, group, ends, event, weight, at, share, mass[at] / count[at])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums of values (N,) over the risk set of each event, (E,)."""
        at_risk = np.cumsum(values[self.order])[self.ends]
        dying = np.bincount(self.group, values * self.event, len(self.ends))
        return at_risk[self.at] - self.share * dying[self.at]

    def hazards(self, risk: np.ndarray) -> np.ndarray:
        """Cumulative baseline hazard that each row of risk exp(eta) has met, (N,); less at the row's own event."""
        rate = self.mass / self.sums(self.weight * risk)
        steps = np.bincount(self.at, rate, len(self.ends))
        reduced = np.bincount(self.at, rate * self.share, len(self.ends))
        reached = np.cumsum(steps[::-1])[::-1]  # from the earliest time, which is the last group, to each group
        return reached[self.group] - self.event * reduced[self.group]


@dataclass(frozen=True)
class Cox(Family):
    """Times until an event, some of them censored: the hazard is baseline(t) * exp(eta).

    y has shape (N, 2): time, and 1 for an event or 0 where the row was censored. A constant in eta belongs to the
    baseline, so eta is shifted to a mean of zero. The score of a row is its martingale residual, and the information
    of the rows is not diagonal: `shared_information` gives what is to be subtracted. `ties` is "breslow" or "efron",
    how events at equal times share a risk set; with Breslow's method a weight of 2 is the same as the row twice.

    Examples
    --------
    >>> y = np.array([[1.0, 1.0], [2.0, 0.0], [3.0, 1.0]])
    >>> Cox().deviance(y, np.zeros(3)).round(3).tolist()
    [2.197, 0.0, 0.0]
    """

    ties: str = "breslow"
    sets: RiskSets | None = None
    name = "cox"
    link_name = "log"
    loss_name = "half partial deviance"
    has_mean = False
    is_sum_of_rows = False

    @property
    def free_constants(self) -> int:
        return 0  # the baseline has it

    def __post_init__(self) -> None:
        if not is_one_of(self.ties, TIES):
            raise InputError(f"ties must be 'breslow' or 'efron', got {self.ties!r}")

    def prepared(self, y: np.ndarray, weight: np.ndarray) -> Self:
        return replace(self, sets=RiskSets.of(y, weight, self.ties))

    def _sets(self, y: np.ndarray) -> RiskSets:
        if self.sets is not None:
            return self.sets
        return RiskSets.of(y, np.ones(len(y)), self.ties)

    def checked(self, y: np.ndarray) -> np.ndarray:
        y = np.asarray(y, dtype=np.float64)
        if y.ndim != 2 or y.shape[1] != 2 or not len(y):
            raise InputError(f"y must have shape (N, 2), time and event, got {y.shape}")
        if not np.isfinite(y).all() or y[:, 0].min() < 0:
            raise InputError("the times in y must be finite and at least 0, got others")
        if not np.isin(y[:, 1], (0, 1)).all():
            raise InputError(f"the events in y must be 0 or 1, got {typed_text(y[~np.isin(y[:, 1], (0, 1)), 1][0])}")
        if not y[:, 1].any():
            raise InputError("y must have at least one event, got only censored rows")
        return y

    def derivatives(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sets = self._sets(y)
        risk = exponential(eta - eta.max())
        expected = risk * sets.hazards(risk)
        return sets.event - expected, expected

    def shared_information(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> RiskSetMeans:
        """Return the accumulator of what the diagonal information of `derivatives` has too much."""
        return RiskSetMeans(self._sets(y), exponential(eta - eta.max()))

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        sets = self._sets(y)
        largest = eta.max()
        logs = np.log(sets.sums(sets.weight * exponential(eta - largest))) + largest
        total = np.bincount(sets.at, sets.mass * logs, len(sets.ends))
        mass = np.bincount(sets.at, sets.mass, len(sets.ends))
        mean = np.divide(total, mass, out=np.zeros_like(total), where=mass > 0)
        return np.where(sets.event > 0, 2 * (mean[sets.group] - eta), 0.0)

    def baseline(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the times of events, ascending, and the cumulative baseline hazard just after them.

        Breslow's estimate [2]_, or with Efron's ties that of [3]_.
        """
        sets = self._sets(y)
        rate = sets.mass / sets.sums(sets.weight * exponential(eta))
        steps = np.bincount(sets.at, rate, len(sets.ends))
        used = np.unique(sets.at)[::-1]
        return y[sets.order[sets.ends[used]], 0], np.cumsum(steps[used])

    def final_shift(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> tuple[float, Self]:
        return -float(np.average(eta, weights=weight)), self


class RiskSetMeans:
    """Sum over the events of mass * m m', m the mean of some columns over the event's risk set.

    The information of the partial likelihood is X' D X minus this matrix, D the diagonal that `Cox.derivatives` gives:
    the sum over events of the covariance of the columns within the risk set [4]_. The columns are added part by part,
    in the order of `RiskSets.order`, so that not all of them need be in memory.
    """

    def __init__(self, sets: RiskSets, risk: np.ndarray) -> None:
        self.sets = sets
        self.order = sets.order
        self._risk = (sets.weight * risk)[sets.order]
        self._event = sets.event[sets.order]
        self._total = sets.sums(sets.weight * risk)
        self._at_risk: Any = 0.0  # sums of columns over the rows so far
        self._dying: Any = 0.0  # the same over those with an event
        self._dying_before: Any = 0.0  # at the end of the group before
        self._place = 0
        self.matrix: Any = 0.0

    def add(self, columns: np.ndarray) -> None:
        """Add the columns (n, p) of the next n rows in the order of the risk sets."""
        sets = self.sets
        rows = slice(self._place, self._place + len(columns))
        # Running sums down the risk sets: of all rows at risk, and of the rows that die.
        at_risk = self._at_risk + np.cumsum(self._risk[rows, None] * columns, axis=0)
        dying = self._dying + np.cumsum((self._risk * self._event)[rows, None] * columns, axis=0)
        # The sums at the ends of those risk sets that these rows complete.
        groups = slice(*np.searchsorted(sets.ends, (rows.start, rows.stop)))
        ends = sets.ends[groups] - self._place
        risk_sums = at_risk[ends]
        dying_ends = np.concatenate([np.broadcast_to(self._dying_before, (1, columns.shape[1])), dying[ends]])
        # The weighted mean of the columns over each event's risk set; by Efron's rule each of several deaths at one
        # moment has lost a share of the dying rows.
        events = slice(*np.searchsorted(sets.at, (groups.start, groups.stop)))
        at = sets.at[events] - groups.start
        mean = risk_sums[at] - sets.share[events, None] * np.diff(dying_ends, axis=0)[at]
        mean *= (np.sqrt(sets.mass[events]) / self._total[events])[:, None]
        # Their cross products are what the information loses to the conditioning on risk sets.
        self.matrix = self.matrix + mean.T @ mean
        # What the next rows go on from.
        self._at_risk = at_risk[-1]
        self._dying = dying[-1]
        self._dying_before = dying_ends[-1]
        self._place = rows.stop
