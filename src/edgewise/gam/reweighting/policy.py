"""Numbers of the iteration of penalised least squares, and its result (`IrlsPolicy`, `IrlsFit`).

References
----------
.. [1] S. N. Wood, Generalized Additive Models, 2nd ed., CRC Press, 2017: penalised IRLS 6.1.1, performance iteration
   6.4, convergence and step halving 6.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgewise.gam.families.base import Family
from edgewise.gam.normal import NormalMatrix
from edgewise.gam.reml import RemlFit

LEAST_INFORMATION = 1e-10  # see `IrlsPolicy`


@dataclass(frozen=True)
class IrlsPolicy:
    """Choices of the iteration.

    Parameters
    ----------
    rounds : int
        Most rounds in which REML chooses the strengths anew: five are usual; performance iteration may cycle, and then
        its last strengths are as good as any of the cycle (Wood [1]_, 6.4). With seven classes 30 rounds took three
        times as long as 10 and predicted fresh rows no better.
    settled : float
        Relative change of the penalised deviance, per row or in all, below which the strengths stay as they are: 1e-5
        of the deviance is far below its standard deviation.
    joint_rounds : int
        As `rounds`, for several predictors, which move together after each round: strengths hardly change after three,
        and a round sums a normal matrix for all predictors.
    later_rounds : int
        As `joint_rounds`, where the fit starts from an estimate of a part of the design: one step from there is what a
        score test takes.
    joint_steps, joint_memory : int
        Most quasi-Newton steps after each round, and pairs of steps that they remember: steps cost a thousandth of a
        round, and 20 are usual; a memory of 5 to 10 is the advice of Liu and Nocedal (Mathematical Programming 45
        (1989) 503).
    joint_tolerance : float
        Relative fall of the penalised deviance in a step that ends them between rounds: strengths need no more.
    reml_steps : int
        Most Newton steps of REML in a round, unless the first round is the whole fit: the approximation moves more than
        the strengths after these.
    steps : int
        Most Newton steps with constant strengths after the rounds: five are usual; classes that are nearly separated
        creep towards the optimum, where fresh rows gain nothing.
    tolerance : float
        Relative change of the penalised deviance that ends them: the error of the coefficients is its root.
    halvings : int
        Most halvings of a step that raises the penalised deviance; 2^-25 of a step is none.
    least_information : float
        The information of a row is at least this share of the largest one, so that eta + score / information is finite:
        the fixed point does not depend on it.
    prior_deviation : float
        Standard deviation, on the scale of eta, that a column of variance one may have at most where the scale is
        known: a Bayesian prior that keeps coefficients finite where classes are separated (Gelman, Jakulin, Pittau and
        Su, Annals of Applied Statistics 2 (2008) 1360, use 2.5 on the scale of two deviations; 10 is weaker).
    """

    rounds: int = 12
    joint_rounds: int = 4
    later_rounds: int = 1
    joint_steps: int = 100
    joint_memory: int = 10
    joint_tolerance: float = 1e-6
    settled: float = 1e-5
    reml_steps: int = 8
    steps: int = 25
    tolerance: float = 1e-10
    halvings: int = 25
    least_information: float = LEAST_INFORMATION
    prior_deviation: float = 10.0

    def of_part(self) -> IrlsPolicy:
        """Return the policy for a part of the rows, of which only predictions with the strengths held are needed."""
        return replace(self, steps=0, tolerance=self.joint_tolerance)


@dataclass(frozen=True)
class IrlsFit:
    """Result of `irls`.

    Attributes
    ----------
    family : Family
        The family with the parameters that it estimated.
    fits : tuple of RemlFit
        One for each linear predictor.
    eta : ndarray
        Linear predictor of the rows, (N,) or (N, K).
    deviance, null_deviance : float
        Weighted sums of the unit deviances of the fit and of a constant, with the family's final parameters.
    rounds, steps : int
        Rounds with REML and Newton steps after them.
    converged : bool
        Whether the last step changed the penalised deviance by less than the tolerance.
    limits : (float, float)
        Range of eta at the rows, beyond which no prediction through an exponential goes.
    weights, residual : ndarray of shape (N, K)
        Working weights and working residuals of the last step.
    normal : NormalMatrix
        Normal matrix of the last step, of the first predictor.
    """

    family: Family
    fits: tuple[RemlFit, ...]
    eta: np.ndarray
    deviance: float
    null_deviance: float
    rounds: int
    steps: int
    converged: bool
    limits: tuple[float, float]
    weights: np.ndarray
    residual: np.ndarray
    normal: NormalMatrix

    @property
    def explained(self) -> float:
        """Share of the null deviance that the fit explains."""
        if self.null_deviance > 0:
            return 1 - self.deviance / self.null_deviance
        return 0.0
