"""Three of a hundred inputs are result, also where each alone has no effect; none where none matters."""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import norm, rankdata

from edgewise.interpret.pruning.input_selection import _product_effects, _strongest_effects, select_inputs
from edgewise.train.problems import OrdinalClassification, Regression


def inputs(rows=300, columns=100):
    return 2 * torch.rand(rows, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1


def noise(rows, size):
    return size * torch.randn(rows, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.nightly
def test_three_of_a_hundred():
    x = inputs()
    y = 3 * x[:, 10] * x[:, 50] * x[:, 90] + noise(len(x), 0.1)
    result = select_inputs(Regression(x, y, validation=0.2))
    assert result.kept == (10, 50, 90)
    assert result.model.config.width[0] == 3
    assert set(result.z.argsort(descending=True)[:3].tolist()) == {10, 50, 90}


def test_a_product_of_two_of_five():
    x = inputs(120, 5)
    y = 3 * x[:, 1] * x[:, 3] + noise(len(x), 0.1)
    labels = torch.bucketize(y, y.quantile(y.new_tensor([1 / 3, 2 / 3])))
    result = select_inputs(OrdinalClassification(x, labels), most=2, hidden=1)
    assert result.screened == (1, 3) and set(result.kept) <= {1, 3}
    assert result.model is None or result.model.config.width[0] == len(result.kept)
    # Effects of one input and its square, of products of two of these, of products of three inputs.
    limits = [norm.ppf(1 - 0.01 / (2 * count)) for count in (10, 40, 10)]
    assert result.threshold == pytest.approx(limits, rel=1e-6)
    assert "have an effect, alone or in a product, that useless inputs would hardly show" in result.sentences[0]


def test_orders_are_tested_on_the_residual_of_the_one_before():
    """The witness: scores by scipy, least squares by numpy, each product alone."""
    x, generator = inputs(80, 3).numpy(), np.random.default_rng(0)
    y = x[:, 0] + x[:, 1] * x[:, 2] + 0.1 * generator.normal(size=80)
    u, target = (norm.ppf((rankdata(values, axis=0) - 0.5) / 80) for values in (x, y[:, None]))
    u, target = (values / values.std(0) for values in (u, target))
    (alone, count), (pairs, _), (triples, _) = _strongest_effects(torch.from_numpy(u), torch.from_numpy(target))
    squares = (u**2 - 1) / (u**2).std(0)
    expected = np.maximum(abs(u.T @ target), abs(squares.T @ target))[:, 0] / 80**0.5
    np.testing.assert_allclose(alone, expected, rtol=1e-12)
    used = expected > norm.ppf(1 - 0.01 / (2 * count))
    design = np.concatenate([u[:, used], squares[:, used]], 1)
    left = target - design @ np.linalg.lstsq(design, target)[0]
    left = (left - left.mean()) / left.std()
    both = np.concatenate([u, squares], 1)
    strongest = np.zeros(3)
    for one, other in itertools.combinations(range(6), 2):
        if one % 3 == other % 3:
            continue
        product = both[:, one] * both[:, other]
        z = abs(product @ left[:, 0]) / np.linalg.norm(product)
        strongest[[one % 3, other % 3]] = np.maximum(strongest[[one % 3, other % 3]], z)
    np.testing.assert_allclose(pairs, strongest, rtol=1e-4)
    whole = u.prod(1)
    np.testing.assert_allclose(triples, abs(whole @ left[:, 0]) / np.linalg.norm(whole), rtol=1e-4)


def test_effects_of_products_are_correlations_and_columns_of_zeros_have_none():
    a, b, y = inputs(50, 3), inputs(50, 2) ** 2, noise(50, 1.0)
    a[:, 1] = 0
    expected = torch.zeros(3, 2, dtype=torch.float64)
    for i in (0, 2):
        product = a[:, i : i + 1] * b
        expected[i] = (product.T @ y).abs() / product.norm(dim=0)
    torch.testing.assert_close(_product_effects(a, b, y[:, None]), expected)
