"""The cost model against counts by hand."""

import pytest

from edgewise.nn.mlp import MLP
from edgewise.nn.model import KAN
from edgewise.train.cost import EQUATION_COST, TABLE_COST, StepCost, active_parameters


def test_dense_rows():
    """Half of the normal matrix, and a third of the cube for its factorisation, each four times faster."""
    assert StepCost(product_speed=4.0).levenberg_marquardt(100, 12) == (100 * 12**2 / 2 + 12**3 / 3) / 4
    assert TABLE_COST.levenberg_marquardt(100, 12) == 3e6 + (100 * 12**2 / 2 + 12**3 / 3) / 4


def test_sparse_rows_are_formed_by_whichever_way_is_cheaper():
    few, many = (EQUATION_COST.levenberg_marquardt(1000, 200, active) for active in (10, 150))
    assert few == pytest.approx(1000 * 10**2 / 2 + 200**3 / 24 + 40 * 1000 * 10)
    assert many == pytest.approx(1000 * 200**2 / 16 + 200**3 / 24 + 40 * 1000 * 150)


def test_active_parameters():
    assert active_parameters(KAN([2, 3, 1], 8, 3)) == (2 * 3 + 3) * 4
    assert active_parameters(MLP([2, 3, 1])) == 0


def test_a_gradient_takes_a_product_forwards_and_two_backwards():
    assert StepCost(overhead=5.0).gradient(100, 12, 7) == 6 * 100 * 12 + 300 * 100 * 7 + 5
