"""Families against finite differences, sums over all counts, and what R and statsmodels give."""

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.gam.families.base import lower_quantile
from edgewise.gam.families.categorical import Multinomial, Ordered
from edgewise.gam.families.cox import Cox
from edgewise.gam.families.exponential import Bernoulli, Gamma, Gaussian, LogNormal, NegativeBinomial, Poisson, Tweedie
from edgewise.gam.families.named import FAMILIES
from edgewise.gam.families.robust import Huber, Quantile

RNG = np.random.default_rng(0)
ETA = np.linspace(-2, 2, 60)
POSITIVE = RNG.gamma(2.0, 1.0, 60)
COUNTS = RNG.poisson(2.0, 60).astype(float)
TIMES = np.column_stack([np.round(RNG.exponential(1.0, 60), 1), RNG.random(60) < 0.7]).astype(float)
CASES = [
    (Gaussian(), POSITIVE),
    (LogNormal(shift=0.3), POSITIVE),
    (Bernoulli(), (COUNTS > 1).astype(float)),
    (Poisson(), COUNTS),
    (Gamma(), POSITIVE),
    (Tweedie(1.4), np.where(COUNTS > 1, POSITIVE, 0.0)),
    (NegativeBinomial(1.7), COUNTS),
    (Huber(spread=0.7), POSITIVE),
    (Quantile(0.3, bandwidth=0.4, rate=0.8), POSITIVE),
    (Cox(), TIMES),
    (Cox("efron"), TIMES),
    (Ordered(3, (-1.2, 0.2, 1.0), constants=(0.1, 0.4, -0.5)), np.minimum(COUNTS, 2)),
]
NAMES = [f"{family.name}-{number}" for number, (family, _) in enumerate(CASES)]


def test_every_family_of_the_registry_is_compared():
    assert set(FAMILIES) <= {family.name for family, _ in CASES}


@pytest.mark.parametrize(("family", "y"), CASES, ids=NAMES)
def test_score_and_information_are_derivatives_of_the_deviance(family, y):
    """Central differences of the total deviance; the information where it is the observed one."""
    y, h = family.checked(y), 1e-5
    score, information = family.derivatives(y, ETA)
    assert information.shape == score.shape == ETA.shape
    assert (information >= 0).all()
    for row in (0, 7, 31, 59):
        step = np.zeros(60)
        step[row] = h
        up, down = (family.deviance(y, ETA + s).sum() for s in (step, -step))
        assert score[row] == pytest.approx(-(up - down) / (4 * h), rel=1e-5, abs=1e-7)
        if family.name in ("squared", "log", "bernoulli", "poisson") and not family.log_link:
            slopes = [family.derivatives(y, ETA + s)[0][row] for s in (step, -step)]
            assert information[row] == pytest.approx(-(slopes[0] - slopes[1]) / (2 * h), rel=1e-5)


@pytest.mark.parametrize(("family", "y"), CASES[:10], ids=NAMES[:10])
def test_log_likelihood_differs_from_the_deviance_by_a_constant_of_each_row(family, y):
    dispersion = 0.6 if family.scale is None else 1.0
    sums = [
        family.log_likelihood(y, eta, dispersion) + family.deviance(y, eta) / (2 * dispersion)
        for eta in (ETA, 0.5 * ETA)
    ]
    np.testing.assert_allclose(*sums, rtol=1e-10, atol=1e-10)


def test_densities_sum_to_one():
    eta, counts = np.full(3000, 0.7), np.arange(3000.0)
    for family in (Poisson(), NegativeBinomial(0.8)):
        assert np.exp(family.log_likelihood(counts, eta, 1.0)).sum() == pytest.approx(1, abs=1e-9)
    grid = np.linspace(1e-9, 60, 20_001)
    eta, width = np.full(len(grid), 0.7), grid[1] - grid[0]
    for family, least in ((Gamma(), 1e-5), (LogNormal(), 1e-5), (Tweedie(1.5), 1e-4)):
        density = np.exp(family.log_likelihood(grid, eta, 0.5))
        zero = np.exp(family.log_likelihood(np.zeros(1), eta[:1], 0.5))[0] if family.name == "tweedie" else 0.0
        assert density.sum() * width + zero == pytest.approx(1, abs=20 * least)
    line = np.linspace(-60, 60, 20_001)
    density = np.exp(Huber(spread=0.9).log_likelihood(line, np.zeros(len(line)), 0.7))
    assert density.sum() * (line[1] - line[0]) == pytest.approx(1, abs=1e-4)


def test_negative_binomial_fits_of_any_theta_are_compared_by_their_likelihood():
    """The mass functions of scipy; at a large theta the loss is that of a Poisson fit."""
    from scipy.stats import nbinom, poisson

    counts = np.arange(60.0)
    mean = np.exp(ETA)
    for theta in (0.3, 4.0):
        own = nbinom.logpmf(counts, theta, theta / (theta + mean))
        loss = NegativeBinomial(theta).loss(counts, ETA)
        np.testing.assert_allclose(loss, poisson.logpmf(counts, counts) - own, rtol=1e-9)
        assert (loss >= 0).all()
    np.testing.assert_allclose(
        NegativeBinomial(1e7).loss(counts, ETA), Poisson().loss(counts, ETA), rtol=1e-4, atol=1e-4
    )


def test_tweedie_fits_of_any_power_are_compared_by_the_deviance_of_one():
    y = np.where(COUNTS > 1, POSITIVE, 0.0)
    np.testing.assert_array_equal(Tweedie(1.2).loss(y, ETA), Tweedie(1.8).loss(y, ETA))
    given = Tweedie(1.2, estimated=False)
    np.testing.assert_array_equal(given.loss(y, ETA), given.deviance(y, ETA) / 2)


def test_tweedie_density_agrees_with_a_sum_of_gammas_and_its_saddle_point():
    """The compound Poisson-gamma density by its own sum over the number of gamma variables."""
    from scipy.stats import gamma, poisson

    power, dispersion, mean = 1.3, 0.9, 2.5
    rate = mean ** (2 - power) / (dispersion * (2 - power))
    shape, scale = (2 - power) / (power - 1), dispersion * (power - 1) * mean ** (power - 1)
    y = np.array([0.01, 0.5, 3.0, 12.0])
    number = np.arange(1, 200)
    exact = (poisson.pmf(number, rate) * gamma.pdf(y[:, None], number * shape, scale=scale)).sum(axis=1)
    family = Tweedie(power)
    np.testing.assert_allclose(np.exp(family.log_likelihood(y, np.full(4, np.log(mean)), dispersion)), exact, rtol=1e-9)
    series, saddle = (f(np.array([3.0]), 1e-3) for f in (family._log_series, family._saddle_series))
    np.testing.assert_allclose(series, saddle, atol=1e-3)


def test_parameters_of_families_are_recovered():
    rng = np.random.default_rng(1)
    eta = rng.normal(0.5, 0.7, 4000)
    counts = rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta)))
    assert NegativeBinomial().adapted(counts.astype(float), eta, np.ones(4000)).theta == pytest.approx(2, rel=0.2)
    power, dispersion, mean = 1.6, 0.8, np.exp(eta)
    number = rng.poisson(mean ** (2 - power) / (dispersion * (2 - power)))
    scale = dispersion * (power - 1) * mean ** (power - 1)
    y = rng.gamma(np.maximum(number, 1) * (2 - power) / (power - 1), scale) * (number > 0)
    assert Tweedie().adapted(y, eta, np.ones(4000)).power == pytest.approx(power, abs=0.05)
    noise = rng.standard_normal(4000)
    assert Huber().adapted(eta + noise, eta, np.ones(4000)).spread == pytest.approx(1, rel=0.05)


def test_logits_of_ordered_classes_are_lines_in_one_predictor():
    """Drawn from their own probabilities; of a class that no row has, at least half a row."""
    rng = np.random.default_rng(1)
    eta = rng.normal(0.5, 0.7, 4000)
    truth = Ordered(4, (-1.3, -0.4, 0.4, 1.3), constants=(0.0, 1.0, 0.5, -1.0))
    shares = truth.mean(truth.logits(eta))
    y = (rng.random((4000, 1)) > shares.cumsum(1)).sum(1)
    found = Ordered(4, truth.levels).adapted(y, eta, np.ones(4000))
    assert np.abs(found.mean(found.logits(eta)) - shares).mean() < 0.01
    two = Ordered(3, (-1.0, 0.0, 1.0)).adapted(np.array([0, 1, 0, 1]), np.zeros(4), np.ones(4))
    np.testing.assert_allclose(two.mean(two.logits(np.zeros(1)))[0], [2 / 4.5, 2 / 4.5, 0.5 / 4.5], rtol=1e-6)
    # Constants that were those of predictors far away lead to the same ones.
    far = Ordered(4, truth.levels, constants=(0.0, 900.0, -400.0, 300.0)).adapted(y, eta, np.ones(4000))
    np.testing.assert_allclose(far.mean(far.logits(eta)), found.mean(found.logits(eta)), rtol=1e-4)


def test_cox_baseline_is_nelson_and_aalen_without_effects():
    y = np.array([[1, 1], [2, 0], [2, 1], [3, 1], [4, 0]], float)
    times, hazard = Cox().baseline(y, np.zeros(5))
    assert times.tolist() == [1, 2, 3]
    np.testing.assert_allclose(hazard, np.cumsum([1 / 5, 1 / 4, 1 / 2]))


@pytest.mark.parametrize("parts", [[], [7, 8, 40]], ids=["whole", "parts"])
@pytest.mark.parametrize("ties", ["breslow", "efron"])
def test_cox_information_is_the_second_derivative_of_the_deviance(ties, parts):
    family, x, h = Cox(ties), np.random.default_rng(4).normal(size=(60, 2)), 1e-3
    means = family.shared_information(TIMES, ETA, np.ones(60))
    for columns in np.split(x[means.order], parts):
        means.add(columns)
    found = x.T @ (family.derivatives(TIMES, ETA)[1][:, None] * x) - means.matrix

    def half(*steps):
        return family.deviance(TIMES, ETA + x @ steps).sum() / 2

    across = (half(h, h) - half(h, -h) - half(-h, h) + half(-h, -h)) / (4 * h**2)
    along = [(half(*step) - 2 * half(0, 0) + half(*-step)) / h**2 for step in h * np.eye(2)]
    np.testing.assert_allclose(found, [[along[0], across], [across, along[1]]], rtol=1e-4)


def test_extreme_predictors_stay_finite():
    eta = np.array([-1e4, -40.0, 0.0, 40.0, 1e4])
    for family, y in ((Bernoulli(), [1, 1, 0, 0, 0]), (Poisson(), [1, 0, 2, 0, 3]), (Gamma(), [1, 1, 1, 1, 1.0])):
        y = np.array(y, float)
        assert np.isfinite(family.deviance(y, eta)).all()
        assert all(np.isfinite(part).all() for part in family.derivatives(y, eta))


@pytest.mark.parametrize(
    ("family", "y", "message"),
    [
        (Bernoulli(), [1, 1], "y must hold both classes for the loss 'bernoulli', got only 1"),
        (Bernoulli(), [0, 3], "y must be 0 or 1 for the loss 'bernoulli', got [0.0, 3.0]"),
        (Poisson(), [0, 0], "y must have a positive value for the loss 'poisson', got only zeros"),
        (Poisson(), [1, -2], "y must be at least 0 for the loss 'poisson', got -2"),
        (Gamma(), [1, 0], "y must be positive for the loss 'gamma', got 0"),
        (LogNormal(), [1, -1], "y must be positive for the loss 'log', got -1"),
        (Gaussian(), [1, np.inf], "y must be finite, got 1 NaN or infinite values"),
        (Gaussian(), ["a", "b"], "y must hold numbers for the loss 'squared', got <U1"),
        (Multinomial(3), [0, 1, 1], "y must hold every class for the loss 'multinomial', got none of class [2]"),
        (Cox(), [[1, 0], [2, 0]], "y must have at least one event, got only censored rows"),
        (Cox(), [[-1, 1], [2, 0]], "the times in y must be finite and at least 0, got others"),
    ],
)
def test_wrong_y_gets_one_sentence(family, y, message):
    with pytest.raises(InputError) as caught:
        family.checked(np.array(y))
    assert str(caught.value) == message


def test_wrong_parameters_get_one_sentence():
    for make in (lambda: Tweedie(2.5), lambda: Quantile(1.0), lambda: Cox("exact"), lambda: NegativeBinomial(0)):
        with pytest.raises(InputError):
            make()


def test_lower_quantile_counts_weights_as_repeats():
    values, weight = RNG.standard_normal(50), RNG.integers(0, 4, 50).astype(float)
    repeated = np.sort(np.repeat(values, weight.astype(int)))
    for share in (0.1, 0.5, 0.93):
        assert lower_quantile(values, share, weight) == repeated[int(np.ceil(share * len(repeated))) - 1]


def test_a_class_without_a_row_in_a_part_of_a_table_starts_as_half_a_row():
    start = Multinomial(3).start(np.array([0, 0, 1, 1, 1]), np.ones(5))
    shares = np.exp(start) / np.exp(start).sum()
    assert np.allclose(shares, np.array([2, 3, 0.5]) / 5.5)
