"""The table of formulas: 36 problems with parsable truths, the test of exactness, a quick run that goes on."""

import numpy as np

from edgewise.formulas.expression import evaluate, parse_expression
from edgewise_experiments.formulas import formulas


def test_there_are_36_problems_and_each_truth_is_its_function():
    assert len(formulas.PROBLEMS) == 36
    assert set(formulas.TEN) <= set(formulas.PROBLEMS)
    for name, target in formulas.PROBLEMS.items():
        x, y = target.sample(50, seed=3)
        np.testing.assert_allclose(evaluate(formulas.truth(name), x), y, rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_same_form_with_noise():
    x = np.random.default_rng(0).uniform(0, 1, (500, 1))
    clean = 2 * np.sin(3 * x[:, 0])
    noisy = clean + 0.01 * np.random.default_rng(1).normal(size=500)
    right, wrong = parse_expression("1.9*sin(3.1*x)"), parse_expression("1.9*x + 0.1*x**2")
    assert formulas.has_same_form(right, x, noisy, clean, x, clean)
    assert not formulas.has_same_form(wrong, x, noisy, clean, x, clean)
    assert not formulas.has_same_form(
        parse_expression("1.9*sin(3*x + 0.1) + 0.1*sin(x)"), x, noisy, clean, x, 1.001 * clean
    )
