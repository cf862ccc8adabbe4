"""Polynomials of several inputs: order, exact fits, shrunk fits, and the networks that compute them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre

from edgewise.search.polynomials import exact, smooth
from edgewise.search.polynomials.basis import Basis, legendre, lower_set
from edgewise.search.polynomials.exact import fit_exact
from edgewise.search.polynomials.links import LINK_FUNCTIONS
from edgewise.search.polynomials.network import Polynomial
from edgewise.search.polynomials.smooth import fit_smooth


def test_legendre_polynomials_are_those_of_scipy_with_mean_square_one():
    z = np.linspace(-1, 1, 7)
    want = np.stack([eval_legendre(k, z) * np.sqrt(2 * k + 1) for k in range(6)], 1)
    np.testing.assert_allclose(legendre(z, 5), want, atol=1e-13)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    gram = legendre(nodes, 5).T @ (legendre(nodes, 5) * weights[:, None]) / 2
    np.testing.assert_allclose(gram, np.eye(6), atol=1e-13)


@pytest.mark.parametrize("crossing", [0.0, 0.7])
def test_the_products_with_the_smallest_weights_come_first(crossing):
    rates, degrees = [1.0, 1.7, 2.2], [5, 3, 9]
    grid = np.stack(np.meshgrid(*[np.arange(d + 1) for d in degrees], indexing="ij"), -1).reshape(-1, 3)
    weights = grid @ rates + crossing * np.maximum((grid > 0).sum(1) - 1, 0)
    indices, found = lower_set(rates, crossing, 40, degrees)
    np.testing.assert_allclose(found, np.sort(weights)[:40], atol=1e-8)
    assert len({tuple(index) for index in indices}) == 40


@pytest.mark.parametrize("link", LINK_FUNCTIONS.values(), ids=LINK_FUNCTIONS)
def test_a_link_has_the_slope_and_inverse_of_its_values(link):
    y = np.linspace(0.2, 1.4, 9)
    u, step = link.inverse(y), 1e-6
    np.testing.assert_allclose(link.value(u), y, rtol=1e-12)
    np.testing.assert_allclose((link.value(u + step) - link.value(u - step)) / (2 * step), link.slope(u), rtol=1e-6)
    np.testing.assert_allclose(link.slope(u) * link.inverse_slope(y), 1, rtol=1e-9)
    low, high = link.bounds(0.2, 1.4)
    assert low <= u.min() and u.max() <= high
    assert link.name == "identity" or np.isfinite(link.value(np.array([low, high]))).all()


@pytest.mark.parametrize("inputs", [1, 2, 3])
@pytest.mark.parametrize("name", ["identity", "exponential"])
def test_the_network_computes_the_polynomial(inputs, name):
    rng = np.random.default_rng(inputs)
    indices, _ = lower_set([1.0] * inputs, 0.0, 12, [4] * inputs)
    basis = Basis(indices, np.stack([np.arange(inputs) - 1.0, np.arange(inputs) + 2.0], 1))
    coef = 0.2 * rng.standard_normal(len(indices))
    bounds = (-5.0, 5.0) if name != "identity" else (-np.inf, np.inf)
    polynomial = Polynomial(basis, coef, LINK_FUNCTIONS[name], bounds, 0.3)
    x = rng.uniform(*basis.limits.T, (200, inputs))
    kan = polynomial.to_kan(1e-8)
    np.testing.assert_allclose(kan(torch.from_numpy(x)).detach().numpy()[:, 0], polynomial(x), atol=2e-8)


@pytest.mark.parametrize("inputs", [2, 3])
def test_changes_of_parameters_are_those_of_the_network(inputs):
    """The witness: the network of changed coefficients. All changes of a table of full rank keep its rank."""
    rng = np.random.default_rng(0)
    indices = np.stack(np.meshgrid(*[np.arange(3)] * inputs, indexing="ij"), -1).reshape(-1, inputs)
    basis = Basis(indices, np.tile([-1.0, 1.0], (inputs, 1)))
    coef, root = rng.standard_normal(len(indices)), rng.standard_normal((len(indices), 2))
    polynomial = Polynomial(basis, coef, LINK_FUNCTIONS["identity"])
    kan = polynomial.to_kan(1e-9)
    changes, step = polynomial.parameter_changes(kan, root), 1e-6
    x = torch.from_numpy(rng.uniform(-1, 1, (20, inputs)))
    vector = torch.nn.utils.parameters_to_vector(kan.parameters()).detach()
    with torch.no_grad():
        outputs = []
        for sign in (1, -1):
            torch.nn.utils.vector_to_parameters(
                vector + sign * step * torch.from_numpy(changes[:, 0]), kan.parameters()
            )
            outputs.append(kan(x).numpy()[:, 0])
    np.testing.assert_allclose((outputs[0] - outputs[1]) / (2 * step), basis.columns(x.numpy()) @ root[:, 0], atol=1e-6)


def test_residuals_are_those_of_fits_without_the_row(monkeypatch):
    monkeypatch.setattr(exact, "SETTINGS", replace(exact.SETTINGS, left_out=0.0))  # all products of the fit stay
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (60, 2))
    y = np.sin(2 * x[:, 0] + x[:, 1]) + 0.1 * rng.standard_normal(60)
    found = fit_exact(x, y, np.ones(60))
    assert found.polynomial.link.name == "identity"
    columns = found.polynomial.basis.columns(x)
    for row in (0, 31):
        others = np.arange(60) != row
        coef = np.linalg.lstsq(columns[others], y[others], rcond=None)[0]
        assert abs(found.residual[row] - (y[row] - columns[row] @ coef)) < 1e-9


def test_a_law_without_noise_is_reproduced_inside_its_link():
    x = np.random.default_rng(0).uniform(0.5, 2, (600, 3))
    y = np.log(1 + x[:, 0] ** 2 + x[:, 1] * x[:, 2])
    scaled = (y - y.mean()) / y.std()
    found = fit_exact(x, scaled, np.ones(600), shift=y.mean() / y.std(), unit=y.std())
    assert found.polynomial.link.name == "logarithm"
    fresh = np.random.default_rng(1).uniform(0.6, 1.9, (100, 3))
    truth = (np.log(1 + fresh[:, 0] ** 2 + fresh[:, 1] * fresh[:, 2]) - y.mean()) / y.std()
    assert np.abs(found.polynomial(fresh) - truth).max() < 1e-10


def test_the_likelihood_of_a_link_does_not_depend_on_the_unit_of_the_target():
    rng = np.random.default_rng(0)
    x = rng.random((80, 2))
    y = np.log(1 + x.sum(1)) + 0.01 * rng.standard_normal(80)
    basis = Basis(lower_set([1, 1], 0, 10, [79, 79])[0], np.array([[0.0, 1.0]] * 2))
    with_unit = [smooth._Rows(x, y / unit, np.ones(80), basis, 0.0, unit) for unit in (1.0, 10.0)]
    link = LINK_FUNCTIONS["logarithm"]
    start = np.linalg.lstsq(basis.columns(x), np.exp(y))[0]
    one, other = (rows.fit(link, start, rows.bounds(link, np.exp(y)), None) for rows in with_unit)
    np.testing.assert_allclose(one.polynomial(x), 10 * other.polynomial(x), rtol=1e-6)
    # Minus twice the log of a density of 80 numbers, which are divided by ten.
    assert one.criterion - 80 * np.log(100) == pytest.approx(other.criterion, abs=1e-3)


@pytest.mark.parametrize(("low", "high"), [(20, 250), (60, 320)])
def test_targets_whose_exponentials_round_each_other_away_take_no_logarithm(low, high):
    """Squares of exponentials of such targets overflow, and the curvature of the likelihood was no number."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (300, 2))
    target = low + (high - low) * x[:, 0] * x[:, 1] + 10 * rng.standard_normal(300)
    unit = target.std()
    y = (target - target.mean()) / unit
    found = fit_smooth(x, y, np.ones(300), shift=target.mean() / unit, unit=unit)
    assert found.polynomial.link.name != "logarithm"
    assert found.dispersion**0.5 * unit == pytest.approx(10, rel=0.1)


def test_the_shrunk_fit_is_the_penalised_least_squares_and_its_bands_hold():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (300, 2))
    truth = np.sin(2 * x[:, 0]) * x[:, 1]
    noisy = truth + 0.1 * rng.standard_normal(300)
    found = fit_smooth(x, noisy, np.ones(300))
    polynomial = found.polynomial
    assert polynomial.link.name == "identity"
    columns = polynomial.basis.columns(x)
    deviation = np.sqrt(np.einsum("ij,jk,ik->i", columns, found.covariance, columns))
    assert abs(found.dispersion**0.5 - 0.1) < 0.015
    assert 0.8 < np.mean(np.abs(polynomial(x) - truth) < 1.645 * deviation) <= 1
    part = np.arange(300) % 3 > 0
    again = fit_smooth(x[part], noisy[part], np.ones(part.sum()), like=found)
    assert again.polynomial.basis is polynomial.basis
    assert np.sqrt(np.mean((again.polynomial(x) - truth)[~part] ** 2)) < 0.05


def test_a_sum_of_curves_has_no_products():
    x = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    found = fit_exact(x, np.sin(3 * x[:, 0]) + x[:, 1] ** 2, np.ones(400))
    assert found.polynomial.terms() == [] and found.polynomial.to_kan(1e-9).config.width == (2, 1)


def test_pairs_that_do_not_act_together_share_few_products():
    pairs = np.array([[0.0, 0.0, 5.0], [0.0, 0.0, 1.5], [5.0, 1.5, 0.0]])
    rates = np.array([1.0, 1.5, 2.0])
    indices, weights = lower_set(list(rates), 0.0, 60, [9, 9, 9], pairs)
    # Every product of degree 9 at most with its weight by the definition, the smallest first.
    grid = np.stack(np.meshgrid(*[np.arange(10)] * 3, indexing="ij"), -1).reshape(-1, 3)
    used = grid > 0
    every = grid @ rates + sum(pairs[i, j] * (used[:, i] & used[:, j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    np.testing.assert_allclose(weights, np.sort(every)[:60], atol=1e-8)
    assert all(tuple(index) in {tuple(each) for each in grid[every <= weights[-1] + 1e-8]} for index in indices)
