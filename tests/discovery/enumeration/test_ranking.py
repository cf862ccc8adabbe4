"""Expressions nearest to a target: with noise, and with inner constants that no pool contains."""

import numpy as np
import pytest

from edgewise.discovery.enumeration.families import family_members
from edgewise.discovery.enumeration.ranking import ranked
from edgewise.discovery.problem import FormulaOptions, LawProblem
from edgewise.formulas import evaluate, parse_expression
from edgewise.outcomes import Budget

NAMES = ("x", "y")


def noisy_problem(text, noise=0.0, rows=200, **options):
    rng = np.random.default_rng(3)
    x = rng.uniform(0.2, 2.0, (rows, 2))
    y = evaluate(parse_expression(text, NAMES), x)
    y = y + noise * y.std() * rng.normal(size=rows)
    return LawProblem(x, y, x, y, NAMES, FormulaOptions(**options), noise=noise)


def errors(problem, nodes):
    return [np.std(evaluate(node, problem.x) - problem.y) / np.std(problem.y) for node in nodes]


FEW = ("+", "-", "*", "/", "exp", "sin")


@pytest.mark.nightly
def test_inner_constants_are_found_exactly():
    problem = noisy_problem("exp(-0.7*x)*sin(4.1*x)", operators=FEW)
    budget = Budget(seconds=60)
    found = [each for best in ranked(problem, problem.x, problem.y, np.ones(200), budget) for each in best]
    assert min(errors(problem, found)) < 1e-9


def test_curves_have_the_values_of_their_expressions():
    x = np.linspace(0.3, 2.0, 20)[:, None]
    h = parse_expression("x")
    members, values = family_members(x.T, ("sin", "exp", "tanh", "atan", "log", "sqrt", "/"))
    assert {m.name for m in members} == {"sin", "exp", "tanh", "atan", "log", "sqrt", "/", "/sqrt"}
    for member, row in list(zip(members, values, strict=True))[::7]:
        np.testing.assert_allclose(evaluate(member.expression(h), x), row, rtol=1e-10, atol=1e-12)


def test_families_keep_to_the_permitted_functions():
    members, _ = family_members(np.linspace(0.0, 1.0, 9)[None], ("exp",))
    assert {member.name for member in members} == {"exp"}
    assert family_members(np.ones((1, 9)), ("exp",))[0] == []
