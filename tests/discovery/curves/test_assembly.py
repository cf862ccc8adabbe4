"""Formulas of curve models: one factor for each product, unnecessary terms are removed, a model gives its formula."""

import numpy as np
import pytest

from edgewise.discovery.curves.assembly import pruned
from edgewise.formulas.constants import fit_constants, relative_error
from edgewise.formulas.expression import complexity, constant_values, evaluate, parse_expression
from edgewise.formulas.rewriting import with_one_factor

NAMES = ("x", "y")


def points(rows=500):
    return np.random.default_rng(0).uniform(0.5, 1.5, (rows, 2))


@pytest.mark.parametrize(
    "text", ["2.5*(1.5*x + 0.3)*(0.7*y - 2.1)", "(2.2*x + 1.1)**-2.0*y", "3.3*x*y + 0.1", "1/(2.5*x + 1.5)"]
)
def test_products_have_one_free_factor_and_the_same_values(text):
    node = parse_expression(text, NAMES)
    tidied = with_one_factor(node)
    np.testing.assert_allclose(evaluate(tidied, points()), evaluate(node, points()), rtol=1e-12)
    assert len(constant_values(tidied)) <= len(constant_values(node))


def test_terms_that_do_nothing_go():
    x = points()
    y = 2 * np.sin(x[:, 0])
    start = parse_expression("1.9*sin(1.01*x + 0.02) + 0.01*y + 0.03", NAMES)
    found = pruned(fit_constants(start, x, y), x, y)
    assert complexity(found.expression) == 4
    assert relative_error(found.expression, x, y) < 1e-9


def test_terms_that_matter_stay():
    x = points()
    y = np.sin(x[:, 0]) + 0.01 * x[:, 1]
    found = pruned(fit_constants(parse_expression("1.0*sin(x) + 0.011*y", NAMES), x, y), x, y)
    assert relative_error(found.expression, x, y) < 1e-9
