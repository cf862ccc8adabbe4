"""Formulas of the log-odds of classes: the likelihood's maximum, exact boundaries, classes without a law."""

from dataclasses import replace

import numpy as np
import pytest

from edgewise import find_formula
from edgewise.discovery import FormulaOptions
from edgewise.discovery.engine.running import Engine, Stages
from edgewise.discovery.knowledge.boundaries import ClassLoss, ClassSearch, fit_class_constants, log_losses
from edgewise.discovery.losses import Judgement
from edgewise.discovery.problem import LawProblem
from edgewise.formulas import evaluate, parse_expression
from edgewise.outcomes import Budget


def disc(rows=800, seed=0):
    x = np.random.default_rng(seed).uniform(-2, 2, (rows, 2))
    return x, x[:, 0] ** 2 + x[:, 1] ** 2 - 1.5


def test_constants_are_those_of_firths_penalised_likelihood():
    """The witness maximises log likelihood + log det(information) / 2 by finite differences and a general method."""
    from scipy.optimize import minimize

    random = np.random.default_rng(0)
    x = random.normal(size=(60, 1))
    y = (random.uniform(size=60) < 1 / (1 + np.exp(-2 * x[:, 0] - 0.5))).astype(float)
    columns = np.column_stack([x[:, 0], np.ones(60)])

    def negative(theta):
        u = columns @ theta
        p = 1 / (1 + np.exp(-u))
        information = columns.T @ (columns * (p * (1 - p))[:, None])
        return np.sum(log_losses(u, y)) - np.linalg.slogdet(information)[1] / 2

    expected = minimize(negative, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12})
    fitted = fit_class_constants(parse_expression("0.9*x + 0.3"), x, y)
    slope, offset = (evaluate(fitted.node, np.array([[t]]))[0] for t in (1.0, 0.0))
    np.testing.assert_allclose([slope - offset, offset], expected.x, atol=1e-4)


def test_separated_classes_have_a_finite_fit():
    x = np.linspace(-1, 1, 41)[:, None]
    fitted = fit_class_constants(parse_expression("1.5*x + 0.1"), x, (x[:, 0] > 0.27).astype(float))
    low, high = evaluate(fitted.node, np.array([[0.25], [0.3]]))
    assert low < 0 < high and all(0 < error < np.inf for error in fitted.errors)


def class_front(problem, proposed):
    """The front of a search whose least squares propose some formulas."""
    judgement = Judgement(ClassLoss(problem, Budget()))
    search = ClassSearch(judgement, lambda target, weights, budget: proposed, np.zeros(len(problem.y)))
    Engine(judgement, Budget(), Stages(quick=(), search=search)).run()
    return judgement.decided()


def test_the_argument_of_a_function_that_levels_off_is_tried_as_a_boundary():
    """Labels of |a b| < 2 that are random near it: of a search that proposes one saturated law, |a b| - 2 remains."""
    random = np.random.default_rng(0)
    x = random.uniform(-2, 2, (1500, 2)) * [1.0, 2.0]
    distance = np.abs(x.prod(axis=1)) - 2
    y = (random.uniform(size=1500) < 1 / (1 + np.exp(8 * distance))).astype(float)
    problem = LawProblem(x[:1000], y[:1000], x[1000:], y[1000:], ("a", "b"))
    proposed = [parse_expression("4*(atan(a*b)**2 - 1.2)", "ab")]
    front = class_front(problem, proposed)
    texts = [str(entry.formula) for entry in front]
    assert any("abs(a*b) - 2" in text for text in texts), texts
    narrow = replace(problem, options=FormulaOptions(operators=("+", "-", "*", "^", "atan")))
    front = class_front(narrow, proposed)
    assert not any("abs" in str(entry.formula) for entry in front)


@pytest.mark.nightly
def test_a_circle_that_separates_the_classes_is_found_with_its_radius():
    x, s = disc()
    front = find_formula(x, s < 0, names=["x", "y"], time_limit=3)
    fresh, truth = disc(seed=1)
    assert np.mean((front.best.formula(fresh) > 0) == (truth < 0)) > 0.998
    assert front.loss_name == "log loss" and "log-odds" in str(front) and "McFadden" in front._repr_html_()
    assert any("separated" in sentence for sentence in front.messages)
    circle = next(entry for entry in front if "x**2 + y**2 - " in str(entry.formula))
    assert str(circle.formula).endswith("(x**2 + y**2 - 3/2)")
