"""Hidden nodes: ridge functions of a residual are found along their directions, and joined with the additive model."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import eval_hermitenorm

from edgewise.gam.families.exponential import Gaussian
from edgewise.gam.policy import AdditivePolicy
from edgewise.search import hidden_nodes as module
from edgewise.search.candidates import Candidate, FitCache, Samples
from edgewise.search.inference import parameter_factor
from edgewise.search.policy import SearchPolicy
from edgewise.train.uncertainty import _lengths

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (150, 3))
ALONG = np.array([0.6, -0.8, 0.0])
WAVE = np.sin(3 * X @ ALONG)[:, None]
NOISE = 0.1 * RNG.standard_normal((150, 1))
WEIGHT = RNG.uniform(0.5, 1.5, 150)


def test_polynomials_of_a_direction_are_normalised_hermite_polynomials():
    z = np.linspace(-2.5, 2.5, 11)
    values, slopes = module._polynomials(z)
    degrees = range(1, module.SETTINGS.test_degree + 1)
    expected = [eval_hermitenorm(n, z) / math.sqrt(math.factorial(n)) for n in degrees]
    np.testing.assert_allclose(values, np.stack(expected, 1), rtol=1e-12)
    step = 1e-6
    differences = (module._polynomials(z + step)[0] - module._polynomials(z - step)[0]) / (2 * step)
    np.testing.assert_allclose(slopes, differences, rtol=1e-5, atol=1e-6)
    far = np.array([-1e3, 1e3])
    np.testing.assert_array_equal(module._polynomials(far)[1], 0.0)


def test_principal_hessian_directions_are_those_along_which_the_residual_bends():
    u = np.random.default_rng(1).standard_normal((4000, 3))
    bent = 2 * (u @ ALONG)[:, None] ** 2 + u[:, 2:]
    found = module._hessian_directions(u, np.concatenate([bent, -bent], 1), np.ones(4000), 2)
    assert found.shape == (3, 2) and abs(found[:, 0] @ ALONG) > 0.99
    slopes = module._directions(3 * u + 1, bent, np.ones(4000), 5, 0)  # of two kinds: found, then at random
    assert slopes.shape == (3, 5) and abs(slopes[:, 0] @ ALONG) / np.linalg.norm(slopes[:, 0]) > 0.99
    np.testing.assert_allclose(np.linalg.norm(slopes * (3 * u + 1).std(0)[:, None], axis=0), 1.0)


def test_pursuit_finds_the_direction_of_a_ridge_function_and_its_gain():
    residual = (X @ ALONG)[:, None] ** 2 - np.average((X @ ALONG) ** 2)
    direction, coef = module._pursued(X, residual, WEIGHT, 3, 0)
    assert abs(direction @ ALONG) / np.linalg.norm(direction) > 0.999
    assert WEIGHT @ (X @ direction) ** 2 / WEIGHT.sum() == pytest.approx(1.0)
    left = residual - module._polynomials(X @ direction)[0] @ coef
    assert (left**2).mean() < 0.02 * (residual**2).mean()
    gain, error = module.residual_gain(X, WAVE + NOISE, np.ones(150), policy=SearchPolicy(), seed=0, blocks=None)
    assert 0.7 < gain < 1 and error < 0.1
    none, error = module.residual_gain(X, NOISE, np.ones(150), policy=SearchPolicy(test_rows=90), seed=0, blocks=None)
    assert none < 2 * error


@pytest.fixture(scope="module")
def with_a_node():
    """A model of curves and one hidden node, and its samples."""
    policy = SearchPolicy(growth_rows=100, additive=AdditivePolicy(most_pairs=0))
    samples = Samples(X[:120, :2], (WAVE + NOISE)[:120], np.ones(120))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SETTINGS", replace(module.SETTINGS, starts=2, inner_grids=(2,)))
        return FitCache(samples, policy=policy).fit(Candidate(Gaussian(), nodes=1)), samples


def test_a_node_and_the_curves_beside_it_are_one_network(with_a_node):
    fitted, _ = with_a_node
    fresh = np.random.default_rng(2).uniform(-0.9, 0.9, (500, 2))
    errors = fitted.predict(fresh)[:, 0] - np.sin(3 * fresh @ ALONG[:2])
    assert np.sqrt(np.mean(errors**2)) < 0.1
    network = fitted.to_kan()
    assert network.config.width == (2, 2, 1)
    np.testing.assert_allclose(network(torch.from_numpy(fresh)).detach().numpy(), fitted.link(fresh), atol=1e-9)


def test_the_factor_of_a_network_with_nodes_gives_the_bands_of_its_curves(with_a_node):
    fitted, samples = with_a_node
    network = fitted.to_kan()
    inside = np.clip(samples.x, *fitted.limits.T)
    lengths = _lengths(network, torch.from_numpy(inside), parameter_factor(fitted, network)).numpy()
    design = fitted.model.design
    columns = design.columns(fitted.nodes.beside(samples.x, fitted.limits))
    used = columns @ fitted.model.band_covariance(0)
    exact = np.sqrt((used * columns).sum(1))
    assert np.abs(np.median(lengths[:, 0] / exact) - 1) < 0.02


def test_too_many_parameters_are_a_sentence():
    assert module.too_large(2, 1, 2, 250) == ""
    fewest = module._parameters(5, 2, 4, module.SETTINGS.inner_grids[-1])
    sentence = module.too_large(5, 2, 4, fewest - 1)
    assert sentence.startswith("4 hidden nodes were not tried: with 5 inputs and 2 outputs they have at least")
    assert module.too_large(5, 2, 4, fewest) == ""


def test_residuals_that_a_group_has_in_common_are_noise_and_those_of_a_smooth_function_are_structure():
    """Ten rows of a group have nearly the same inputs, as years of one school have."""
    rng = np.random.default_rng(4)
    block = np.repeat(np.arange(60), 10)
    x = rng.standard_normal((60, 2))[block] + 0.05 * rng.standard_normal((600, 2))
    common = rng.standard_normal((60, 1))[block] + 0.5 * rng.standard_normal((600, 1))
    smooth = np.sin(x[:, :1]) + 0.5 * rng.standard_normal((600, 1))
    weight = np.ones(600)
    assert module.smooth_residual(x, common, weight, 3.0)
    assert not module.smooth_residual(x, common, weight, 3.0, block)
    assert module.smooth_residual(x, smooth, weight, 3.0, block)
