"""Three of a hundred inputs are result, also where each alone has no effect; none where none matters."""

import math

import pytest
import torch

from edgewise.interpret.pruning.input_selection import select_inputs
from edgewise.train.problems import Classification, Regression


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


def test_no_input_is_selected_where_none_matters():
    x = inputs()
    result = select_inputs(Regression(x, noise(len(x), 1.0)))
    assert result.kept == result.screened == () and result.model is None
    assert "0 have an effect" in result.sentences[0]


@pytest.mark.slow
def test_classes_and_constant_columns():
    x = inputs(300, 20)
    x[:, 3] = 5.0
    y = (x[:, 1] * x[:, 7] > 0).long()
    result = select_inputs(Classification(x, y))
    assert result.kept == (1, 7) and set(result.kept) <= set(result.screened)
    assert result.z[3] == 0
