"""Any loss on the additive core: penalised iteratively reweighted least squares, with REML in every round (`irls`).

References
----------
.. [1] S. N. Wood, Generalized Additive Models, 2nd ed., CRC Press, 2017: penalised IRLS 6.1.1, performance iteration
   6.4, convergence and step halving 6.2.
.. [2] P. J. Green, "Iteratively reweighted least squares for maximum likelihood estimation, and some robust and
   resistant alternatives", JRSS B 46 (1984), 149-192.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from edgewise.errors import InputError
from edgewise.gam.design import Design
from edgewise.gam.families.base import Family
from edgewise.gam.reweighting.needed import NeededColumns
from edgewise.gam.reweighting.policy import IrlsFit, IrlsPolicy
from edgewise.gam.reweighting.several import SeveralState
from edgewise.gam.reweighting.state import State
from edgewise.gam.reweighting.working import working_normal
from edgewise.gam.solving import Solution, with_strengths


def irls(
    design: Design,
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    family: Family,
    before: Solution | None = None,
    policy: IrlsPolicy | None = None,
    factor: float | None = None,
) -> IrlsFit:
    """Fit the columns of a design to y by penalised likelihood, with strengths by REML.

    A round replaces the log likelihood by its quadratic approximation at the present eta, a weighted least-squares
    problem whose strengths and coefficients `reml` finds, and moves towards these coefficients, by half as far as often
    as it takes for the penalised deviance not to rise. When the strengths have settled they are held, and Newton's
    method runs to convergence. Several predictors share strengths and normal matrix, and move to their common optimum
    after each round, see `SeveralState`.

    Parameters
    ----------
    design : Design
        Columns of which the first is constant, and their groups.
    x : ndarray
        Rows, in the form that the design takes.
    y : ndarray
        Responses that `family.checked` has returned.
    weight : ndarray of shape (N,)
        Nonnegative weights, which count repeats.
    family : Family
        The loss.
    before : Solution, optional
        Estimate of another design of the same rows by the same family, to start from.
    policy : IrlsPolicy, optional
        Numbers of the iteration.
    factor : float, optional
        Hold the strengths at so many times those of `before`, which then is an estimate of this very design.

    Returns
    -------
    IrlsFit
        The fit.
    """
    policy = policy or IrlsPolicy()
    several = family.predictors > 1
    if several and design.constraints is not None and design.constraints.has_inequalities:
        raise InputError(f"constraints must be none on curves for several classes, got {design.constraints!r}")
    kind = SeveralState if several else State
    state = kind(design, x, y, weight, family.prepared(y, weight), policy, before)
    if before is not None:
        state.start_from(before)
    rounds = 0
    settled = factor is not None
    if not several:
        most = policy.rounds
    elif before is None:
        most = policy.joint_rounds
    else:
        most = policy.later_rounds
    if before is not None and factor is not None:
        state.hold(before, factor)
    while rounds < most and not settled:
        rounds += 1
        settled = state.round(choose=True) <= policy.settled or family.quadratic
        if isinstance(state, SeveralState):
            state.move_together(policy.joint_tolerance)
    steps = 0
    converged = family.quadratic
    if isinstance(state, SeveralState):
        if factor is not None:
            state.round(choose=False)  # for the metric
        steps, converged = state.move_together(policy.tolerance)
    while steps < policy.steps and not converged:
        steps += 1
        converged = state.round(choose=False) <= policy.tolerance
    return state.result(rounds, steps, converged)


def separate_fits(design: Design, x: np.ndarray, y: np.ndarray, weight: np.ndarray, before: Solution) -> Solution:
    """Return a fit of several predictors with the covariance of each by its own information.

    While they are fitted they share one normal matrix; for tests and bands each predictor has the weights p (1 - p) of
    its class, at the same coefficients and strengths.

    Parameters
    ----------
    design, x, y, weight
        As for `irls`.
    before : Solution
        Fit of this design.
    """
    family = before.family
    fits = []
    if family is None or family.predictors < 2 or not before.fits[0].is_shared:
        return before
    keep = (design.groups < 0) | (np.diag(before.fits[0].covariance) > 0)
    needed = NeededColumns(design, x, None, design.policy.steps, keep)
    eta = needed.predictors(before.coef.T)
    rows = np.arange(len(x))
    for k, fit in enumerate(before.fits):
        normal = working_normal(needed, rows, y, weight, family, eta, k)[0].embedded(keep)
        fits.append(replace(with_strengths(normal, design, fit, fit.strength, family.scale), coef=fit.coef))
    return replace(before, fits=tuple(fits))


@dataclass(frozen=True)
class FamilySolver:
    """Solver of an additive model for one family: what `fit_additive` takes as its `family`.

    Parameters
    ----------
    family : Family
        The loss.
    policy : IrlsPolicy
        Numbers of the iteration.

    Examples
    --------
    >>> from edgewise.gam import fit_additive
    >>> from edgewise.gam.families import Poisson
    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((300, 2))
    >>> y = rng.poisson(np.exp(1 + np.sin(6 * x[:, 0])))
    >>> model = fit_additive(x, y, family=FamilySolver(Poisson()), pairs=())
    >>> bool(abs(model.predict_link(x)[:, 0] - 1 - np.sin(6 * x[:, 0])).mean() < 0.15)
    True
    """

    family: Family
    policy: IrlsPolicy = field(default_factory=IrlsPolicy)

    def solve(
        self, design: Design, x: np.ndarray, y: np.ndarray, weight: np.ndarray, before: Solution | None
    ) -> Solution:
        """Estimate a design, see `solving.Solver`; y is (N, 1), or (N, 2) for times and events."""
        one = self.family.checked(y[:, 0] if y.shape[1] == 1 else y)
        fit = irls(design, x, one, weight, self.family, before, self.policy)
        return Solution(design, fit.fits, fit.weights, fit.residual, fit.normal, fit.family)
