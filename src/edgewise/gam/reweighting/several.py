"""The iteration for several predictors, which share one normal matrix and move together (`SeveralState`)."""

from __future__ import annotations

from collections import deque

import numpy as np

from edgewise.gam.normal import NormalMatrix
from edgewise.gam.reweighting.state import SMALL_DEVIANCE, State
from edgewise.gam.reweighting.working import shared_normal
from edgewise.gam.solving import two_loops
from edgewise.settings import ABOVE_ZERO

LEAST_FALL = 1e-4  # share of the fall that the slope promises (Nocedal and Wright, Numerical Optimization, 3.1)


class SeveralState(State):
    """Coefficients, linear predictors and strengths of the classes of a multinomial likelihood.

    All predictors share their strengths, so a curve is as wiggly for one class as for another, and the evidence of all
    classes on it is pooled; and they share one normal matrix, see `shared_normal`.
    """

    def _approximated(self) -> NormalMatrix:
        rows = np.arange(len(self.x))
        return shared_normal(self.needed, rows, self.y, self.weight, self.family, self.eta)

    def move_together(self, tolerance: float) -> tuple[int, bool]:
        """Minimise the penalised deviance in all predictors with the strengths held; return steps and convergence.

        Quasi-Newton steps of limited memory (Nocedal, Mathematics of Computation 35 (1980) 773) whose first metric is
        the shared normal matrix. No normal matrix is summed.
        """
        assert self.fit is not None
        keep = self.needed.keep
        metric = self.fit.covariance[np.ix_(keep, keep)]
        ridge = self.fit.ridge(self.design.groups)[keep]
        coefs = self.coefs[:, keep]
        eta = self.eta
        memory: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=self.policy.joint_memory)
        value = self.deviance(eta) + (ridge * coefs**2).sum()
        slope = self._slope(coefs, eta, ridge)
        for step in range(self.policy.joint_steps):
            if self.needed.watch is not None:
                self.needed.watch()
            direction = -two_loops(slope, memory, metric)
            moved = self.needed.etas(direction)
            for halving in range(self.policy.halvings + 1):
                share = 0.5**halving
                new = coefs + share * direction
                new_eta = eta + share * moved
                after = self.deviance(new_eta) + (ridge * new**2).sum()
                if after <= value + 2 * LEAST_FALL * share * (slope * direction).sum():
                    break
            else:
                return self._arrived(coefs, eta, step, True)
            new_slope = self._slope(new, new_eta, ridge)
            fall = value - after
            change = new - coefs
            bend = new_slope - slope
            if (change * bend).sum() > 0:
                memory.append((change, bend))
            coefs = new
            eta = new_eta
            value = after
            slope = new_slope
            if fall <= tolerance * (value + SMALL_DEVIANCE * self.null_deviance):
                return self._arrived(coefs, eta, step + 1, True)
        return self._arrived(coefs, eta, self.policy.joint_steps, False)

    def _arrived(self, coefs: np.ndarray, eta: np.ndarray, steps: int, converged: bool) -> tuple[int, bool]:
        """Take over the coefficients (K, needed columns) and predictors of `move_together`."""
        self.coefs[:, self.needed.keep], self.eta = coefs, eta
        return steps, converged

    def _last_working(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights p (1 - p) of each class, and score over information, at the present predictors."""
        score, information = self.family.derivatives(self.y, self.shaped())
        own = np.maximum(information, self.policy.least_information * information.max(axis=0) + ABOVE_ZERO)
        return self.weight[:, None] * own, score / own

    def _slope(self, coefs: np.ndarray, eta: np.ndarray, ridge: np.ndarray) -> np.ndarray:
        """Half the derivative of the penalised deviance by the coefficients (K, needed columns)."""
        score = self.weight[:, None] * self.family.derivatives(self.y, self.shaped(eta))[0]
        total = ridge * coefs
        rows = np.arange(len(self.x))
        if self.needed.values is not None:
            return np.asarray(total - score.T @ self.needed.values)
        for part in self.needed.chunks(len(self.x)):
            total -= score[part].T @ self.needed.columns(rows[part])
        return total
