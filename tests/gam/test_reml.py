"""REML against dense algebra: the marginal covariance of the rows, written out and minimised by a general method."""

import numpy as np
import pytest
from scipy.optimize import minimize

from edgewise.gam.normal import NormalMatrix
from edgewise.gam.policy import RemlPolicy
from edgewise.gam.reml import fit_mapped, fit_reml, vanished_moment


def _problem(rows=60, seed=0, weight=None):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(rows), rng.standard_normal((rows, 9))])
    groups = np.array([-1, 0, 1, 1, 1, 2, 2, 3, 3, 3])
    beta = np.array([1, 2, 0.5, -0.5, 0.3, 0.1, 0.1, 0, 0, 0])
    y = x @ beta + 0.5 * rng.standard_normal(rows)
    w = np.ones(rows) if weight is None else weight
    normal = NormalMatrix(x.T @ (w[:, None] * x), (x.T @ (w * y))[:, None], np.array([y @ (w * y)]), float(rows))
    return x, y, w, groups, normal


def _restricted(logs, x, y, w, groups, scale=None):
    """Minus twice the log restricted likelihood from the n x n covariance of the rows (Patterson and Thompson 1971)."""
    free, bound = x[:, groups < 0], x[:, groups >= 0]
    covariance = np.diag(1 / w) + (bound / np.exp(logs)[groups[groups >= 0]]) @ bound.T
    precision = np.linalg.inv(covariance)
    inner = free.T @ precision @ free
    beta = np.linalg.solve(inner, free.T @ precision @ y)
    residual = y - free @ beta
    quadratic, degrees = residual @ precision @ residual, len(y) - free.shape[1]
    logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(inner)[1]
    if scale is None:
        return logs + degrees * np.log(quadratic / degrees)
    return logs + quadratic / scale


@pytest.mark.parametrize("scale", [None, 0.25])
def test_strengths_minimise_the_dense_restricted_likelihood(scale):
    from scipy.optimize import minimize

    x, y, w, groups, normal = _problem(weight=np.random.default_rng(5).uniform(0.5, 2, 60))
    fit = fit_reml(normal, groups, scale=scale, policy=RemlPolicy(tolerance=1e-10))
    assert fit.converged
    live = np.isfinite(fit.strength)
    logs = np.where(live, np.log(np.where(live, fit.strength, 1)), 40.0)

    def dense(free):
        full = logs.copy()
        full[live] = free
        return _restricted(full, x, y, w, groups, scale)

    found = minimize(dense, logs[live] + 0.7, method="BFGS", options={"gtol": 1e-9})
    assert dense(logs[live]) <= found.fun + 1e-9
    np.testing.assert_allclose(logs[live], found.x, atol=1e-3)  # BFGS differentiates numerically
    # And the gradient of the dense likelihood vanishes at the estimate.
    for k in range(live.sum()):
        step = np.zeros(live.sum())
        step[k] = 1e-4
        assert abs(dense(logs[live] + step) - dense(logs[live] - step)) / 2e-4 < 1e-5


def test_shared_strengths_minimise_the_sum_over_contrasts_of_the_responses():
    """Responses that add up to zero are m - 1 independent ones in an orthonormal basis of contrasts."""
    x, y, w, groups, _ = _problem()
    rng, scale = np.random.default_rng(1), 0.25
    three = np.stack([y, *(x @ rng.standard_normal(10) / 2 + 0.5 * rng.standard_normal((2, 60)))], 1)
    three -= three.mean(1, keepdims=True)
    contrasts = three @ np.linalg.svd(np.eye(3) - 1 / 3)[0][:, :2]
    fit = fit_reml(
        NormalMatrix(x.T @ x, x.T @ three, (three**2).sum(0), 60.0),
        groups,
        scale=scale,
        policy=RemlPolicy(tolerance=1e-10),
    )
    assert fit.is_shared and fit.coef.shape == (10, 3) and np.abs(fit.coef.sum(1)).max() < 1e-12
    live = np.flatnonzero(np.isfinite(fit.strength))
    logs = np.log(np.minimum(fit.strength, 1e17))

    def dense(logs):
        return sum(_restricted(logs, x, one, w, groups, scale) for one in contrasts.T)

    for k in live:
        step = 1e-4 * (np.arange(4) == k)
        assert abs(dense(logs + step) - dense(logs - step)) / 2e-4 < 1e-4
    without = np.where(np.arange(4) == 1, 40.0, logs)
    assert len(live) >= 3 and fit.worth([1]) == pytest.approx(dense(without) - dense(logs), abs=1e-6)
    with pytest.raises(ValueError, match="one response where scale is unknown"):
        fit_reml(NormalMatrix(x.T @ x, x.T @ three, (three**2).sum(0), 60.0), groups)


def test_coefficients_are_those_of_generalised_least_squares():
    x, y, _, groups, normal = _problem()
    fit = fit_reml(normal, groups, policy=RemlPolicy(tolerance=1e-10))
    prior = np.where(groups < 0, 0.0, np.append(fit.strength, 0)[groups])
    on = np.isfinite(prior)
    inverse = np.linalg.inv(x[:, on].T @ x[:, on] + np.diag(prior[on]))
    np.testing.assert_allclose(fit.coef[on], inverse @ x[:, on].T @ y, atol=1e-10)
    assert not fit.coef[~on].any()
    np.testing.assert_allclose(fit.covariance[np.ix_(on, on)], fit.dispersion * inverse, atol=1e-10)
    hat = np.diag(inverse @ x[:, on].T @ x[:, on])
    np.testing.assert_allclose(fit.edf, [hat[groups[on] == g].sum() for g in range(4)], atol=1e-8)
    assert fit.total_edf == pytest.approx(1 + fit.edf.sum())


def test_worth_is_the_difference_of_dense_likelihoods():
    x, y, w, groups, normal = _problem()
    fit = fit_reml(normal, groups)
    logs = np.log(np.minimum(fit.strength, 1e17))
    without = logs.copy()
    without[1] = 40.0
    expected = _restricted(without, x, y, w, groups) - _restricted(logs, x, y, w, groups)
    assert fit.worth([1]) == pytest.approx(expected, abs=1e-6)


def test_a_vanished_group_comes_back_when_it_should():
    _, _, _, groups, normal = _problem()
    fresh = fit_reml(normal, groups, policy=RemlPolicy(tolerance=1e-9))
    back = fit_reml(normal, groups, np.array([np.inf, np.inf, np.nan, 1.0]), policy=RemlPolicy(tolerance=1e-9))
    np.testing.assert_allclose(back.coef, fresh.coef, atol=1e-7)
    assert np.isinf(fresh.strength[3]) and fresh.edf[3] == 0


@pytest.mark.parametrize("rows", [1, 2, 5, 9])
def test_singular_matrices_give_finite_estimates(rows):
    x, y, _, groups, normal = _problem(rows)
    doubled = np.concatenate([x, x[:, 1:]], 1)
    gram, moment = doubled.T @ doubled, doubled.T @ y
    fit = fit_reml(NormalMatrix(gram, moment[:, None], normal.square, float(rows)), np.append(groups, groups[1:] + 4))
    assert np.isfinite(fit.coef).all() and np.isfinite(fit.covariance).all() and fit.dispersion > 0


def test_the_uncertainty_of_the_strengths_is_carried_to_the_coefficients():
    """J and the Hessian by finite differences of coefficients and criterion at given strengths."""
    groups, normal = _problem(seed=3)[3:]
    fit = fit_reml(normal, groups, policy=RemlPolicy(tolerance=1e-10))
    live = np.flatnonzero(np.isfinite(fit.strength))
    gone = np.flatnonzero(~np.isfinite(fit.strength))

    def at(*moves):
        strength = fit.strength.copy()
        for g, move in moves:
            strength[g] *= np.exp(move)
        return fit_reml(normal, groups, strength, policy=RemlPolicy(steps=0))

    h = 1e-3
    slopes = np.stack([(at((g, h)).coef - at((g, -h)).coef) / (2 * h) for g in live], 1)
    hessian = np.array(
        [
            [
                sum(s * t * at((a, s * h), (b, t * h)).criterion for s in (1, -1) for t in (1, -1)) / (4 * h**2)
                for b in live
            ]
            for a in live
        ]
    )
    extra = slopes @ np.linalg.inv(hessian / 2 + np.eye(len(live)) / RemlPolicy().prior_variance) @ slopes.T
    found = fit.unconditional_covariance - fit.covariance
    if not len(gone):
        np.testing.assert_allclose(found, extra, atol=1e-4 * np.abs(extra).max())
    assert np.linalg.eigvalsh(found - extra).min() > -1e-4 * np.abs(extra).max()
    assert (np.diag(found)[groups >= 0] > 0).all()


def test_a_vanished_group_varies_with_the_score_of_the_residuals():
    """Residuals of the model without the group, after the other columns: a regression by dense algebra."""
    x, y, w, groups, normal = _problem()
    fit = fit_reml(normal, groups)
    (gone,) = np.flatnonzero(np.isinf(fit.strength))
    own = x[:, groups == gone]
    residuals = y - x @ fit.coef
    others = x[:, groups != gone]
    penalty = np.zeros(others.shape[1])
    member = groups[groups != gone]
    penalty[member >= 0] = fit.strength[member[member >= 0]]
    hat = others @ np.linalg.solve(others.T @ (w[:, None] * others) + np.diag(penalty), others.T * w)
    left = own.T @ (w[:, None] * (own - hat @ own))
    moment = vanished_moment(left, own.T @ (w * residuals), fit.dispersion, RemlPolicy().shrinkage_nodes)
    found = (fit.unconditional_covariance - fit.corrected_covariance)[np.ix_(groups == gone, groups == gone)]
    np.testing.assert_allclose(found, moment, rtol=1e-6)


def test_a_vanished_group_has_the_variance_of_its_posterior():
    """Sampled: shrinkage uniform, weighted by the likelihood of the residuals' projection."""
    rng = np.random.default_rng(0)
    root = rng.standard_normal((3, 3))
    left, score, scale = root @ root.T, 0.3 * rng.standard_normal(3), 0.7
    shrinkage = (np.arange(4000) + 0.5) / 4000
    weights, moments = [], []
    for ratio in shrinkage / (1 - shrinkage) * 3 / np.trace(left):
        covariance = np.linalg.inv(left + np.eye(3) / ratio)
        mean = covariance @ score
        weights.append(np.exp(score @ mean / (2 * scale)) / np.sqrt(np.linalg.det(np.eye(3) + ratio * left)))
        moments.append(scale * covariance + np.outer(mean, mean))
    expected = np.average(moments, axis=0, weights=weights)
    np.testing.assert_allclose(vanished_moment(left, score, scale, 24), expected, rtol=5e-3, atol=1e-4)
    assert not vanished_moment(np.zeros((2, 2)), np.zeros(2), 1.0, 24).any()


def test_few_numbers_that_give_all_strengths_are_where_the_criterion_is_lowest():
    """The witness: a minimiser without derivatives, over the criterion of dense matrices."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 200)
    columns = np.polynomial.legendre.legvander(x, 9)
    y = np.exp(x) + 0.1 * rng.standard_normal(200)
    normal = NormalMatrix(columns.T @ columns, (columns.T @ y)[:, None], np.array([y @ y]), 200.0)
    degrees = np.arange(1.0, 10)

    class Falling:
        """Strengths that grow by the exponential of a number with each degree."""

        def logs(self, state):
            return state[0] + np.exp(state[1]) * degrees

        def derivatives(self, state, slope):
            jacobian = np.stack([np.ones(9), np.exp(state[1]) * degrees], 1)
            return jacobian, np.diag([0.0, slope @ jacobian[:, 1]])

    def criterion(state):
        penalty = np.diag(np.append(0.0, np.exp(Falling().logs(state))))
        matrix = normal.gram + penalty
        deviance = y @ y - normal.moment[:, 0] @ np.linalg.solve(matrix, normal.moment[:, 0])
        return 199 * np.log(deviance / 199) + np.linalg.slogdet(matrix)[1] - Falling().logs(state).sum()

    groups = np.arange(10) - 1
    fit, state = fit_mapped(normal, groups, Falling(), np.zeros(2), policy=RemlPolicy(tolerance=1e-10))
    best = minimize(criterion, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    assert fit.converged and fit.criterion == pytest.approx(best.fun, abs=1e-8)
    np.testing.assert_allclose(state, best.x, atol=1e-3)
