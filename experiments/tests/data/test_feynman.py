"""The Feynman equations against sympy's reading of their formulas."""

import pytest
from tests.datasets.formulas import agrees_with_its_formula

from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS


@pytest.mark.parametrize("name", FEYNMAN_EQUATIONS)
def test_function_and_formula_agree(name):
    agrees_with_its_formula(FEYNMAN_EQUATIONS[name])
