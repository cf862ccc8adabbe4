"""Constraints hold on dense grids, and the constrained estimate is the best one that obeys them."""

import numpy as np
import pytest
import torch
from scipy.optimize import LinearConstraint, minimize

from edgewise.errors import InputError
from edgewise.gam import Constraints, fit_additive
from edgewise.gam.building import design_of, straight_lines
from edgewise.gam.constraints import inequalities, least_change
from edgewise.gam.families.exponential import Poisson
from edgewise.gam.policy import InequalityPolicy

SLACK = 1e-9


def _table(rows=150, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((rows, 3))
    y = np.sin(5 * x[:, 0]) + (x[:, 1] - 0.4) ** 2 + x[:, 1] * x[:, 2] + 0.3 * rng.standard_normal(rows)
    return x, y


def _curve(model, j, points=2001):
    low, high = model.limits[j]
    return model.effect(j, np.linspace(low, high, points))[0][:, 0]


@pytest.mark.parametrize("sign", [1, -1])
def test_monotone_curves_never_turn(sign):
    x, y = _table()
    model = fit_additive(x, y, constraints=Constraints(monotone={0: sign}))
    assert (sign * np.diff(_curve(model, 0))).min() > -SLACK
    assert not any(0 in pair for pair in model.pairs)
    free = fit_additive(x, y, pairs=())
    assert (sign * np.diff(_curve(free, 0))).min() < -1e-3  # the constraint was at work


@pytest.mark.parametrize(("shape", "sign"), [("convex", 1), ("concave", -1)])
def test_shapes_bend_one_way(shape, sign):
    x, y = _table()
    model = fit_additive(x, y, constraints=Constraints(shape={0: shape, 1: "convex"}))
    assert (sign * np.diff(_curve(model, 0), 2)).min() > -SLACK
    assert np.diff(_curve(model, 1), 2).min() > -SLACK


def test_only_allowed_pairs_are_chosen():
    x, y = _table(400)
    y = y + 4 * x[:, 0] * x[:, 1] + 4 * x[:, 1] * x[:, 2]
    assert fit_additive(x, y, constraints=Constraints(interactions=[(2, 1)])).pairs == ((1, 2),)
    assert fit_additive(x, y, constraints=Constraints(interactions=[])).pairs == ()


@pytest.mark.parametrize("pairs", [(), [(1, 2)]])
def test_bounds_hold_everywhere(pairs):
    x, y = _table()
    model = fit_additive(x, y, pairs=pairs, constraints=Constraints(bounds=(-0.5, 1.0)))
    points = np.random.default_rng(1).uniform(-1, 2, (20_000, 3))
    guess = model.predict_link(points)
    assert guess.min() > -0.5 - SLACK and guess.max() < 1.0 + SLACK
    np.testing.assert_allclose(
        model.to_kan()(torch.from_numpy(model.clipped(points))).detach().numpy(), guess, atol=1e-11
    )
    assert np.corrcoef(guess[:, 0], np.sin(5 * points[:, 0].clip(0, 1)))[0, 1] > 0.5


def test_constraints_hold_for_other_losses():
    x, _ = _table(200)
    y = np.random.default_rng(0).poisson(np.exp(1 + np.sin(5 * x[:, 0]))).astype(float)
    constraints = Constraints(monotone={0: -1}, shape={1: "convex"})
    model = fit_additive(x, y, family=Poisson(), pairs=(), constraints=constraints)
    assert np.diff(_curve(model, 0)).max() < SLACK and np.diff(_curve(model, 1), 2).min() > -SLACK


def test_least_change_agrees_with_a_general_method():
    rng = np.random.default_rng(3)
    root = rng.standard_normal((6, 6))
    hessian, matrix, least = root @ root.T + np.eye(6), rng.standard_normal((9, 6)), rng.uniform(-1, 0.5, 9)
    found = least_change(hessian, matrix, least, 1e-12 * np.ones(9), InequalityPolicy())
    other = minimize(
        lambda d: d @ hessian @ d,
        found + 1.0,
        jac=lambda d: 2 * hessian @ d,
        method="SLSQP",
        constraints=LinearConstraint(matrix, least),
        options={"ftol": 1e-15, "maxiter": 500},
    )
    assert (matrix @ found - least).min() > -1e-12
    np.testing.assert_allclose(found, other.x, atol=1e-6)


def test_inequalities_are_those_of_the_curves():
    x, y = _table()
    model = fit_additive(x, y, pairs=(), constraints=Constraints(monotone={1: 1}))
    matrix, least, extra = inequalities(model.design)
    assert extra == 0 and not least.any()
    curves, _ = model.design.spline_coef(model.coef)
    np.testing.assert_allclose(matrix @ model.coef[:, 0], np.diff(curves[1, :, 0]), atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"monotone": {0: 2}}, "monotone must map"),
        ({"shape": {0: "round"}}, "shape must map"),
        ({"bounds": (1, 0)}, "bounds must be"),
        ({"interactions": [(0, 0)]}, "interactions must hold pairs"),
        ({"interactions": [(0, 1)], "linear": [1]}, "constrained input"),
        ({"linear": [9]}, "inputs from 0 to 2"),
    ],
)
def test_bad_constraints_are_refused(arguments, sentence):
    x, y = _table(20)
    with pytest.raises(InputError, match=sentence):
        fit_additive(x, y, constraints=Constraints(**arguments))


@pytest.mark.parametrize("angle", [1e-2, 1e-5, 1e-8])
def test_a_nearest_point_far_behind_two_opposite_inequalities_is_exact(angle):
    """Both planes are near zero, and meet far away: |z| is 1 / angle times their distance."""
    matrix, least = np.array([[1.0, angle], [-1.0, angle]]), np.array([1e-3, 1e-3])
    change = least_change(np.eye(2), matrix, least, 1e-14 * np.ones(2), InequalityPolicy())
    np.testing.assert_allclose(change, [0, 1e-3 / angle], rtol=1e-6, atol=1e-9 / angle)
    assert (matrix @ change - least).min() > -1e-12


def test_a_straight_line_is_convex_and_rounding_is_no_inequality():
    x = np.random.default_rng(0).exponential(1, (300, 2)) ** 2
    design = design_of(x, np.ones(300), constraints=Constraints(shape={0: "convex"}))
    assert inequalities(design)[0].any()
    assert not inequalities(straight_lines(design, x, np.ones(300)))[0].any()
