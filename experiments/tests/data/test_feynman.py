"""The Feynman equations against sympy's reading of their formulas."""

import pytest
from tests.datasets.formulas import agrees_with_its_formula

from edgewise_experiments.data.feynman import FEYNMAN_EQUATIONS


def test_the_list_is_that_of_the_paper():
    assert len(FEYNMAN_EQUATIONS) == 27
    assert all(set(target.paper) == {"human", "pruned", "unpruned", "mlp"} for target in FEYNMAN_EQUATIONS.values())
    assert FEYNMAN_EQUATIONS["I.9.18"].paper_best() == 1.48e-3


@pytest.mark.parametrize("name", FEYNMAN_EQUATIONS)
def test_function_and_formula_agree(name):
    agrees_with_its_formula(FEYNMAN_EQUATIONS[name])
