"""Any loss on the additive core: penalised iteratively reweighted least squares, with REML in every round (`irls`).

References
----------
.. [1] S. N. Wood, Generalized Additive Models, 2nd ed., CRC Press, 2017: penalised IRLS 6.1.1, performance iteration
   6.4, convergence and step halving 6.2.
.. [2] P. J. Green, "Iteratively reweighted least squares for maximum likelihood estimation, and some robust and
   resistant alternatives", JRSS B 46 (1984), 149-192.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgewise.model_selection.additive.columns.design import Design
from edgewise.model_selection.additive.families.base import Family
from edgewise.model_selection.additive.likelihood import RemlFit
from edgewise.model_selection.additive.normal import NormalMatrix, normal_matrix
from edgewise.model_selection.additive.solving import Solution, estimate, expanded, two_loops, with_strengths

# Numbers of columns that stay in memory during the iteration, 256 MB; a choice.
MOST_NUMBERS_KEPT = 1 << 25
ROUNDING = 1e-13  # share of the penalised deviance by which a step may raise it; a choice, 450 units of the last place
LEAST_FALL = 1e-4  # share of the fall that the slope promises (Nocedal and Wright, Numerical Optimization, 3.1)
LEAST_INFORMATION = 1e-10  # see `IrlsPolicy`
SMALL_DEVIANCE = 1e-8  # share of the null deviance below which a deviance is compared with this share; a choice


@dataclass(frozen=True)
class IrlsPolicy:
    """Choices of the iteration.

    Parameters
    ----------
    rounds : int
        Most rounds in which REML chooses the strengths anew. A choice: five are usual; performance iteration may cycle,
        and then its last strengths are as good as any of the cycle (Wood [1]_, 6.4). With seven classes 30 rounds took
        three times as long as 10 and predicted fresh rows no better.
    settled : float
        Relative change of the penalised deviance, per row or in all, below which the strengths stay as they are. A
        choice: 1e-5 of the deviance is far below its standard deviation.
    joint_rounds : int
        The same for several predictors, which move together after each round. A choice: strengths hardly change after
        three, and a round sums a normal matrix for each predictor.
    later_rounds : int
        The same where an estimate of a part of the design is there to start from. A choice: one step from there is what
        a score test takes.
    joint_steps, joint_memory : int
        Most quasi-Newton steps after each round, and pairs of steps that they remember. Choices: steps cost a
        thousandth of a round, and 20 are usual; a memory of 5 to 10 is the advice of Liu and Nocedal (Mathematical
        Programming 45 (1989) 503).
    joint_tolerance : float
        Relative fall of the penalised deviance in a step that ends them between rounds. A choice: strengths need no
        more.
    reml_steps : int
        Most Newton steps of REML in a round, unless the first round is the whole fit. A choice: the approximation moves
        more than the strengths after these.
    steps : int
        Most Newton steps with constant strengths after that. A choice: five are usual; classes that are nearly
        separated creep towards the optimum, where fresh rows gain nothing.
    tolerance : float
        Relative change of the penalised deviance that ends them. A choice: the error of the coefficients is its root.
    halvings : int
        Most halvings of a step that raises the penalised deviance; a choice, 2^-25 of a step is none.
    least_information : float
        The information of a row is at least this share of the largest one, so that eta + score / information is
        finite. A choice: the fixed point does not depend on it.
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
        return 1 - self.deviance / self.null_deviance if self.null_deviance > 0 else 0.0


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
    as it takes for the penalised deviance not to rise. With several predictors the rounds go through them in turn.
    When the strengths have settled they are held, and Newton's method runs to convergence. Several predictors move
    together after each round, see `_State.move_together`.

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
    state = _State(design, x, y, weight, family.prepared(y, weight), policy, before)
    if before is not None:
        state.start_from(before)
    rounds, settled = 0, factor is not None
    several = family.predictors > 1
    most = policy.rounds if not several else policy.joint_rounds if before is None else policy.later_rounds
    if before is not None and factor is not None:
        state.fits = [replace(fit, strength=factor * fit.strength) for fit in before.fits]
        state.normal = before.normal
    while rounds < most and not settled:
        rounds += 1
        settled = state.round(choose=True) <= policy.settled or family.quadratic
        if several:
            state.move_together(policy.joint_tolerance)
    steps, converged = 0, family.quadratic
    if several:
        steps, converged = state.move_together(policy.tolerance)
        if factor is not None and policy.steps:
            state.round(choose=False)  # for the covariance
    while steps < policy.steps and not converged:
        steps += 1
        converged = state.round(choose=False) <= policy.tolerance
    return state.result(rounds, steps, converged)


def working_normal(
    design: Any,
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    family: Family,
    eta: np.ndarray,
    k: int = 0,
    least: float = LEAST_INFORMATION,
) -> tuple[NormalMatrix, np.ndarray, np.ndarray]:
    """Sum the normal matrix of the quadratic approximation of a log likelihood in predictor k.

    Parameters
    ----------
    design : Design
        The columns, or an object with `groups`, `columns` and `chunks`.
    x, y, weight : ndarray
        Rows, responses and weights.
    family : Family
        The loss, prepared for y and the weights.
    eta : ndarray of shape (N, K)
        Linear predictors.
    k : int
        The predictor.
    least : float
        The information of a row is at least this share of the largest one.

    Returns
    -------
    normal : NormalMatrix
        Normal matrix of the working response eta + residual.
    weights, residual : ndarray of shape (N,)
        Working weights and working residuals.
    """
    shaped = eta if eta.shape[1] > 1 else eta[:, 0]
    score, information = (part.reshape(len(y), -1)[:, k] for part in family.derivatives(y, shaped))
    information = np.maximum(information, least * information.max() + 1e-300)
    residual, weights, rows = score / information, weight * information, float(weight.sum())
    normal = normal_matrix(design, x, weights, eta[:, k] + residual, rows)
    shared = family.shared_information(y, shaped)
    if shared is None:
        return normal, weights, residual
    for part in design.chunks(len(x)):
        at = shared.order[part]
        shared.add(np.column_stack([design.columns(x[at]), eta[at]]))
    gram, moment = normal.gram - shared.matrix[:-1, :-1], normal.moment - shared.matrix[:-1, -1:]
    gram[0, 0] = rows  # the data say nothing about the constant, which then is zero
    gram[0, 1:] = gram[1:, 0] = moment[0] = 0.0
    return NormalMatrix(gram, moment, normal.square - shared.matrix[-1, -1], rows), weights, residual


def null_deviance(family: Family, y: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted deviance of the best constant, with the parameters that the family has."""
    start = np.atleast_1d(np.asarray(family.start(y, weight), float))
    eta = np.tile(start, (len(y), 1)) if len(start) > 1 else np.full(len(y), start[0])
    plain = family.adapted(y, eta, weight) if family.adapts_exactly else family
    return float(weight @ plain.deviance(y, eta))


class _NeededColumns:
    """The columns of a design that its curves need so far, kept in memory if they are few numbers.

    It takes numbers of rows where a design takes rows, and has what `normal_matrix` and `estimate` ask of a design.
    """

    def __init__(self, design: Design, x: np.ndarray, before: Solution | None, steps: int) -> None:
        self.design, self.x = design, x
        self.rivals, self.chunks, self.watch = design.rivals, design.chunks, design.watch
        self.constraints = None
        self.count = int(design.groups.max(initial=-1)) + 1
        self.policy = replace(design.policy, first_wiggly=len(design.groups), steps=steps)  # all that are here
        # Columns of each group; the last is for columns without a group.
        self.most = np.full(self.count + 1, design.policy.first_wiggly)
        constrained = design.constraints is not None and design.constraints.has_inequalities
        if constrained:  # inequalities are those of all B-splines
            self.most[:] = len(design.groups)
        elif before is not None:
            edf = np.max([self._edf(before, fit) for fit in before.fits], axis=0)
            while (small := edf > self.most[: self.count] / 2).any():
                self.most[: self.count][small] *= 2
        self._choose()

    def _edf(self, before: Solution, fit: RemlFit) -> np.ndarray:
        """Effective degrees of freedom of another design's groups, for the groups of the same label here."""
        place = {label: number for number, label in enumerate(before.design.labels)}
        found = np.array([place.get(label, -1) for label in self.design.labels], int)
        return np.append(fit.edf, 0.0)[found]

    def _choose(self) -> None:
        self.keep = self.design.ranks < self.most[self.design.groups]
        self.groups, self.ranks = self.design.groups[self.keep], self.design.ranks[self.keep]
        self.values: np.ndarray | None = None
        if len(self.x) * int(self.keep.sum()) <= MOST_NUMBERS_KEPT:
            values = np.empty((len(self.x), int(self.keep.sum())))
            for part in self.chunks(len(self.x)):
                values[part] = self.design.columns(self.x[part])[:, self.keep]
            self.values = values

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """Return the columns at rows of these numbers."""
        return self.design.columns(self.x[rows])[:, self.keep] if self.values is None else self.values[rows]

    def predictor(self, coef: np.ndarray) -> np.ndarray:
        """Return the linear predictor (N,) of coefficients of all columns of the design."""
        if self.values is not None and not coef[~self.keep].any():
            return self.values @ coef[self.keep]
        return self.design.link(coef[:, None], self.x)[:, 0]

    def grow(self, edf: np.ndarray) -> bool:
        """Take more columns for curves that use half of theirs, as `estimate` does; return whether any does."""
        held = np.bincount(self.design.groups[~self.keep] + 1, minlength=self.count + 1)[1:]
        more = (edf > self.most[: self.count] / 2) & (held > 0)
        self.most[: self.count][more] *= 2
        if more.any():
            self._choose()
        return bool(more.any())


class _State:
    """Coefficients, linear predictors and strengths during the iteration."""

    def __init__(
        self,
        design: Design,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        family: Family,
        policy: IrlsPolicy,
        before: Solution | None = None,
    ) -> None:
        self.design, self.x, self.y, self.weight, self.policy = design, x, y, weight, policy
        steps = design.policy.steps if family.quadratic else policy.reml_steps
        self.needed = _NeededColumns(design, x, before, steps)
        constants = np.atleast_1d(np.asarray(family.start(y, weight), float))
        if design.constraints is not None:  # every step leads from here towards what obeys them
            constants = design.constraints.bounded(constants)
        self.coefs = np.zeros((len(constants), len(design.groups)))
        self.coefs[:, 0] = constants
        self.eta = np.tile(constants, (len(y), 1))
        self.family = family
        self.family = family.adapted(y, self.shaped(), weight)
        self.strengths: list[np.ndarray | None] = [None] * len(constants)
        self.fits: list[RemlFit | None] = [None] * len(constants)
        self.null_deviance = self.deviance()
        self.normal: NormalMatrix | None = None
        self.working: list[list[np.ndarray]] = [[] for _ in constants]
        self.least_strength: np.ndarray | None = None

    def start_from(self, before: Solution) -> None:
        """Take strengths and coefficients over from the estimate of another design, where parts are the same."""
        design, old = self.design, before.design
        self.strengths = list(before.starts(design))
        if design.curves is not old.curves:
            return
        self.coefs[:, : design.mains] = before.coef[: design.mains].T
        for number, part in enumerate(design.pairs):
            for place, other in enumerate(old.pairs):
                if part is other:
                    own = design.columns_of_pair(number)
                    self.coefs[:, own] = before.coef[old.columns_of_pair(place)].T
        self.eta = np.stack([self.needed.predictor(coef) for coef in self.coefs], 1)
        if isinstance(before.family, type(self.family)):
            self.family = before.family.prepared(self.y, self.weight)

    def shaped(self, eta: np.ndarray | None = None) -> np.ndarray:
        """Return eta (N, K) in the form that the family takes."""
        eta = self.eta if eta is None else eta
        return eta if eta.shape[1] > 1 else eta[:, 0]

    def deviance(self, eta: np.ndarray | None = None) -> float:
        """Return the weighted deviance at eta (N, K)."""
        with np.errstate(over="ignore"):  # a step too far is refused because its deviance is infinite
            return float(self.weight @ self.family.deviance(self.y, self.shaped(eta)))

    def round(self, choose: bool) -> float:
        """Move every predictor once; return the largest relative change of the penalised deviance."""
        if choose or self.family.adapts_exactly:
            self.family = self.family.adapted(self.y, self.shaped(), self.weight)
        return max(self._step(k, choose) for k in range(len(self.coefs)))

    def move_together(self, tolerance: float) -> tuple[int, bool]:
        """Minimise the penalised deviance in all predictors with the strengths held; return steps and convergence.

        Quasi-Newton steps of limited memory (Nocedal, Mathematics of Computation 35 (1980) 773) whose first metric is
        the block of each predictor in the information matrix. No normal matrix is summed.
        """
        keep, fits = self.needed.keep, [fit for fit in self.fits if fit is not None]
        metric = [fit.covariance[np.ix_(keep, keep)] / fit.dispersion for fit in fits]
        ridge = np.stack([self._ridge(fit)[keep] for fit in fits])
        coefs, eta = self.coefs[:, keep], self.eta
        memory: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=self.policy.joint_memory)
        value, slope = self.deviance(eta) + (ridge * coefs**2).sum(), self._slope(coefs, eta, ridge)
        for step in range(self.policy.joint_steps):
            direction = -two_loops(slope, memory, metric)
            moved = self._etas(direction)
            for halving in range(self.policy.halvings + 1):
                share = 0.5**halving
                new, new_eta = coefs + share * direction, eta + share * moved
                after = self.deviance(new_eta) + (ridge * new**2).sum()
                if after <= value + 2 * LEAST_FALL * share * (slope * direction).sum():
                    break
            else:
                return self._arrived(coefs, eta, step, True)
            new_slope, fall = self._slope(new, new_eta, ridge), value - after
            change, bend = new - coefs, new_slope - slope
            if (change * bend).sum() > 0:
                memory.append((change, bend))
            coefs, eta, value, slope = new, new_eta, after, new_slope
            if fall <= tolerance * (value + SMALL_DEVIANCE * self.null_deviance):
                return self._arrived(coefs, eta, step + 1, True)
        return self._arrived(coefs, eta, self.policy.joint_steps, False)

    def _arrived(self, coefs: np.ndarray, eta: np.ndarray, steps: int, converged: bool) -> tuple[int, bool]:
        """Take over the coefficients (K, needed columns) and predictors of `move_together`."""
        self.coefs[:, self.needed.keep], self.eta = coefs, eta
        score, information = self.family.derivatives(self.y, self.shaped())
        for k, fit in enumerate(self.fits):
            assert fit is not None
            self.fits[k] = replace(fit, coef=self.coefs[k].copy())
            own = np.maximum(information[:, k], self.policy.least_information * information[:, k].max() + 1e-300)
            self.working[k] = [self.weight * own, score[:, k] / own]
        return steps, converged

    def _slope(self, coefs: np.ndarray, eta: np.ndarray, ridge: np.ndarray) -> np.ndarray:
        """Half the derivative of the penalised deviance by the coefficients (K, needed columns)."""
        score = self.weight[:, None] * self.family.derivatives(self.y, self.shaped(eta))[0]
        total, rows = ridge * coefs, np.arange(len(self.x))
        if self.needed.values is not None:
            return np.asarray(total - score.T @ self.needed.values)
        for part in self.needed.chunks(len(self.x)):
            total -= score[part].T @ self.needed.columns(rows[part])
        return total

    def _etas(self, coefs: np.ndarray) -> np.ndarray:
        """Linear predictors (N, K) of coefficients (K, needed columns)."""
        if self.needed.values is not None:
            return np.asarray(self.needed.values @ coefs.T)
        rows = np.arange(len(self.x))
        parts = [self.needed.columns(rows[part]) @ coefs.T for part in self.needed.chunks(len(self.x))]
        return np.concatenate(parts)

    def _ridge(self, fit: RemlFit) -> np.ndarray:
        """Strength of the ridge of each column; 0 for columns of groups that have vanished."""
        return np.append(np.where(np.isfinite(fit.strength), fit.strength, 0.0), 0.0)[self.design.groups]

    def _step(self, k: int, choose: bool) -> float:
        """Move predictor k towards the optimum of its quadratic approximation."""
        fit = self._estimated(k, choose)
        self.fits[k], self.strengths[k] = fit, fit.strength
        groups = self.design.groups
        ridge = self._ridge(fit)
        change = fit.coef - self.coefs[k]
        moved = self.needed.predictor(fit.coef) - self.eta[:, k]
        plain = self.deviance()
        before = plain + ridge @ self.coefs[k] ** 2
        if self.coefs[k, np.append(~np.isfinite(fit.strength), False)[groups]].any():
            before = max(before, self.null_deviance)  # a group has vanished: the two points have different objectives
        for halving in range(self.policy.halvings + 1):
            share = 0.5**halving
            coef, eta = self.coefs[k] + share * change, self.eta.copy()
            eta[:, k] += share * moved
            deviance = self.deviance(eta)
            after = deviance + ridge @ coef**2
            # Where a strength has just grown a lot, the penalty of the old coefficients would excuse any deviance.
            if after <= before + ROUNDING * abs(before) and deviance <= max(plain, self.null_deviance) * (1 + ROUNDING):
                self.coefs[k], self.eta = (fit.coef if halving == 0 else coef), eta
                return abs(before - after) / (after + SMALL_DEVIANCE * self.null_deviance + 1e-300)
        return 0.0

    def _estimated(self, k: int, choose: bool) -> RemlFit:
        """Return the optimum of the quadratic approximation in predictor k, with new strengths or the present ones."""
        needed, scale, fit = self.needed, self.family.scale, self.fits[k]
        # Inequalities are checked on the whole design, whose columns are then all needed.
        design: Any = self.design if needed.keep.all() else needed
        while True:
            normal, *self.working[k] = working_normal(
                needed,
                np.arange(len(self.x)),
                self.y,
                self.weight,
                self.family,
                self.eta,
                k,
                self.policy.least_information,
            )
            if k == 0:
                self.normal = normal.embedded(needed.keep)
            if fit is not None and not choose:
                return self._whole(with_strengths(normal, design, self._part(fit), fit.strength, scale))
            new = estimate(normal, design, self.strengths[k], scale)
            if not needed.grow(new.edf):
                break
            self.strengths[k] = new.strength
            design = self.design if needed.keep.all() else needed
        bounded = np.maximum(new.strength, self._least_strength(normal))
        if (bounded != new.strength).any():
            new = with_strengths(normal, design, new, bounded, scale)
        return self._whole(new)

    def _part(self, fit: RemlFit) -> RemlFit:
        """Return an estimate of all columns as one of those needed."""
        keep = self.needed.keep
        return replace(fit, coef=fit.coef[keep], covariance=fit.covariance[np.ix_(keep, keep)])

    def _whole(self, fit: RemlFit) -> RemlFit:
        """Return an estimate of the needed columns as one of all."""
        return expanded(fit, self.needed.keep)

    def _least_strength(self, normal: NormalMatrix) -> np.ndarray | float:
        """Return the strengths of the weakest prior that a family of known scale has."""
        if self.family.scale is None:
            return 0.0
        if self.least_strength is None:  # at the first step all rows have one information, so it cancels
            groups, count = self.needed.groups, self.needed.count
            power = np.bincount(groups + 1, np.diag(normal.gram), count + 1)[1:] / normal.gram[0, 0]
            sizes = np.maximum(np.bincount(groups + 1, minlength=count + 1)[1:], 1)
            self.least_strength = power / sizes / self.policy.prior_deviation**2
        return self.least_strength

    def result(self, rounds: int, steps: int, converged: bool) -> IrlsFit:
        """Return the fit, shifted as the family wants it."""
        shift, self.family = self.family.final_shift(self.y, self.shaped(), self.weight)
        self.coefs[:, 0] += shift
        self.eta += shift
        null = null_deviance(self.family, self.y, self.weight)
        fits = tuple(replace(fit, coef=coef.copy()) for fit, coef in zip(self.fits, self.coefs, strict=True) if fit)
        weights, residual = (np.stack(parts, 1) for parts in zip(*self.working, strict=True))
        if self.family.noisy_information:  # the mean says more: see `Family`
            score = weights * residual
            weights = self.weight[:, None] * (weights.sum(axis=0) / self.weight.sum())
            residual = np.divide(score, weights, out=np.zeros_like(score), where=weights > 0)
        assert self.normal is not None
        return IrlsFit(
            family=self.family,
            fits=fits,
            eta=self.shaped(),
            deviance=self.deviance(),
            null_deviance=null,
            rounds=rounds,
            steps=steps,
            converged=converged,
            limits=(float(self.eta.min()), float(self.eta.max())),
            weights=weights,
            residual=residual,
            normal=self.normal,
        )


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
    >>> from edgewise.model_selection.additive import fit_additive
    >>> from edgewise.model_selection.additive.families import Poisson
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
