"""The panel of laws: what counts as exact, its tables and figure from rows, and a quick run that goes on."""

import pytest

from edgewise.formulas import parse_expression
from edgewise_experiments.data.laws import ai_feynman
from edgewise_experiments.formulas.srbench_runs import equals_symbolically, is_exact


def judged(text, noise=0.0, name="I.14.4"):
    law = ai_feynman()[name]
    clean, fresh = law.sample(200, 0), law.sample(300, 1)
    return is_exact(parse_expression(text, law.names), law, noise, clean, fresh)


def test_exact_formulas():
    assert judged("k_spring*x**2/2") and judged("x*k_spring*x*0.50000001")
    assert not judged("0.4999*k_spring*x**2 + 0.001*x") and not judged("k_spring*x**2/2 + 1e-4*sin(x)")
    assert not judged("k_spring*x**2/2 + 0*(x + x + x + x + x + x)"), "twice as long"


@pytest.mark.slow
def test_equal_formulas_whose_values_cancel():
    law = ai_feynman()["III.9.52"]
    node = parse_expression("-4*pi*p_d*Ef*(cos(t*(omega - omega_0)) - 1)/(h*t*(omega - omega_0)**2)", law.names)
    assert equals_symbolically(node, law)
    assert not equals_symbolically(parse_expression("4*pi*p_d*Ef/h", law.names), law)


def test_exact_structures_under_noise():
    assert judged("0.49*k_spring*x**2", noise=0.1) and judged("0.49*k_spring*x**2 + 0.01", noise=0.1)
    assert judged("0.49*k_spring*x**2.01 + 0.01", noise=0.1), "an exponent has the digits that noise leaves"
    assert not judged("0.49*k_spring*x**3", noise=0.1)
