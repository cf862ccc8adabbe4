"""Reductions of a law to fewer inputs, and data where each of them must refuse."""

import numpy as np
import pytest
from tests.night import at_night

from edgewise.discovery.problem import LawProblem
from edgewise.discovery.reduction import reductions
from edgewise.discovery.reduction.steps import Change, sentence_of
from edgewise.formulas import evaluate
from edgewise.formulas.expression import Multiply, Power, Variable, exact_number
from edgewise.outcomes import Budget


def problem_of(law, inputs, count=200, noise=0.0, low=1.0, high=2.0, seed=0):
    """Rows of a law y = law(x1, x2, ...) with noise as a share of the root mean square of y."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, (count + 60, inputs))
    y = law(*x.T)
    y = y + noise * np.sqrt(np.mean(y**2)) * rng.standard_normal(len(y))
    names = tuple("abcdefgh"[:inputs])
    return LawProblem(x[:count], y[:count], x[count:], y[count:], names)


def check(problem, reduction):
    """The smaller problem has the target of the larger one, and expressions are rebuilt in the larger one's inputs."""
    factor = evaluate(reduction.rebuild(exact_number(1)), problem.held_x)
    assert np.allclose(factor * reduction.problem.held_y, problem.held_y)
    for k in range(len(reduction.problem.names)):
        column = evaluate(reduction.rebuild(Variable(k)), problem.held_x) / factor
        assert np.allclose(column, reduction.problem.held_x[:, k])


LAWS = [
    (lambda a, b, c: a * np.exp(b - c), 3, "y/a depends on b - c"),
    (lambda a, b, c: np.sqrt(a) / np.sqrt(1 + (b * c) ** 2), 3, "y/sqrt(a) depends on b*c"),
    (lambda a, b, c, d: a * b**2 / (c - d + 3), 4, "y/(a*b**2) depends on c - d"),
    (lambda a, b, c: 3 * a * b / c**2, 3, "y*c**2/(a*b) is constant"),
    (lambda a, b, c: np.cos(a) * np.sin(3 * b) + 0.2 * a * b, 3, "y depends on a and b"),
    (lambda a, b, c: np.sin(a**2 + b**2) / (1 + c**2) + c * a**2 + c * b**2, 3, "y depends on a**2 + b**2 and c"),
    (lambda a, b, c: np.exp(-a * (1 + b)) + c, 3, "y/(exp(-a*(b + 1)) + c) is constant"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "inputs", "sentence"),
    at_night(*LAWS, but=[LAWS[1], *LAWS[3:5]]),
)
def test_a_symmetry_removes_its_inputs(law, inputs, sentence):
    problem = problem_of(law, inputs)
    reduction = next(reductions(problem, Budget()))
    assert reduction.sentence == sentence
    check(problem, reduction)


def test_sentences_name_the_target_and_have_no_power_below_a_line():
    a, b = Variable(0), Variable(1)
    change = Change((Multiply((a, b)),), Power(a, -5.0))
    assert sentence_of(("lam", "T"), [change], "radiance") == "radiance*lam**5 depends on lam*T"


def test_nothing_is_reduced_where_the_law_has_no_symmetry():
    # Nearly a function of a - b, as sin is nearly straight, but not one.
    problem = problem_of(lambda a, b: np.sin(a) - np.sin(b) + 0.05 * a * b, 2, 90)
    assert not list(reductions(problem, Budget()))


def test_a_clock_that_is_over_ends_the_search():
    assert not list(reductions(problem_of(lambda a, b: np.exp(a - b), 2), Budget(seconds=0.0)))
