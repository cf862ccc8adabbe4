"""Laws that separate into smaller ones, and data where each form must be refused."""

import numpy as np
import pytest
from tests.night import at_night

from edgewise.discovery.problem import LawProblem, Separation
from edgewise.discovery.reduction import reductions
from edgewise.formulas import evaluate, parse_expression
from edgewise.outcomes import Budget

pytestmark = pytest.mark.slow


def found(law, inputs, noise=0.0):
    """The separations of a law's rows."""
    rng = np.random.default_rng(0)
    x = rng.uniform(1.0, 2.0, (500, inputs))
    y = law(*x.T)
    y = y + noise * np.sqrt(np.mean(y**2)) * rng.standard_normal(len(y))
    problem = LawProblem(x[:400], y[:400], x[400:], y[400:], tuple("abcd"[:inputs]))
    return [each for each in reductions(problem, Budget()) if isinstance(each, Separation)]


CASES = [
    (
        lambda a, b, c: np.sin(3 * a) + np.log(b + c * np.sin(b * c)),
        ("sin(3*x)", "log(x + y*sin(x*y))"),
        "sum of functions of (a) and (b, c)",
    ),
    *at_night(
        (
            lambda a, b, c: (2 + np.sin(3 * a)) * np.log(2 + b + c * np.sin(b * c)),
            ("2 + sin(3*x)", "log(2 + x + y*sin(x*y))"),
            "product of functions of (a) and (b, c)",
        )
    ),
]


@pytest.mark.parametrize(("law", "parts", "form"), CASES)
def test_a_law_separates_and_its_parts_have_the_true_shapes(law, parts, form):
    inputs = law.__code__.co_argcount
    separation = found(law, inputs)[0]
    assert separation.sentence == f"y is a {form}"
    for problem, text in zip(separation.problems, parts, strict=True):
        true = evaluate(parse_expression(text, ["x", "y"]), problem.x)
        # A part of a sum has a free constant, a part of a product a free factor.
        design = np.column_stack([true, np.ones(len(true))])
        left = problem.y - design @ np.linalg.lstsq(design, problem.y, rcond=None)[0]
        assert left.std() < 1e-3 * problem.y.std()
    whole = separation.rebuild([parse_expression(text, ["x", "y"]) for text in parts])
    rows = np.random.default_rng(1).uniform(1.0, 2.0, (20, inputs))
    assert np.allclose(evaluate(whole, rows), law(*rows.T))


@pytest.mark.parametrize(
    "law", [lambda a, b, c: np.sin(a * b) + np.tanh(c * a) + b * c, lambda a, b: np.sin(a + 0.3 * b**2) + b]
)
def test_a_law_whose_parts_share_their_inputs_does_not_separate(law):
    assert not found(law, law.__code__.co_argcount)
