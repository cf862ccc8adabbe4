"""The nearest curve of a shape: one that has the shape already is its own, and others agree with a general method."""

import numpy as np
import pytest
import torch
from scipy.optimize import LinearConstraint, minimize

from edgewise.interpret.transform.shapes import CURVE_SHAPES, shaped
from edgewise.nn.layers.spline import KANLayer

ROWS = np.random.default_rng(1).uniform(-1, 1, 60)


def layer_of(coef, degree):
    layer = KANLayer(
        1, 1, grid_size=len(coef) - degree, degree=degree, base="zero", domain=(-1, 1), dtype=torch.float64
    )
    with torch.no_grad():
        layer.coef[0, :, 0] = torch.from_numpy(coef)
    return layer


def values_of(layer):
    """The values of the curve at the rows."""
    return layer.edges(torch.from_numpy(ROWS[:, None]))[:, 0, 0].detach().numpy()


def inequalities(layer, shape):
    """Differences of coefficients, or of slopes between them, that are positive for the shape, (rows, n)."""
    degree, knots = layer.degree, layer.knots[0].numpy()
    count = len(knots) - degree - 1
    matrix = np.diff(np.eye(count), axis=0)
    if shape in ("convex", "concave"):
        places = np.array([knots[k + 1 : k + degree + 1].mean() for k in range(count)])
        matrix = np.diff(matrix / np.diff(places)[:, None], axis=0)
    return matrix if shape in ("increasing", "convex") else -matrix


@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("shape", CURVE_SHAPES)
def test_a_curve_of_the_shape_stays_and_another_becomes_the_nearest(shape, degree):
    rng = np.random.default_rng(degree)
    layer = layer_of(rng.normal(size=6), degree)
    constraints = inequalities(layer, shape)
    of_shape = np.linalg.lstsq(constraints, rng.uniform(0.1, 1, len(constraints)))[0]
    found = shaped(layer_of(of_shape, degree), 0, 0, shape, ROWS)
    np.testing.assert_allclose(found, of_shape, rtol=1e-6, atol=1e-8)
    old = layer.coef[0, :, 0].detach().numpy()
    basis = np.stack([values_of(layer_of(one, degree)) for one in np.eye(6)], 1)
    target = values_of(layer)
    nearest = minimize(
        lambda coef: ((basis @ coef - target) ** 2).mean(),
        np.zeros(6),
        jac=lambda coef: 2 * basis.T @ (basis @ coef - target) / len(ROWS),
        method="trust-constr",
        constraints=LinearConstraint(constraints, 0, np.inf),
        options={"gtol": 1e-10, "maxiter": 500},
    )
    found = shaped(layer, 0, 0, shape, ROWS)
    assert (constraints @ found).min() > -1e-9
    assert ((basis @ found - target) ** 2).mean() == pytest.approx(nearest.fun, rel=0.02, abs=1e-6)
    assert not np.allclose(found, old)
