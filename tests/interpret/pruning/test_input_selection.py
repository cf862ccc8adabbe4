"""Three of a hundred inputs are result, also where each alone has no effect; none where none matters."""

import math

import pytest
import torch

from edgewise.interpret.pruning.input_selection import select_inputs
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
