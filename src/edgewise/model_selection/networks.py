"""Small networks of few inputs, which replace an additive model where a compact law is behind the rows."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from edgewise.nn.layers.initial import seed_of_start
from edgewise.nn.model import KAN
from edgewise.outcomes import StopReason
from edgewise.train.grids import adapt_domain_
from edgewise.train.loop.reports import FitReport
from edgewise.train.penalties import Penalty
from edgewise.train.problems.regression import Regression
from edgewise.train.smoothing import TRIAL_PLAN, gcv_of, penalty_of, short_fit, smooth_fit

GRID = 6  # knot intervals of every edge; a choice: smoothing strengths hold what the rows do not ask for
NETWORK_STARTS, SHORT_STEPS = 8, 12  # short starts, and the steps of each; choices: a step takes some milliseconds


@dataclass(frozen=True, eq=False)
class SmallNetwork:
    """A trained network with one hidden layer.

    Parameters
    ----------
    model : KAN
    report : FitReport
        Report of its last fit.
    gcv : float
        Generalised cross-validation, an estimate of its loss on other rows.
    start : KAN
        The start that was trained, for fits to parts of the rows.
    """

    model: KAN
    report: FitReport
    gcv: float
    start: KAN

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs (N, m) at rows (N, n)."""
        with torch.no_grad():
            return self.model(torch.from_numpy(np.ascontiguousarray(x))).numpy()

    @property
    def penalty(self) -> Penalty | None:
        """The penalty with the strengths that were found."""
        return penalty_of(self.report)


def train_network(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    nodes: int,
    *,
    seed: int = 0,
    start: KAN | None = None,
    watch: Callable[[], None] | None = None,
) -> SmallNetwork | None:
    """Train a network [n, nodes, m] by least squares, with smoothing strengths that the rows determine.

    The best of several short starts is trained by Levenberg-Marquardt, and the strength of every edge estimated from
    the marginal likelihood [1]_ in turn.

    Parameters
    ----------
    x, y, weight : ndarray
        Rows (N, n), targets (N, m) of variance about 1, and weights (N,).
    nodes : int
        Hidden nodes.
    seed : int
        Seed of the starts.
    start : KAN, optional
        The start that is trained, in place of the best of several.
    watch : callable, optional
        Called between steps; it may raise to end the work.

    Returns
    -------
    SmallNetwork or None
        None where no training gave finite values.

    References
    ----------
    .. [1] S. Wood and M. Fasiolo, Biometrics 73 (2017) 1071.

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    >>> network = train_network(x, np.exp(x.sum(1, keepdims=True)) / 4, np.ones(60), 1)
    >>> network(x).shape, network.gcv < 0.01
    ((60, 1), True)
    """
    rows, targets, weights = (torch.from_numpy(np.ascontiguousarray(part)) for part in (x, y, weight))
    problem = Regression(rows, targets, weight=weights)
    watch = watch or (lambda: None)
    if start is None:
        lowest = math.inf
        for number in range(NETWORK_STARTS):
            watch()
            own, width = seed_of_start(seed, number), [x.shape[1], nodes, y.shape[1]]
            model = KAN(width, GRID, 3, base="zero", seed=own, dtype=torch.float64)
            loss = short_fit(model, problem, SHORT_STEPS).loss
            if loss < lowest:
                start, lowest = model, loss
        if start is None:
            return None
    model = copy.deepcopy(start)
    report = smoothed(model, problem, watch)
    if report.stopped == StopReason.NONFINITE:
        return None
    return SmallNetwork(model, report, gcv_of(model, problem, report), start)


def smoothed(model: KAN, problem: Regression, watch: Callable[[], None]) -> FitReport:
    """Train a network, in place, with smoothing strengths that the rows determine.

    The domain of the second layer moves to the values of the nodes; that of the first lies on the data already.
    """
    return smooth_fit(
        model,
        problem,
        TRIAL_PLAN,
        adapt=lambda model, problem: adapt_domain_(model, problem.train.x, hidden_only=True),
        progress=lambda at: watch(),
    )
