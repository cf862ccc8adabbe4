"""Fits by IRLS: without penalties against statsmodels and scikit-learn, with them against dense optimisation."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from edgewise.gam.building import design_of
from edgewise.gam.families.categorical import Multinomial, Ordered
from edgewise.gam.families.exponential import Bernoulli, Gamma, Gaussian, LogNormal, NegativeBinomial, Poisson, Tweedie
from edgewise.gam.families.robust import Huber, Quantile
from edgewise.gam.irls import fit_irls
from edgewise.gam.policy import AdditivePolicy, IrlsPolicy
from edgewise.gam.rows import null_deviance, shared_normal

ROWS = 400


@dataclass(frozen=True)
class Dense:
    """A design whose columns are the rows themselves; no group has a penalty unless `groups` says so."""

    groups: np.ndarray
    policy = AdditivePolicy()
    constraints = None
    bent = MappingProxyType({})
    rivals = 0

    @property
    def ranks(self):
        return np.zeros(len(self.groups), int)

    def columns(self, x):
        return x

    def link(self, coef, x):
        return x @ coef

    def chunks(self, rows):
        return [slice(at, min(at + 150, rows)) for at in range(0, rows, 150)]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(ROWS), rng.standard_normal((ROWS, 3))])
    return rng, x, x @ [0.3, 0.5, -0.4, 0.2]


def fitted(family, x, y, weight=None, groups=None):
    groups = np.full(x.shape[1], -1) if groups is None else np.array(groups)
    weight = np.ones(len(x)) if weight is None else weight
    fit = fit_irls(Dense(groups), x, family.checked(y), weight, family, policy=IrlsPolicy(tolerance=1e-12))
    assert fit.converged
    return fit


def eta_of(fit, x):
    """Linear predictors in the form that the family takes."""
    eta = x @ fit.coef
    return eta if eta.shape[1] > 1 else eta[:, 0]


def deviance(fit, x, y, weight):
    return weight @ fit.family.deviance(y, eta_of(fit, x))


def explained(fit, x, y):
    weight = np.ones(len(x))
    return 1 - deviance(fit, x, y, weight) / null_deviance(fit.family, y, weight)


def test_generalised_linear_models_equal_those_of_statsmodels(table):
    sm = pytest.importorskip("statsmodels.api")
    rng, x, eta = table
    weight = rng.integers(1, 4, ROWS).astype(float)
    log = sm.families.links.Log()
    mean, shape = np.exp(eta), 1.3
    compound = np.where(rng.random(ROWS) < 0.3, 0.0, rng.gamma(shape, mean))
    cases = [
        (Bernoulli(), (rng.random(ROWS) < 1 / (1 + np.exp(-eta))).astype(float), sm.families.Binomial()),
        (Poisson(), rng.poisson(mean).astype(float), sm.families.Poisson()),
        (Gamma(), rng.gamma(shape, mean), sm.families.Gamma(log)),
        (Gaussian(), eta + rng.standard_normal(ROWS), sm.families.Gaussian()),
        (Tweedie(1.6, estimated=False), compound, sm.families.Tweedie(log, var_power=1.6)),
        (
            NegativeBinomial(1.5, estimated=False),
            rng.poisson(mean).astype(float),
            sm.families.NegativeBinomial(log, 1 / 1.5),
        ),
    ]
    for family, y, other in cases:
        fit = fitted(family, x, y, weight)
        result = sm.GLM(y, x, family=other, freq_weights=weight).fit(tol=1e-14, maxiter=300)
        np.testing.assert_allclose(fit.fits[0].coef, result.params, atol=1e-6, err_msg=family.name)
        assert deviance(fit, x, y, weight) == pytest.approx(result.deviance, rel=1e-9)
        assert null_deviance(fit.family, y, weight) == pytest.approx(result.null_deviance, rel=1e-6)
        bse = np.sqrt(np.diag(fit.fits[0].covariance))
        np.testing.assert_allclose(bse, result.bse, rtol=1e-3, err_msg=family.name)


def test_multinomial_equals_logistic_regression(table):
    linear = pytest.importorskip("sklearn.linear_model")
    rng, x, _ = table
    odds = np.exp(x @ rng.standard_normal((4, 4)))
    share = odds / odds.sum(axis=1, keepdims=True)
    y = (share.cumsum(axis=1) < rng.random((ROWS, 1))).sum(axis=1)
    fit = fitted(Multinomial(4), x, y)
    other = linear.LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000, fit_intercept=False, solver="newton-cg").fit(
        x, y
    )
    np.testing.assert_allclose(fit.family.mean(eta_of(fit, x)), other.predict_proba(x), atol=2e-6)


def test_penalised_multinomial_is_stationary_in_all_classes_together(table):
    """The steps end where the gradient of the joint penalised likelihood vanishes."""
    rng, x, eta = table
    y = np.digitize(eta + rng.logistic(size=ROWS), [-0.5, 1])
    fit = fitted(Multinomial(3), x, y, groups=[-1, 0, 0, 0])
    score = fit.family.derivatives(y, eta_of(fit, x))[0]
    for k, one in enumerate(fit.fits):
        if np.isinf(one.strength[0]):
            assert not one.coef[1:].any()
        else:
            np.testing.assert_allclose(x.T @ score[:, k], np.r_[0, one.strength[0] * one.coef[1:]], atol=2e-4)
    assert sum(np.isfinite(one.strength[0]) for one in fit.fits) >= 2


def test_ordered_classes_maximise_the_likelihood_in_constants_and_slopes_together(table):
    """Two coefficients and seven constants against quasi-Newton steps in all of them, for a steep predictor."""
    rng, x, _ = table
    levels = np.arange(8.0) - 3.5
    y = np.clip(np.round(3.5 + 3 * x[:, 1] - x[:, 2] + 0.5 * rng.standard_normal(ROWS)), 0, 7).astype(int)
    fit = fitted(Ordered(8, tuple(levels)), x[:, :3], y)

    def total(point):
        logits = np.append(0, point[2:]) + np.outer(x[:, 1:3] @ point[:2], levels)
        return (logsumexp(logits, axis=1) - logits[np.arange(ROWS), y]).sum()

    best = minimize(total, np.zeros(9), method="BFGS", options={"gtol": 1e-5})
    np.testing.assert_allclose(fit.coef[1:, 0], best.x[:2], rtol=1e-4)
    constants = np.array(fit.family.constants)
    np.testing.assert_allclose((constants - constants[0])[1:], best.x[2:], rtol=1e-3)
    # The information of the slopes is that of all parameters without what the constants take.
    h = 1e-3 * np.eye(9)
    second = [[total(best.x + a + b) - total(best.x + a - b) for b in h] for a in h]
    second = (second - np.array([[total(best.x - a + b) - total(best.x - a - b) for b in h] for a in h])) / 4e-6
    np.testing.assert_allclose(fit.fits[0].covariance[1:, 1:], np.linalg.inv(second)[:2, :2], rtol=1e-3)


def test_shared_information_is_exact_for_two_classes_and_has_the_trace_of_more(table):
    x, rng = table[1], np.random.default_rng(0)
    for classes in (2, 4):
        family, eta, y = Multinomial(classes), rng.standard_normal((ROWS, classes)), rng.integers(0, classes, ROWS)
        normal = shared_normal(Dense(np.full(4, -1)), x, y, np.ones(ROWS), family, eta)
        centre = np.eye(classes) - 1 / classes
        share = family.mean(eta)
        exact = sum(np.kron(np.diag(p) - np.outer(p, p), np.outer(row, row)) for p, row in zip(share, x, strict=True))
        found = np.kron(centre, normal.gram)
        if classes == 2:
            np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9)
        assert np.trace(found) == pytest.approx(np.trace(exact), rel=1e-12)
        ends = np.linalg.eigvalsh(found)[-1], np.linalg.eigvalsh(np.kron(centre / 2, x.T @ x))[-1]
        assert ends[0] <= ends[1]  # the bound of Böhning


def test_huber_and_quantile_are_near_those_of_statsmodels(table):
    sm = pytest.importorskip("statsmodels.api")
    rng, x, eta = table
    y = eta + rng.standard_t(2, ROWS)
    fit = fitted(Huber(), x, y)
    result = sm.RLM(y, x, M=sm.robust.norms.HuberT()).fit(tol=1e-10, maxiter=300)
    np.testing.assert_allclose(fit.fits[0].coef, result.params, atol=5e-3)  # its MAD stands still a little earlier
    np.testing.assert_allclose(np.sqrt(np.diag(fit.fits[0].covariance)), result.bse, rtol=0.02)
    fit = fitted(Quantile(0.7), x, y)
    result = sm.QuantReg(y, x).fit(q=0.7)
    assert (np.abs(fit.fits[0].coef - result.params) < 0.5 * result.bse).all()
    np.testing.assert_allclose(np.sqrt(np.diag(fit.fits[0].covariance)), result.bse, rtol=0.25)
    assert np.mean(y <= eta_of(fit, x)) == pytest.approx(0.7, abs=1 / ROWS)


def test_a_weight_of_two_equals_the_row_twice(table):
    rng, x, eta = table
    y, weight = rng.poisson(np.exp(eta)).astype(float), rng.integers(0, 3, ROWS).astype(float)
    twice = np.repeat(np.arange(ROWS), weight.astype(int))
    groups = [-1, 0, 1, 1]
    one, other = (fitted(Poisson(), x, y, weight, groups), fitted(Poisson(), x[twice], y[twice], None, groups))
    np.testing.assert_allclose(one.fits[0].coef, other.fits[0].coef, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_separated_classes_end_with_finite_coefficients(classes):
    x = np.column_stack([np.ones(60), np.linspace(-1, 1, 60)])
    y = np.digitize(x[:, 1], [0.0, 0.5][: classes - 1])
    family = Bernoulli() if classes == 2 else Multinomial(classes)
    fit = fit_irls(Dense(np.array([-1, 0])), x, family.checked(y), np.ones(60), family)
    largest = max(np.abs(one.coef).max() for one in fit.fits)
    assert largest < 100
    assert explained(fit, x, y) > 0.8
    mean = fit.family.mean(eta_of(fit, x))
    right = (mean > 0.5) == (y > 0) if classes == 2 else mean.argmax(axis=1) == y
    assert right.mean() > 0.95


@pytest.mark.parametrize("family", [Gaussian(), LogNormal(), Poisson()])
def test_held_strengths_are_those_of_the_estimate_times_the_factor(table, family):
    """The witness: the coefficients at which the penalised score vanishes."""
    rng, x, eta = table
    y, weight = rng.poisson(np.exp(eta)) + 1.0, np.ones(ROWS)
    design = design_of(x[:, 1:], weight)
    before = fit_irls(design, x[:, 1:], y, weight, family)
    strong = fit_irls(design, x[:, 1:], y, weight, family, before, factor=50.0)
    np.testing.assert_allclose(strong.fits[0].strength, 50 * before.fits[0].strength)
    columns, coef = design.columns(x[:, 1:]), strong.coef[:, 0]
    unshifted = before.family.shift - strong.family.shift if isinstance(family, LogNormal) else 0.0
    score = before.family.derivatives(y, columns @ coef + unshifted)[0]
    penalty = strong.fits[0].ridge(design.groups) * coef
    needed = np.diag(strong.fits[0].covariance) > 0
    np.testing.assert_allclose((columns.T @ score)[needed], penalty[needed], atol=1e-4 * np.abs(penalty).max())
    assert np.abs(coef - before.coef[:, 0])[1:].max() > 1e-3


@pytest.mark.parametrize("family", [Gamma(), NegativeBinomial(theta=1.0, estimated=False)], ids=["gamma", "negative"])
def test_a_row_far_from_all_others_is_fitted_and_not_passed_by(family):
    rng = np.random.default_rng(0)
    x = np.zeros((60, 2))
    x[:, 0] = 1
    x[-1, 1] = 1  # a coefficient of its own
    y = rng.integers(1, 4, 60).astype(float)
    y[-1] = 300
    fit = fitted(family, x, y)
    # Without a penalty the fitted means are those of the two groups of rows.
    assert np.exp(fit.coef[:, 0].cumsum()) == pytest.approx([y[:-1].mean(), 300])
