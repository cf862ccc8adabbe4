"""Three of a hundred inputs are result, also where each alone has no effect; none where none matters."""

import math

import pytest
import torch

from edgewise.interpret.pruning.input_selection import _product_effects, select_inputs
from edgewise.train.problems import Regression


def inputs(rows=300, columns=100):
    return 2 * torch.rand(rows, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1


def noise(rows, size):
    return size * torch.randn(rows, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize(
    "function",
    [
        lambda a, b, c: 3 * a * b * c,
        lambda a, b, c: a * b + torch.sin(math.pi * c),
    ],
    ids=["triple product", "product and effect"],
)
def test_three_of_a_hundred(function):
    x = inputs()
    y = function(x[:, 10], x[:, 50], x[:, 90]) + noise(len(x), 0.1)
    result = select_inputs(Regression(x, y, validation=0.2))
    assert result.kept == (10, 50, 90)
    assert result.model.config.width[0] == 3
    assert set(result.z.argsort(descending=True)[:3].tolist()) == {10, 50, 90}


def test_effects_of_products_are_correlations_and_columns_of_zeros_have_none():
    a, b, y = inputs(50, 3), inputs(50, 2) ** 2, noise(50, 1.0)
    a[:, 1] = 0
    expected = torch.zeros(3, 2, dtype=torch.float64)
    for i in (0, 2):
        product = a[:, i : i + 1] * b
        expected[i] = (product.T @ y).abs() / product.norm(dim=0)
    torch.testing.assert_close(_product_effects(a, b, y[:, None]), expected)
