"""Test functions, their integrals, and the covariance of the rows, against independent computations."""

import numpy as np
import pytest

from edgewise.dynamics.fields.restatement import smoothed
from edgewise.dynamics.fields.terms import Term, library
from edgewise.dynamics.fields.weak_form import Bumps, WeakForm, WeakFormSettings, noise_of


@pytest.mark.parametrize("order", range(5))
def test_a_bump_has_the_derivatives_of_its_polynomial(order):
    bumps = Bumps(0.1, 41, 15, 9, np.array([20]))
    s = (np.arange(41) - 20) / 15
    bump = np.polynomial.Polynomial([1, 0, -1]) ** 9
    inside = np.abs(s) < 1
    expected = np.where(inside, bump.deriv(order)(s) if order else bump(s), 0) * 0.1 / 1.5**order
    np.testing.assert_allclose(bumps.matrix(order)[0], expected, atol=1e-9 * np.abs(expected).max())


def test_the_covariance_is_that_of_drawn_noise():
    t, x = np.meshgrid(np.linspace(0, 1, 30), np.linspace(0, 4, 40), indexing="ij")
    u, v = np.sin(2 * x - t), np.cos(x + 2 * t)
    terms = [Term((2, 0), (1,)), Term((0, 1), (2,)), Term((1, 1), (0,))]
    coefficients = np.array([0.7, -0.2, 0.4])
    random = np.random.default_rng(0)
    settings = WeakFormSettings(rows=12, resolution=0.0)
    sizes = (1e-3, 2e-3)

    def residual(fields):
        weak = WeakForm(fields, [1 / 29, 4 / 39], terms, 1, settings)
        weak.noises = [0.0, 0.0]
        return weak.rates(0) - weak.features @ coefficients

    clean = WeakForm([u, v], [1 / 29, 4 / 39], terms, 1, settings)
    clean.noises = list(sizes)
    covariance = clean.covariance(0, [0, 1, 2], coefficients)
    draws = []
    for _ in range(100):
        fields = [each + size * random.standard_normal(u.shape) for each, size in zip((u, v), sizes, strict=True)]
        draws.append(residual(fields))
    # Whitened by the covariance they have the identity as theirs: 1,200 squares, of mean one.
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (np.array(draws) - residual([u, v])).T)
    assert np.mean(whitened**2) == pytest.approx(1, abs=0.15)


def test_hermite_polynomials_take_the_bias_off():
    u = np.full(400_000, 0.7) + 0.5 * np.random.default_rng(1).standard_normal(400_000)
    for power in range(1, 5):
        mean = Term((power,), (0,)).values([u], [0.5]).mean()
        assert mean == pytest.approx(0.7**power, abs=0.01)


def test_noise_is_measured_where_the_field_is_smooth():
    random = np.random.default_rng(2)
    t, x = np.meshgrid(np.linspace(0, 1, 50), np.linspace(0, 60, 80), indexing="ij")
    assert noise_of(np.sin(x + t) + 0.02 * random.standard_normal(t.shape)) == pytest.approx(0.02, rel=0.1)


def test_smoothing_takes_noise_off_and_leaves_clean_data():
    random = np.random.default_rng(3)
    t, x = np.meshgrid(np.linspace(0, 1, 50), np.linspace(0, 6, 80), indexing="ij")
    u = np.sin(x + t)
    noise = 0.1 * random.standard_normal(u.shape)
    assert np.std(smoothed(u + noise) - u) < 0.03
    assert np.abs(smoothed(u) - u).max() < 1e-4


def test_terms_read_as_people_write_them():
    texts = [term.text(["u", "v"], ["x", "y"]) for term in library(2, 2, 2, 1)]
    assert set(texts) >= {"1", "u", "v", "u_x", "v_y", "u^2", "u v", "u u_x", "(u v)_y"}
    assert Term((3,), (1,)).text(["u"], ["x"]) == "u^2 u_x" and Term((3,), (1,)).factor == 3
    assert Term((2,), (2,)).text(["u"], ["x"]) == "(u^2)_xx"


def test_the_product_rule():
    expanded = Term((2,), (2,)).expanded()
    assert expanded == {((0, (0,)), (0, (2,))): 2, ((0, (1,)), (0, (1,))): 2}
