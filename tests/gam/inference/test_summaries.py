"""The summary of an additive model: tests of terms, restricted likelihood and text, against dense algebra and draws."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats
from tests.night import at_night

from edgewise.gam import fit_additive
from edgewise.gam.families.exponential import Bernoulli, Poisson
from edgewise.gam.inference.summaries import _Normal, summarise
from edgewise.gam.inference.wald import _tail, smooth_test


def sampled(rows, seed=0):
    """Two curves that are there, one that is not, and a two-valued input: rows, curves, their sum."""
    rng = np.random.default_rng(seed)
    x = rng.random((rows, 4))
    x[:, 3] = x[:, 3] > 0.5
    curves = [2 * np.sin(np.pi * x[:, 0]), 4 * (x[:, 1] - 0.5) ** 2 + x[:, 1], np.zeros(rows), 0.5 * x[:, 3]]
    return rng, x, curves, sum(curves)


def named(summary, name):
    return next(term for term in summary.terms if term.name == name)


@pytest.mark.parametrize("residual_df", [None, 40.0])
def test_a_test_of_whole_rank_is_that_of_wald(residual_df):
    rng = np.random.default_rng(1)
    x, coef = rng.standard_normal((60, 3)), rng.standard_normal(3)
    gram = x.T @ x
    covariance = 0.8 * np.linalg.inv(gram + np.diag([0.0, 3.0, 5.0]))
    statistic, p_value = smooth_test(coef, covariance, gram, 3.0, residual_df)
    wald = coef @ np.linalg.solve(covariance, coef)
    if residual_df is None:
        assert statistic == pytest.approx(wald)
        assert p_value == pytest.approx(stats.chi2.sf(wald, 3))
    else:
        assert statistic == pytest.approx(wald / 3)
        assert p_value == pytest.approx(stats.f.sf(wald / 3, 3, residual_df))


def test_tails_of_mixtures_equal_integrals():
    a, b, level = 1.3, 0.4, 3.7
    inner = integrate.quad(lambda t: stats.chi2.sf((level - b * t) / a, 1) * stats.chi2.pdf(t, 1), 0, level / b)[0]
    two = inner + stats.chi2.sf(level / b, 1)
    assert _tail(level, np.array([a, b]), None) == pytest.approx(two, rel=1e-6)

    def within(x):
        """Distribution of the sum of the last two, whose weights are a and b."""
        return 1 - _tail(x, np.array([a, b]), None)

    four = 1 - integrate.quad(lambda t: within(level - t) * stats.chi2.pdf(t, 2), 0, level)[0]
    assert _tail(level, np.array([1.0, 1.0, a, b]), None) == pytest.approx(four, rel=1e-6)
    scaled = integrate.quad(lambda t: _tail(level * t / 12, np.array([a, b]), None) * stats.chi2.pdf(t, 12), 0, 80)[0]
    assert _tail(level, np.array([a, b]), 12.0) == pytest.approx(scaled, rel=1e-6)
    assert _tail(400.0, np.array([1.0, a, b]), None) > 0  # no cancellation far out


def test_fractional_rank_lies_between_whole_ranks():
    rng = np.random.default_rng(2)
    x, coef = rng.standard_normal((80, 4)), 0.2 * rng.standard_normal(4)
    gram = x.T @ x
    covariance = np.linalg.inv(gram + np.diag([0.0, 5.0, 40.0, 90.0]))
    p_values = [smooth_test(coef, covariance, gram, rank, None)[1] for rank in (2.0, 2.001, 2.5, 2.999, 3.0)]
    assert p_values[1] == pytest.approx(p_values[0], rel=0.05)
    assert p_values[3] == pytest.approx(p_values[4], rel=0.05)
    assert min(p_values) > 0


def test_restricted_likelihood_equals_that_of_the_dense_mixed_model():
    rng, x, _, f = sampled(60)
    y = f + rng.standard_normal(60)
    model = fit_additive(x, y, pairs=())
    summary = summarise(model, x, y)
    fit, design = model.fits[0], model.design
    used = np.flatnonzero(np.diag(fit.covariance) > 0)[1:]
    columns = design.columns(x)[:, used]
    strength = fit.strength[design.groups[used]]
    covariance = fit.dispersion * (np.eye(60) + (columns / strength) @ columns.T)
    inverse, ones = np.linalg.inv(covariance), np.ones(60)
    information = ones @ inverse @ ones
    rest = y - ones @ inverse @ y / information
    value = 59 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + np.log(information) + rest @ inverse @ rest
    # mgcv's criterion has no log |1'1|, and neither has this one.
    assert summary.reml == pytest.approx(value / 2, rel=1e-8)


def test_a_line_alone_is_the_t_test_of_least_squares():
    rng = np.random.default_rng(3)
    x = (rng.random((80, 1)) > 0.4) * 3.0
    y = 0.2 * x[:, 0] + rng.standard_normal(80)
    summary = summarise(fit_additive(x, y), x, y, units=np.array([2.0]))
    line, constant = named(summary, "x"), named(summary, "(constant)")
    plain = stats.linregress(2 * x[:, 0], y)
    rest = y - plain.intercept - plain.slope * 2 * x[:, 0]
    assert constant.std == pytest.approx(np.sqrt(rest @ rest / 78 / 80), rel=0.03)
    assert line.estimate == pytest.approx(plain.slope, rel=1e-8)
    assert line.std == pytest.approx(plain.stderr, rel=0.03)  # the scale is REML's, of the penalised fit
    assert line.p_value == pytest.approx(plain.pvalue, rel=0.15)


def collinear(rows, correlation, seed):
    """Return two inputs of this correlation, and independent noise."""
    first, second, noise = np.random.default_rng(seed).standard_normal((3, rows))
    return first, correlation * first + np.sqrt(1 - correlation**2) * second, noise


def test_a_line_beside_a_shrunk_line_is_the_t_test_of_least_squares():
    first, second, noise = collinear(120, 0.95, 8)
    x = np.column_stack([first, second > 0])
    y = 0.3 * first + 2 * noise
    model = fit_additive(x, y, pairs=())
    assert model.edf.sum() < 1.5  # no curve, and lines that are shrunk
    columns = np.column_stack([np.ones(120), x])
    coef, [square], *_ = np.linalg.lstsq(columns, y)
    inverse = np.linalg.inv(columns.T @ columns)
    line = named(summarise(model, x, y), "x2")
    std = np.sqrt(inverse[2, 2] * square / 117)
    assert line.estimate == pytest.approx(coef[2], abs=0.1 * std)  # the outermost rows are nearer to the others
    assert line.std == pytest.approx(std, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [100, *at_night(400)])
def test_an_input_beside_one_that_is_like_it_is_seldom_significant(rows):
    p_values = []
    for seed in range(150):
        first, second, noise = collinear(rows, 0.95, seed)
        x = np.column_stack([first, second])
        y = first**2 + 0.7 * noise
        p_values.append(named(summarise(fit_additive(x, y, pairs=()), x, y), "x2").p_value)
    # Binomial standard errors: 0.018 at 5 % and 0.008 at 1 %. With penalties on the lines of other terms: 15 and 9 %.
    assert np.mean(np.array(p_values) < 0.05) < 0.1
    assert np.mean(np.array(p_values) < 0.01) < 0.04


@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    [None, *at_night(Poisson(), Bernoulli())],
    ids=["squared", "poisson", "bernoulli"],
)
def test_p_values_are_uniform_without_an_effect_and_bands_hold_the_curves(family):
    p_values, held = [], []
    for seed in range(100):
        rng, x, curves, f = sampled(400, seed)
        f = f - f.mean()
        if family is None:
            y, options = f + rng.standard_normal(400), {}
        else:
            mean = family.mean(f)
            y = (rng.poisson(mean) if family.name == "poisson" else rng.random(400) < mean).astype(float)
            options = {"family": family}
        model = fit_additive(x, y, pairs=(), **options)
        p_values.append(named(summarise(model, x, y), "x3").p_value)
        for j in (0, 1, 2):
            values, std = model.effect(j, x[:, j])
            error = np.abs(values[:, 0] - curves[j] + curves[j].mean())
            held.append(np.mean(error <= 1.96 * std[:, 0] + 1e-12))
    p_values = np.array(p_values)
    # Binomial standard errors: 0.022 at 5 %, 0.05 at 50 %. Curves have approximate p-values, so three of them and 1 %.
    assert abs(np.mean(p_values < 0.05) - 0.05) < 0.075
    assert abs(np.mean(p_values < 0.5) - 0.5) < 0.16
    # The uncertainty of the strengths makes bands of nearly straight curves a little too wide.
    assert -0.025 < np.mean(held) - 0.95 < 0.03


def test_a_term_beside_the_penalised_fit_of_all_others_is_that_of_dense_algebra():
    rng, x, _, mean = sampled(300)
    model = fit_additive(x, mean + x[:, 0] * x[:, 1] + 0.3 * rng.standard_normal(300), pairs=[(0, 1)])
    normal = _Normal(model.design, model.fits[0], model.normal, 0.5, 280.0)
    for _, inputs in model.design.labels:
        groups = [g for g, (_, members) in enumerate(model.design.labels) if members == inputs]
        mine = np.isin(model.design.groups, groups)
        own = np.flatnonzero(mine)
        others = np.flatnonzero(normal.beside & ~mine)
        penalised = normal.gram[np.ix_(others, others)] + np.diag(normal.penalty[others])
        link = normal.gram[np.ix_(own, others)]
        gram, moment = normal._without(own, mine[normal.used])
        expected = normal.gram[np.ix_(own, own)] - link @ np.linalg.solve(penalised, link.T)
        np.testing.assert_allclose(gram, expected, atol=1e-9 * np.abs(expected).max())
        expected = normal.moment[own] - link @ np.linalg.solve(penalised, normal.moment[others])
        np.testing.assert_allclose(moment, expected, atol=1e-9 * np.abs(normal.moment).max())


@pytest.mark.parametrize("family", [None, Bernoulli()], ids=["squared", "bernoulli"])
def test_a_mean_of_models_has_the_tests_of_the_model_of_all_rows(family):
    """The covariance and the normal matrix of a test are of one point, wherever the mean of the models lies."""
    rng = np.random.default_rng(4)
    shared = rng.standard_normal(150)
    x = shared[:, None] + 0.3 * rng.standard_normal((150, 4))
    y = (shared + 0.3 * rng.standard_normal(150) > 0).astype(float)
    model = fit_additive(x, y, pairs=(), family=family)
    mean = replace(model, fits=tuple(replace(fit, coef=4 * fit.coef) for fit in model.fits))
    tests = summarise(model, x, y).terms[1:]
    assert min(term.statistic for term in tests) > 0
    assert summarise(mean, x, y).terms[1:] == tests


def test_inputs_that_follow_from_each_other_are_named():
    rng, x, _, mean = sampled(300)
    x = np.column_stack([x[:, 0], x[:, 1], x[:, 0] + 2 * x[:, 1], x[:, 2], 3 - x[:, 2], x[:, 3]])
    y = mean + 0.3 * rng.standard_normal(300)
    summary = summarise(fit_additive(x, y, pairs=()), x, y, names=["a", "b", "total", "left", "right", "c"])
    assert set(summary.sums) == {("a", "b", "total"), ("left", "right")}
    assert "a, b and total follow from each other in every row" in str(summary)
    assert summarise(fit_additive(x[:, [0, 1, 3]], y, pairs=()), x[:, [0, 1, 3]], y).sums == ()
