"""The table of equations: a quick run and its continuation, errors against references, the summary."""

import pytest

from edgewise.pde import solve
from edgewise_experiments.pde.pde_table import TARGETS, coefficient_error
from edgewise_experiments.problems.named_equations import EQUATIONS, named_equation


def test_every_equation_has_a_row():
    assert {target.name for target in TARGETS} == {equation.name for equation in EQUATIONS}


@pytest.mark.slow
def test_the_coefficient_is_judged_by_its_standard_error():
    problem = named_equation("inverse-diffusion").make()
    found = coefficient_error(problem, solve(problem, budget=0.005))
    assert found["error"] < 3
    assert found["error"] == pytest.approx(abs(found["coefficient"] - 0.3) / found["standard_error"])
    assert 0.7 < found["efficiency"] < 1.2
